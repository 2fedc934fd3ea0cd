"""The record's calibration in every form of a torch model: session, ``.pt`` and ONNX file, heat maps unchanged."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from made.films import films
from torch_models import LEARNED, trained

from lopore.atomic_files import atomic_write_text
from lopore.metrics.score_calibration import calibrated, curve_values, scores_from
from lopore.record.abstention import Abstention
from lopore.record.folder import RECORD_NAME, ModelFolder
from lopore.record.score_calibration import LogitCurve, ScoreCalibration
from lopore_torch import explain
from lopore_torch.export import export_onnx, to_onnx
from lopore_torch.graphs import ScoresOnly
from lopore_torch.network import to_scores
from lopore_torch.predict import open_pth
from lopore_torch.program import export_pt, open_pt
from lopore_torch.score_calibration import Calibrate

BENT = LogitCurve(scale=0.4, shift=-0.3, knots=(-1.0, 0.5, 2.0), gains=(0.3, 0.6, -0.9))
STRAIGHT = LogitCurve(scale=0.5, shift=0.7)


def calibration(*curves: LogitCurve) -> ScoreCalibration:
    return ScoreCalibration(method="isotonic", curves=curves, fitted_on="made films")


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    """A trained model whose record carries a bent calibration."""
    _, plain = trained(**LEARNED)
    place = tmp_path / "model"
    shutil.copytree(plain.path, place)
    record = plain.record.model_copy(update={"calibration": calibration(BENT)})
    atomic_write_text(place / RECORD_NAME, record.to_json())
    return ModelFolder.read(place)


@pytest.mark.parametrize(
    ("task", "curves"),
    [("binary", (BENT,)), ("multilabel", (BENT, STRAIGHT, STRAIGHT)), ("multiclass", (STRAIGHT,) * 3)],
)
def test_the_module_its_onnx_graph_and_core_give_the_same_numbers(task: Any, curves: Any) -> None:
    logits = torch.linspace(-30, 12, 60).reshape(-1, 1).repeat(1, len(curves)) - torch.arange(len(curves)) * 1.5
    found = calibration(*curves)
    moved = np.column_stack([curve_values(c, logits[:, k].numpy().astype(float)) for k, c in enumerate(curves)])
    want = scores_from(moved, task)
    np.testing.assert_allclose(to_scores(Calibrate(found)(logits), task).numpy(), want, rtol=2e-5, atol=1e-30)
    model = to_onnx(ScoresOnly(torch.nn.Identity(), task, found).eval(), ["scores"], logits[:2])  # type: ignore[arg-type]
    runtime = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(runtime.run(None, {"pixels": logits.numpy()})[0], want, rtol=2e-5, atol=1e-30)


def test_every_runtime_gives_calibrated_scores_and_the_heat_maps_of_before(folder: ModelFolder, tmp_path: Path) -> None:
    pixels = films(7, seed=3)[0]
    _, plain = trained(**LEARNED)
    before = open_pth(plain, "cpu", 1)
    session = open_pth(folder, "cpu", 1)
    want = calibrated(before.predict(pixels), "binary", folder.record.calibration)
    assert np.abs(want - before.predict(pixels)).max() > 0.02
    np.testing.assert_allclose(session.predict(pixels), want, atol=1e-5)
    export_onnx(folder, tmp_path)
    runtime = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    scores, cam = runtime.run(["scores", "cam"], {"pixels": pixels})
    np.testing.assert_allclose(scores, want, atol=1e-5)
    classes, middle = folder.record.classes, float(np.median(want[:, 1]))
    limits = Abstention(coverage=0.9, limits={classes[0]: 1.0, classes[1]: 1 - middle - 1e-4}, fitted_on="made films")
    left = [[limits.possible(classes, row) for row in answers.tolist()] for answers in (want, scores)]
    assert left[0] == left[1] and len(set(map(tuple, left[0]))) == 2, "the same images are left to a person"
    maps = explain.explain_grad_cam(before, pixels, 1)
    np.testing.assert_allclose(explain.explain_grad_cam(session, pixels, 1), maps, atol=1e-5 * float(maps.max()))
    np.testing.assert_allclose(cam[:, 1], maps, atol=1e-4 * float(maps.max()))


@pytest.mark.parametrize("curve", [BENT, STRAIGHT], ids=["bent", "straight"])
def test_the_program_file_carries_it_too(curve: LogitCurve, folder: ModelFolder) -> None:
    pixels = films(5, seed=4)[0]
    record = folder.record.model_copy(update={"calibration": calibration(curve)})
    folder = ModelFolder(folder.path, record)
    export_pt(folder, folder.path)
    from lopore.atomic_files import sha256_of
    from lopore.record.model import ModelFile

    files = (*record.files, ModelFile(path="model.pt", sha256=sha256_of(folder.path / "model.pt"), format="pt"))
    atomic_write_text(folder.path / RECORD_NAME, record.model_copy(update={"files": files}).to_json())
    opened = ModelFolder.read(folder.path)
    got = open_pt(opened, "cpu", 1).predict(pixels)
    np.testing.assert_allclose(got, open_pth(folder, "cpu", 1).predict(pixels), atol=1e-5)
