"""Folds become a model: the networks of a cross-validation, their answers averaged inside one ONNX file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lopore.arrays import PixelBatch, gives_maps
from lopore.atomic_files import atomic_folder, atomic_write_text, sha256_of
from lopore.config.experiment import Experiment
from lopore.contracts import Exporter, Learner
from lopore.errors import ConfigError, ModelError, ParityError, PluginError
from lopore.export.parity_gate import export_model
from lopore.export.parity_report import GATE_IMAGES
from lopore.inference.test_time_augmentation import predict_views
from lopore.metrics.classification import Metrics
from lopore.models.opening import open_model
from lopore.plugins.registry import call_entry, discover
from lopore.record.folder import RECORD_NAME, ModelFolder, write_model_record
from lopore.record.likeness import FeatureLikeness
from lopore.record.model import Explanation, ModelFile, ModelRecord
from lopore.record.onnx_file import write_record

from .holdout_scores import HoldoutScores, licence_of
from .plan import Plan, Splits
from .publish import gate_rows, publish, training_data
from .run_folder import CONFIG

MEMBER = "model"
TOLERANCE = 1e-4
_BATCH = 16


@dataclass(frozen=True)
class PooledAnswers:
    """What a cross-validation found: scores over all folds, and the table of its answers as CSV."""

    metrics: Metrics
    predictions: str


def mean_exporter(experiment: Experiment) -> Exporter:
    """What averages ONNX files; ConfigError or PluginError, before the first epoch, where folds cannot be a model."""
    if gives_maps(experiment.task):
        raise ConfigError("--publish averages the scores of folds; of segmentation models train one on all films")
    registry = discover()
    found = next((one for one in registry.exporters.values() if one.averages), None)
    writes = f"{experiment.trainer}/onnx" in registry.exporters
    opens = any("onnx" in one.formats for one in registry.predictors.values())
    if found is None or not writes or not opens:
        raise PluginError(
            f"--publish writes the folds as one ONNX file: it needs 'lopore-onnx[export]' and a trainer that exports "
            f"onnx; of '{experiment.trainer}' and what is installed that cannot be done"
        )
    return found


def fold_folder(run: Path, number: int) -> Path:
    """Where the model of one fold lies."""
    return run / f"fold-{number}" / MEMBER


def publish_fold(plan: Plan, splits: Splits, learner: Learner, run: Path, number: int, metrics: Metrics) -> None:
    """Write the model of one fold, uncalibrated as its answers were, with its ONNX file through the gate."""
    folder = fold_folder(run, number)
    shutil.rmtree(folder, ignore_errors=True)
    licence = licence_of(plan.experiment, plan.manifest)
    views = plan.experiment.training.tta_views
    holdout = HoldoutScores(metrics.threshold, metrics, f"fold {number}", "", views, licence)
    model = publish(plan, splits, learner, holdout, folder.parent, folder)
    rows = gate_rows(splits, plan.experiment.preprocessing)
    export_model(model, "onnx", np.stack([plan.images[int(row)][0] for row in rows]))


def publish_folds(plan: Plan, run: Path, numbers: Sequence[int], pooled: PooledAnswers, target: Path) -> ModelFolder:
    """Write the model folder ``target`` whose one ONNX file averages the folds; it appears when it is proven.

    Threshold and scores are those of the pooled answers: each film by the fold that never saw it. ParityError where
    the file is not the mean of its members within 1e-4 on real images.
    """
    if (target / RECORD_NAME).is_file():
        return ModelFolder.read(target)
    exporter = mean_exporter(plan.experiment)
    members = [ModelFolder.read(fold_folder(run, number)) for number in numbers]
    owner = discover().exporters.sources[exporter.key]
    with atomic_folder(target) as folder:
        notes = call_entry("exporter", exporter.key, owner, lambda: dict(exporter.export(members, folder)))
        record = _record(plan, members, pooled, target)
        path = folder / exporter.file_name
        write_record(path, record)
        atomic_write_text(folder / "metrics.json", pooled.metrics.model_dump_json(indent=2) + "\n")
        atomic_write_text(folder / "predictions.csv", pooled.predictions)
        shutil.copyfile(run / CONFIG, folder / CONFIG)
        main = ModelFile(path=path.name, sha256=sha256_of(path), format="onnx")
        report = _prove(plan, members, ModelFolder(folder, record.model_copy(update={"files": (main,)})), notes)
        atomic_write_text(folder / "parity-onnx.json", json.dumps(report, indent=2) + "\n")
        others = sorted(item for item in folder.iterdir() if item.is_file() and item != path)
        files = (main, *(ModelFile(path=item.name, sha256=sha256_of(item)) for item in others))
        write_model_record(folder, record.model_copy(update={"files": files}))
    return ModelFolder.read(target)


def _record(plan: Plan, members: Sequence[ModelFolder], pooled: PooledAnswers, target: Path) -> ModelRecord:
    first = members[0].record
    everything = np.arange(len(plan.samples), dtype=np.int64)
    return first.model_copy(
        update={
            "name": plan.experiment.name,
            "version": target.name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "threshold": pooled.metrics.threshold,
            "metrics": pooled.metrics.flat(),
            "metrics_split": pooled.metrics.split,
            "architecture": {**first.architecture, "folds": len(members)},
            "explanation": Explanation(layer=first.explanation.layer, reason="the mean of the folds' maps"),
            "files": (),
            "feature_likeness": FeatureLikeness(missing="each fold has its own and the model is their mean"),
            **training_data(plan, everything),
        }
    )


def _prove(plan: Plan, members: Sequence[ModelFolder], made: ModelFolder, notes: dict[str, Any]) -> dict[str, Any]:
    """The largest difference to the mean of the members, each opened alone."""
    every = Splits(*(np.arange(len(plan.samples), dtype=np.int64),) * 3)
    rows = gate_rows(every, plan.experiment.preprocessing)[:GATE_IMAGES]
    images: PixelBatch = np.stack([plan.images[int(row)][0] for row in rows])
    expected = np.mean([_scores(member, images) for member in members], axis=0)
    worst = float(np.abs(expected - _scores(made, images)).max())
    if not worst <= TOLERANCE:
        raise ParityError(
            f"the mean of the folds differs by {worst:.2e}, {TOLERANCE:.0e} is allowed; nothing was saved"
        )
    return {"format": "onnx", "images": len(images), "max_dp": worst, "tolerance": TOLERANCE, "notes": notes}


def _scores(folder: ModelFolder, images: PixelBatch) -> Any:
    if "onnx" not in folder.record.formats:
        raise ModelError(
            f"{folder.path} has no onnx file; delete that folder and resume, so that the fold is made anew"
        )
    # What was written a moment ago is opened here, before its record lies in its folder.
    model = open_model(replace(folder, digest=""), runtime="onnx", device="cpu")
    try:
        parts = [
            predict_views(model.session.predict, images[at : at + _BATCH], folder.record.tta_views)
            for at in range(0, len(images), _BATCH)
        ]
    finally:
        model.session.close()
    return np.concatenate(parts).astype(np.float64)
