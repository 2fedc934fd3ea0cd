"""The parity gate over images that say little: one alone, blank ones, all of one class."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from made.films import batches, films
from made.learning import request
from numpy.typing import NDArray

from lopore.export.parity_gate import export_model
from lopore.export.parity_report import compare
from lopore.plugins.registry import discover
from lopore.record.folder import ModelFolder
from lopore.testing import learning
from lopore_torch.learner import TorchLearner

ASKED = request("test_resnet", 32, steps_per_epoch=20, epochs=1)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelFolder, ModelFolder]:
    """A trained model, and its ONNX file alone."""
    pytest.importorskip("lopore_onnx")
    learner = TorchLearner(ASKED)
    learner.fit_epoch(0, batches(160, 8, side=32))
    model = learning.publish(discover().trainers["torch"], learner, ASKED, tmp_path_factory.mktemp("model"))
    both, _ = export_model(model, "onnx", films(4, side=32).pixels)
    alone = tuple(file for file in both.record.files if file.format == "onnx")
    return model, ModelFolder(both.path, both.record.model_copy(update={"files": alone}))


PICTURES: dict[str, NDArray[np.uint8]] = {
    "one": films(2, side=32).pixels[1:],
    "black": np.zeros((1, 32, 32, 1), np.uint8),
    "white": np.full((1, 32, 32, 1), 255, np.uint8),
    "one class": films(8, side=32).pixels[::2],
}


@pytest.mark.parametrize("kind", PICTURES)
def test_an_equal_export_passes_the_gate_on_few_or_empty_pictures(
    exported: tuple[ModelFolder, ModelFolder], kind: str
) -> None:
    model, alone = exported
    report = compare(model, "pth", alone, "onnx", PICTURES[kind], tolerance=1e-4, notes={})
    assert report.verdict(quantised=False) == ""
    assert (report.images, report.flipped) == (len(PICTURES[kind]), 0)
    assert report.cam is not None
    assert report.cam_plus is not None


@pytest.mark.parametrize(
    ("spoiled", "by", "said"),
    [("cam_plus", 1.01, r"Grad-CAM\+\+ differs by 1\.00e-02"), ("cam", 0.99, r"Grad-CAM differs by 1\.00e-02")],
)
def test_a_file_whose_heat_map_is_another_fails_the_gate_though_its_answers_are_right(
    exported: tuple[ModelFolder, ModelFolder], tmp_path: Path, spoiled: str, by: float, said: str
) -> None:
    model, alone = exported
    network = onnx.load(alone.file_for("onnx"))
    (made,) = [node for node in network.graph.node if spoiled in node.output]
    made.output[list(made.output).index(spoiled)] = "sound"
    network.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(by), "by"))
    network.graph.node.append(onnx.helper.make_node("Mul", ["sound", "by"], [spoiled]))
    onnx.save(network, tmp_path / "model.onnx")
    other = ModelFolder(tmp_path, alone.record)
    report = compare(model, "pth", other, "onnx", films(8, side=32).pixels, tolerance=1e-4, notes={})
    assert report.max_dp < 1e-5
    assert re.match(said, report.verdict(quantised=False))
