"""The finished model: weights, record and artifacts, in a folder that appears when it is whole."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lopore.arrays import PixelBatch
from lopore.atomic_files import atomic_folder, atomic_write_bytes, atomic_write_text, sha256_of
from lopore.config.experiment import Experiment
from lopore.contracts import Learner
from lopore.errors import LoporeError
from lopore.messages import counted, plain
from lopore.metrics.operating_point import truth_table
from lopore.progress import Progress
from lopore.reading.radiograph import Facts
from lopore.record.folder import LOG_NAME, ModelFolder, write_model_record
from lopore.record.model import Explanation, ModelFile, ModelRecord
from lopore.record.preprocessing import Preprocessing

from .holdout_scores import HoldoutScores, licence_of
from .plan import Plan, Rows, Splits
from .run_folder import CONFIG, versions
from .training_features import training_features
from .training_likeness import training_likeness, training_relief

ARTIFACTS = (CONFIG, LOG_NAME, "preview.png")


def publish(
    plan: Plan, splits: Splits, learner: Learner, holdout: HoldoutScores, run: Path, target: Path
) -> ModelFolder:
    """Write the model folder ``target`` (``models/final/NAME/VERSION``); it appears when it is whole."""
    facts = dict(learner.facts())
    with atomic_folder(target) as folder:
        names = list(learner.publish(folder, holdout.calibration))
        for name in ARTIFACTS:
            if (run / name).is_file():
                shutil.copyfile(run / name, folder / name)
        atomic_write_text(folder / "metrics.json", holdout.metrics.model_dump_json(indent=2) + "\n")
        atomic_write_text(folder / "predictions.csv", holdout.predictions)
        native = names[0]
        files = tuple(
            ModelFile(path=name, sha256=sha256_of(folder / name), format=plan.trainer.native_format * (name == native))
            for name in (item.relative_to(folder).as_posix() for item in sorted(folder.rglob("*")) if item.is_file())
        )
        record = _record(plan, splits, facts, holdout, target, files)
        write_model_record(folder, _with_features(plan, splits, ModelFolder(folder, record)))
    return ModelFolder.read(target)


def _with_features(plan: Plan, splits: Splits, model: ModelFolder) -> ModelRecord:
    """The record with what tells an image by its features, whose reference is written into the folder."""
    found, content = training_features(plan, splits, model)
    files = model.record.files
    if content:
        path = model.path / found.file
        atomic_write_bytes(path, content)
        files = (*files, ModelFile(path=found.file, sha256=sha256_of(path)))
    return model.record.model_copy(update={"feature_likeness": found, "files": files})


def _record(
    plan: Plan,
    splits: Splits,
    facts: Mapping[str, Any],
    holdout: HoldoutScores,
    target: Path,
    files: tuple[ModelFile, ...],
) -> ModelRecord:
    experiment = plan.experiment
    preprocessing = with_statistics(experiment, facts)
    return ModelRecord(
        name=experiment.name,
        version=target.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        task=experiment.task,
        classes=plan.targets.classes,
        positive=plan.targets.positive,
        preprocessing=preprocessing,
        preprocessing_fingerprint=preprocessing.fingerprint,
        framework=experiment.trainer,
        backbone=experiment.model.backbone,
        architecture={key: value for key, value in facts.items() if key not in ("versions", "trials")},
        threshold=holdout.threshold,
        calibration=holdout.calibration,
        abstention=holdout.abstention,
        tta_views=experiment.training.tta_views,
        tta_scales=experiment.training.tta_scales,
        metrics=holdout.metrics.flat(),
        metrics_split=holdout.split,
        **training_data(plan, splits.train),
        explanation=Explanation(
            layer=plan.backbone.explanation_layer,
            exact_cam=bool(facts.get("exact_cam", plan.backbone.exact_cam)),
            reason=str(facts.get("exact_cam_reason", "")),
        ),
        versions={**versions(), **facts.get("versions", {})},
        seed=experiment.seed,
        licence=licence_of(experiment, plan.manifest),
        files=files,
    )


def training_data(plan: Plan, rows: Rows) -> dict[str, Any]:
    """What the record says of the images that were learned from."""
    grey, likeness = training_likeness(plan, rows)
    return {
        "leaks": plan.leaks,
        "data_fingerprint": plan.manifest.fingerprint,
        "split_fingerprint": plan.manifest.split_fingerprint,
        "training_grey": grey,
        "likeness": likeness,
        "training_relief": training_relief(plan, rows),
        "training_depths": _counts(plan, rows, lambda facts: "16" if facts.depth > 8 else "8"),
        "training_polarities": _counts(plan, rows, lambda facts: facts.polarity),
    }


def _counts(plan: Plan, rows: Rows, value: Callable[[Facts], str]) -> dict[str, int]:
    """How many of the rows' files have each value, by what their headers say."""
    headers = plan.images.headers
    return dict(Counter(value(headers[int(row)]) for row in rows if int(row) in headers))


def with_statistics(experiment: Experiment, facts: Mapping[str, Any]) -> Preprocessing:
    """The preprocessing record with the mean and std that the network applies."""
    data = experiment.preprocessing.model_dump()
    return Preprocessing.model_validate({**data, "mean": tuple(facts["mean"]), "std": tuple(facts["std"])})


def gate_rows(splits: Splits, record: Preprocessing) -> Rows:
    """The films for the gate, evenly picked of the validation split, else of test, else of train."""
    from lopore.export.parity_gate import most_gate_images

    rows = next((split for split in (splits.val, splits.test, splits.train) if len(split)), splits.train)
    return rows[:: max(1, -(-len(rows) // most_gate_images(record)))]


def write_exports(plan: Plan, splits: Splits, model: ModelFolder, progress: Progress) -> tuple[ModelFolder, list[str]]:
    """Write the formats the config lists, each through the gate; returns the folder and a line for each failure.

    The gate's images are spread over the validation split: at most 512, and no more than take 1 GiB at the network's
    size (``export.most_gate_images``).
    """
    from lopore.export.parity_gate import export_model

    failed = []
    images: PixelBatch | None = None
    for format in plan.experiment.exports:
        if format in model.record.formats:
            continue
        try:
            if images is None:
                rows = gate_rows(splits, plan.experiment.preprocessing)
                images = np.stack([plan.images[int(row)][0] for row in rows])
            truth = truth_table(plan.targets.labels[rows], len(plan.targets.classes))
            model, report = export_model(model, format, images, truth)
            flips = counted(report.flipped, "decision differs", "decisions differ")
            moves = f"max |dp| {report.max_dp:.1e}, {flips}"
            verdict = "judged" if report.auc_change is not None else "equal"
            moved = "" if report.auc_change is None else f", ROC AUC {report.auc_change:+.4f}"
            count = counted(report.images, "image")
            progress.line(f"saved {model.file_for(format)} ({verdict} on {count}: {moves}{moved})")
        except LoporeError as error:
            failed.append(f"no {plain(format, 40)} was written: {error}")
            progress.line(f"warning: {failed[-1]}")
    return model, failed
