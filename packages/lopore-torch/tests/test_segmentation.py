from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from made.films import SIDE, films
from made.learning import request
from torch_models import published

from lopore.contracts import Batch, MapSession
from lopore.errors import ConfigError
from lopore.inference.predict import prepare
from lopore.inference.regions import DetectionRule
from lopore.inference.segment import detect
from lopore.models.opening import open_model
from lopore.reading.encode import write_radiograph
from lopore.training_settings import Optimizer
from lopore_torch.backbones import build, encoder_of
from lopore_torch.export import export_onnx
from lopore_torch.freezing import _stages
from lopore_torch.learner import TorchLearner
from lopore_torch.plugin import ENCODERS
from lopore_torch.predict import open_pth


def masked(count: int, seed: int = 0) -> Batch:
    """Films of which every second shows a disc of class 1; class 2 never occurs."""
    made = films(count, seed)
    return Batch(made.pixels, made.masks.astype(np.int64))


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    steps = 30
    asked = request(
        "unet-resnet18", task="segmentation", classes=("pore", "slag"), network_outputs=3, network_segmentation=True,
        epochs=1, steps_per_epoch=steps, optimizer=Optimizer(learning_rate=3e-3),
    )  # fmt: skip
    learner = TorchLearner(asked)
    learner.fit_epoch(0, [masked(8, seed) for seed in range(steps)])
    return learner, published(learner, tmp_path_factory.mktemp("unet") / "m")


def test_a_unet_learns_where_the_disc_is(unet: tuple[Any, Any]) -> None:
    session = open_pth(unet[1], "cpu", 1)
    batch = masked(8, seed=99)
    assert isinstance(session, MapSession)
    assert batch.targets is not None
    maps = session.segment(batch.pixels)
    truth = batch.targets == 1
    assert maps.shape == (8, 2, SIDE, SIDE)
    assert maps.dtype == np.float32
    found = maps[:, 0] > 0.5
    assert (found & truth).sum() / (found | truth).sum() > 0.7
    scores = session.predict(batch.pixels)
    np.testing.assert_allclose(scores, maps.max(axis=(2, 3)), atol=1e-6)
    np.testing.assert_allclose(unet[0].predict([batch]), scores, atol=1e-5)


def test_the_onnx_file_of_a_unet_gives_the_same_maps(unet: tuple[Any, Any], tmp_path: Path) -> None:
    assert export_onnx(unet[1], tmp_path)["outputs"] == ["scores", "maps", "features"]
    pixels = masked(3, seed=7).pixels
    scores, maps, features = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"pixels": pixels})
    session: Any = open_pth(unet[1], "cpu", 1)
    answer, coarsest = session.answer_with_features(pixels)
    np.testing.assert_allclose(answer, maps, atol=1e-4)
    np.testing.assert_allclose(features, coarsest, atol=1e-4 * float(np.abs(coarsest).max()))
    np.testing.assert_allclose(maps, session.segment(pixels), atol=1e-4)
    np.testing.assert_allclose(scores, session.predict(pixels), atol=1e-4)


def test_detections_of_a_unet_lie_where_the_disc_is(unet: tuple[Any, Any], tmp_path: Path) -> None:
    model = open_model(unet[1])
    pixels, targets, centres = films(8, seed=99)
    for number, (image, there, (row, column)) in enumerate(zip(pixels, targets, centres, strict=True)):
        write_radiograph(image[:, :, 0], tmp_path / f"{number}.png")
        prepared = prepare(model.record, tmp_path / f"{number}.png")
        found = detect(model, prepared, DetectionRule(minimum_area_px=40)).found
        assert [one.class_name for one in found] == ["pore"] * int(there)
        if there:
            assert found[0].centre == pytest.approx((column, row), abs=2)
            assert found[0].area_px == pytest.approx(np.pi * (0.14 * SIDE) ** 2, rel=0.3)


def test_a_size_that_no_unet_takes_is_refused_with_advice() -> None:
    with pytest.raises(ConfigError, match="multiples of 32"):
        TorchLearner(request("unet-resnet18", network_size=(50, 64), network_segmentation=True))


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_stages_of_a_unet_are_those_of_its_encoder_as_a_classifier(encoder: str) -> None:
    inside = encoder_of(build(request(f"unet-{encoder}", network_segmentation=True).network))
    names = {name for name, _ in inside.named_parameters()}
    whole = [names.intersection(stage) for stage in _stages(encoder_of(build(request(encoder).network)), head=True)]
    assert [set(stage) for stage in _stages(inside, head=False)] == [stage for stage in whole if stage]
