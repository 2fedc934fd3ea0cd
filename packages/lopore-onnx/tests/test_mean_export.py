"""One ONNX file gives the mean of several, scores and maps alike; models that differ have none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from made.models import SIDE, bright_areas, bright_or_dark, publish, publish_areas, record_for

from lopore.atomic_files import sha256_of
from lopore.errors import ModelError
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelFile
from lopore.record.onnx_file import write_record
from lopore_onnx.mean_export import export_mean


def sharper(factor: float) -> onnx.ModelProto:
    """``bright_or_dark`` whose head has another slope."""
    model = bright_or_dark()
    head = next(tensor for tensor in model.graph.initializer if tensor.name == "head")
    head.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(head) * np.float32(factor), "head"))
    return model


def opened(folder: Path, members: list[ModelFolder]) -> ModelFolder:
    folder.mkdir()
    export_mean(members, folder)
    path = folder / "model.onnx"
    write_record(path, members[0].record)
    return ModelFolder(folder, members[0].record).with_files(
        [ModelFile(path=path.name, sha256=sha256_of(path), format="onnx")]
    )


def test_scores_and_maps_are_the_mean_for_any_batch(tmp_path: Path) -> None:
    members = [publish(tmp_path / str(factor), sharper(factor)) for factor in (0.5, 1.0, 3.0)]
    mean = open_model(opened(tmp_path / "mean", members)).session
    pixels = np.random.default_rng(0).integers(0, 256, (7, SIDE, SIDE, 1), dtype=np.uint8)
    for count in (1, 2, 7):
        each = [open_model(one).session.run(pixels[:count], ("scores", "cam")) for one in members]  # type: ignore[attr-defined]
        scores, cam = mean.run(pixels[:count], ("scores", "cam"))  # type: ignore[attr-defined]
        np.testing.assert_allclose(scores, np.mean([one[0] for one in each], axis=0), atol=1e-6)
        np.testing.assert_allclose(cam, np.mean([one[1] for one in each], axis=0), atol=1e-6)
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    assert onnx.load(tmp_path / "mean" / "model.onnx").ir_version == 8, "the lowest that operator set 18 allows"


def test_maps_of_segmentation_models_are_averaged(tmp_path: Path) -> None:
    members = [publish_areas(tmp_path / name) for name in ("a", "b")]
    mean = open_model(opened(tmp_path / "mean", members)).session
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), dtype=np.uint8)
    alone = open_model(members[0]).session
    assert bright_areas().graph.output[1].name == "maps"
    np.testing.assert_allclose(mean.segment(pixels), alone.segment(pixels), atol=1e-6)  # type: ignore[attr-defined]


def test_models_of_other_classes_have_no_mean(tmp_path: Path) -> None:
    one = publish(tmp_path / "one")
    two = publish(tmp_path / "two", record=record_for(classes=("no_defect", "crack")))
    with pytest.raises(ModelError, match="differ in classes"):
        export_mean([one, two], tmp_path)
