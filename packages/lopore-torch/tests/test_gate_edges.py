"""The parity gate over pictures that say little: one alone, blank ones, all of one class."""

from __future__ import annotations

import numpy as np
import pytest
from made.films import batches, films
from made.learning import request
from numpy.typing import NDArray

from lopore.export import compare, export_model
from lopore.model import ModelFolder
from lopore.registry import discover
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
    assert (report.pictures, report.flipped) == (len(PICTURES[kind]), 0)
    assert report.cam is not None
