"""A published model notices films of another kind by its features, alike in each runtime."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from made.films import films
from made.runs import config, edit_manifest, run, write_welds
from torch_models import LEARNED, trained

from lopore.arrays import Pixels
from lopore.atomic_files import sha256_of
from lopore.data.manifest import Manifest
from lopore.errors import ModelError
from lopore.evaluation.evaluate import evaluate
from lopore.inference.predict import Prediction, answer_images, predict_files
from lopore.models.child_session import child_session
from lopore.models.opening import OpenModel, choose_predictor, open_model
from lopore.record.folder import ModelFolder
from lopore_torch.network import Classifier
from lopore_torch.predict import open_pth

WELDS, HELD = 60, 20


def split_films(rows: list[dict[str, str]]) -> None:
    """Thirty welds to learn from, twenty held out, ten to test."""
    for row in rows:
        weld = int(row["group"].removeprefix("weld "))
        row["split"] = "train" if weld < 30 else "val" if weld < 30 + HELD else "test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A model of made welds, as it is trained and published, with its ONNX and its pt file."""
    place = tmp_path_factory.mktemp("welds")
    write_welds(place, welds=WELDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        edit_manifest(place, split_films)
        settings = config(
            place, trainer="torch", model={"backbone": "resnet18"}, exports=["onnx", "pt"],
            training={"epochs": 2, "batch_size": 8, "tta_views": 2, "optimizer": {"learning_rate": 0.002}},
        )  # fmt: skip
        found = run(settings).model_folder
    assert found is not None
    return ModelFolder.read(place / found)


def opened(folder: ModelFolder, runtime: str) -> OpenModel:
    return open_model(folder, runtime=runtime, device="cpu", threads=1)


def images_of(folder: ModelFolder, split: str) -> list[Path]:
    manifest = Manifest.read(folder.path.parents[3] / "films.csv").split_of(split)
    return [manifest.file(row) for row in manifest.rows]


def other_films(count: int, size: int = 32) -> list[Pixels]:
    """Stripes across the image, which no weld has."""
    rng = np.random.default_rng(1)
    steps = np.arange(size)
    waves = [np.sin(steps * rng.uniform(0.8, 1.6))[:, None] * np.ones((size, size)) for _ in range(count)]
    return [
        np.clip(120 + 40 * wave + rng.normal(0, 3, wave.shape), 0, 255).astype(np.uint8)[..., None] for wave in waves
    ]


def test_the_record_states_the_rate_and_the_reference_is_one_of_its_files(folder: ModelFolder) -> None:
    known = folder.record.feature_likeness
    assert known is not None and not known.missing
    assert (known.films, known.false_alarms, known.images) == (HELD, 0.05, 60)
    assert known.beyond.value == 0 and known.beyond.high == pytest.approx(0.168, abs=1e-3)
    (file,) = [one for one in folder.record.files if one.path == known.file]
    assert file.sha256 == sha256_of(folder.path / known.file)
    assert (folder.path / known.file).stat().st_size < 70_000


def test_every_runtime_gives_the_distance_of_the_source(folder: ModelFolder) -> None:
    pixels = [np.asarray(one) for one in other_films(5)]
    expected = [one.feature_distance for one in answer_images(opened(folder, "pth"), pixels)]
    assert None not in expected
    for runtime in ("onnx", "pt"):
        got = [one.feature_distance for one in answer_images(opened(folder, runtime), pixels)]
        np.testing.assert_allclose(got, expected, rtol=1e-3)
    report = json.loads((folder.path / "parity-onnx.json").read_text())
    assert 0 <= report["features"] < 1e-4


def test_a_model_in_a_process_of_its_own_gives_the_same_distance(folder: ModelFolder) -> None:
    pixels = other_films(3)
    format, predictor = choose_predictor(folder, "onnx")
    session = child_session(folder, format, predictor, "cpu", 1)
    try:
        got = answer_images(OpenModel(folder, format, predictor, session), pixels)
    finally:
        session.close()
    expected = answer_images(opened(folder, "onnx"), pixels)
    for one, other in zip(got, expected, strict=True):
        assert one.feature_distance == pytest.approx(other.feature_distance, rel=1e-5)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)


def test_films_of_another_kind_are_told_and_like_films_are_not(folder: ModelFolder, tmp_path: Path) -> None:
    paths = []
    for number, pixels in enumerate(other_films(6, 40)):
        paths.append(tmp_path / f"{number}.png")
        cv2.imwrite(str(paths[-1]), pixels)
    model = opened(folder, "onnx")

    def by_features(files: list[Path]) -> list[bool]:
        found = [one for one in predict_files(model, files) if isinstance(one, Prediction)]
        assert len(found) == len(files)
        return [any("features lie far from theirs" in doubt.text for doubt in one.doubts) for one in found]

    assert all(by_features(paths))
    assert sum(by_features(images_of(folder, "test"))) <= 3


def test_an_evaluation_states_the_rate_of_both_halves(folder: ModelFolder) -> None:
    manifest = Manifest.read(folder.path.parents[3] / "films.csv")
    found = evaluate(opened(folder, "onnx"), manifest, split="test").metrics.unlike
    assert found is not None
    statistics = folder.record.likeness
    assert statistics is not None
    stated = None if statistics.false_alarms is None else statistics.false_alarms + 0.05
    assert found.stated == stated


def test_a_damaged_reference_is_refused_when_the_model_is_opened(folder: ModelFolder, tmp_path: Path) -> None:
    known = folder.record.feature_likeness
    assert known is not None
    place = tmp_path / "copy"
    place.mkdir()
    for file in folder.path.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    content = bytearray((place / known.file).read_bytes())
    content[-1] ^= 1
    (place / known.file).write_bytes(content)
    with pytest.raises(ModelError, match=r"training_features\.npy is not the file that was published"):
        open_model(ModelFolder.read(place), runtime="onnx", device="cpu")


def test_a_file_that_lies_alone_answers_without_the_comparison(folder: ModelFolder, tmp_path: Path) -> None:
    alone = tmp_path / "alone.onnx"
    alone.write_bytes(folder.file_for("onnx").read_bytes())
    model = open_model(ModelFolder.read(alone), device="cpu")
    assert model.feature_reference is None
    assert [one.feature_distance for one in answer_images(model, other_films(1))] == [None]


@pytest.mark.parametrize("backbone", ["resnet18", "mobilenetv3_small_100"])
def test_the_features_are_what_the_last_linear_layer_reads(backbone: str) -> None:
    network = LEARNED if backbone == "resnet18" else {"backbone": backbone, "task": "multiclass", "network_outputs": 2}
    session = open_pth(trained(**network)[1], "cpu", 1)
    assert isinstance(session.network, Classifier)
    pixels = films(4, seed=3)[0]
    features = torch.from_numpy(session.answer_with_features(pixels)[1])
    logits = session.network(torch.from_numpy(pixels))
    last = session.network.body.get_classifier()  # type: ignore[operator]
    torch.testing.assert_close(last(features), logits, atol=1e-5, rtol=1e-4)
