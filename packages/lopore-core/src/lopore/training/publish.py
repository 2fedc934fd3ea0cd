"""The finished model: threshold, scores, record and papers, in a folder that appears when it is whole."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lopore.arrays import PixelBatch, Scores
from lopore.atomic_files import atomic_folder, atomic_write_text, sha256_of
from lopore.config.experiment import Experiment
from lopore.contracts import Learner
from lopore.data.manifest import Manifest
from lopore.errors import LoporeError
from lopore.evaluation.predictions_csv import LabelledScores, answers_csv
from lopore.messages import counted, plain
from lopore.metrics.classification import Metrics, measure
from lopore.metrics.operating_point import answers_at, operating_point, truth_table
from lopore.progress import Progress
from lopore.reading.radiograph import Facts
from lopore.record.abstention import Abstention
from lopore.record.folder import LOG_NAME, ModelFolder, write_model_record
from lopore.record.model import Explanation, ModelFile, ModelRecord, Threshold
from lopore.record.preprocessing import Preprocessing
from lopore.record.score_calibration import ScoreCalibration

from .abstain import abstention_of
from .fit_calibration import calibrate
from .map_validation import answer_maps, check_map_learner, map_threshold, pixel_metrics
from .plan import Plan, Rows, Splits
from .run_folder import CONFIG, versions

NEARLY_ALL = 0.9
"""Share of the images without a class from which on its threshold is said to call nearly everything."""
ARTIFACTS = (CONFIG, LOG_NAME, "preview.png")


@dataclass(frozen=True)
class HoldoutScores:
    """Answers on the sides that were not learned from, the operating point, and the scores of the side that counts."""

    threshold: Threshold
    metrics: Metrics
    split: str
    predictions: str
    tta_views: int
    licence: str
    calibration: ScoreCalibration | None = None
    why_uncalibrated: str = ""
    abstention: Abstention | None = None

    def is_published_as(self, record: ModelRecord) -> bool:
        """Whether a model of this run says all this already; thresholds may differ by rounding."""
        own, theirs = self.threshold, record.threshold
        values = [own.value, *own.per_class.values()]
        others = [theirs.value, *theirs.per_class.values()]
        close = len(values) == len(others) and np.allclose(values, others, rtol=1e-3, atol=0)
        same = own.rule == theirs.rule and close and record.tta_views == self.tta_views
        return same and record.licence == self.licence and self._calibrated_as(record)

    def _calibrated_as(self, record: ModelRecord) -> bool:
        own, theirs = self.calibration, record.calibration
        if own is None or theirs is None:
            return own is theirs
        ours, others = (np.array([(curve.scale, curve.shift) for curve in one.curves]) for one in (own, theirs))
        return own.method == theirs.method and bool(np.allclose(ours, others, rtol=1e-3, atol=1e-4))


def judge(plan: Plan, sides: Splits, learner: Learner) -> HoldoutScores:
    """Choose the threshold on validation films and score the test films; else validation stands in, marked.

    Segmentation goes by pixels and marks: thresholds by Dice, and Dice and IoU of the detections in ``metrics.pixels``.
    """
    settings, targets = plan.experiment.training, plan.targets
    rows, split = (sides.test, "test") if len(sides.test) else (sides.val, "val")
    pixels, found = None, None
    if targets.task == "segmentation":
        maps = check_map_learner(learner, plan.trainer.key)
        answers = answer_maps(plan, sides.val, maps, settings.tta_views)
        val, threshold = answers.scores, map_threshold(plan, sides.val, answers.found)
        if settings.threshold.rule == "contract":  # a promise on films, so it goes by images
            threshold = _threshold(plan, sides.val, val)
        scores, pixels = pixel_metrics(plan, rows, maps, threshold, settings.tta_views)
        test = scores if split == "test" else scores[:0]
    else:
        found = calibrate(plan, sides, learner)
        val, test = found.val, found.test
        threshold, scores = _threshold(plan, sides.val, val), test if split == "test" else val
    metrics = measure(
        scores,
        targets.labels[rows],
        task=targets.task,
        classes=targets.classes,
        positive=targets.positive,
        threshold=threshold,
        groups=plan.groups[rows],
        split=split,
        seed=plan.experiment.seed,
        notes=(*_on_the_split(plan, split), *_on_calls(plan, sides.val, val, threshold)),
    ).model_copy(update={"pixels": pixels})
    parts = [answers_of(plan, "val", sides.val, val), answers_of(plan, "test", sides.test, test)]
    licence = licence_of(plan.experiment, plan.manifest)
    return HoldoutScores(
        threshold,
        metrics,
        split,
        answers_csv(parts, threshold),
        settings.tta_views,
        licence,
        found.calibration if found else None,
        found.why if found else "maps of segmentation models are shown as they are",
        abstention_of(plan, sides.val, val),
    )


def _on_the_split(plan: Plan, split: str) -> tuple[str, ...]:
    """A line where the scores stand on images that chose something, and what they chose."""
    if split != "val":
        return ()
    if not len(plan.sides().val):
        return ("there are no validation and no test images: nothing was scored, and nothing is known of this model",)
    chose = plan.experiment.training.chosen_on_validation(plan.targets.task)
    if not chose:
        return ("there are no test images: these are the scores of the validation images",)
    return (f"there are no test images: these validation images chose {' and '.join(chose)}, so it is too good",)


def _on_calls(plan: Plan, rows: Rows, scores: Scores, threshold: Threshold) -> tuple[str, ...]:
    """A line for each class that its threshold calls on nearly every validation image, sound ones included."""
    targets = plan.targets
    if targets.task == "multiclass" or not len(rows):
        return ()
    called = answers_at(scores, targets.task, targets.classes, targets.positive, threshold)
    truth = truth_table(targets.labels[rows], len(targets.classes))
    lines = []
    for column, name in enumerate(targets.classes):
        if targets.task == "binary" and name != targets.positive:
            continue
        absent = ~truth[:, column]
        if absent.any() and called[absent, column].mean() >= NEARLY_ALL:
            value = threshold.per_class.get(name, threshold.value)
            lines.append(
                f"the threshold {value:.3g} calls {plain(name, 60)} on {int(called[:, column].sum())} of "
                f"{counted(len(rows), 'validation image')}, though {int(absent.sum())} of them show none: the model "
                "does not tell them apart; train longer, balance the classes, or set training.threshold by hand"
            )
    return tuple(lines)


def _threshold(plan: Plan, rows: Rows, scores: Scores) -> Threshold:
    targets, rule = plan.targets, plan.experiment.training.threshold
    if not len(rows) and rule.rule != "fixed" and targets.task != "multiclass":
        return Threshold(value=0.5, rule="default", chosen_on="nothing: there are no validation images")
    return operating_point(
        scores,
        targets.labels[rows],
        task=targets.task,
        classes=targets.classes,
        positive=targets.positive,
        rule=rule,
        groups=plan.groups[rows],
        chosen_on=f"{counted(len(rows), 'validation image')} of {counted(len(np.unique(plan.groups[rows])), 'group')}",
    )


def answers_of(plan: Plan, side: str, rows: Rows, scores: Scores) -> LabelledScores:
    """The answers on one side of a plan, for the table of answers."""
    targets = replace(plan.targets, labels=plan.targets.labels[rows])
    return LabelledScores(side, [plan.samples.rows[int(row)] for row in rows], targets, scores)


def publish(plan: Plan, sides: Splits, learner: Learner, judged: HoldoutScores, run: Path, target: Path) -> ModelFolder:
    """Write the model folder ``target`` (``models/final/NAME/VERSION``); it appears when it is whole."""
    facts = dict(learner.facts())
    with atomic_folder(target) as folder:
        names = list(learner.publish(folder))
        for paper in ARTIFACTS:
            if (run / paper).is_file():
                shutil.copyfile(run / paper, folder / paper)
        atomic_write_text(folder / "metrics.json", judged.metrics.model_dump_json(indent=2) + "\n")
        atomic_write_text(folder / "predictions.csv", judged.predictions)
        native = names[0]
        files = tuple(
            ModelFile(path=name, sha256=sha256_of(folder / name), format=plan.trainer.native_format * (name == native))
            for name in (item.relative_to(folder).as_posix() for item in sorted(folder.rglob("*")) if item.is_file())
        )
        record = _record(plan, sides, facts, judged, target, files)
        write_model_record(folder, record)
    return ModelFolder.read(target)


def _record(
    plan: Plan,
    sides: Splits,
    facts: Mapping[str, Any],
    judged: HoldoutScores,
    target: Path,
    files: tuple[ModelFile, ...],
) -> ModelRecord:
    experiment, manifest = plan.experiment, plan.manifest
    preprocessing = with_statistics(experiment, facts)
    sample = sides.train[:: max(1, len(sides.train) // 500)]
    kept = {key: value for key, value in facts.items() if key not in ("versions", "trials")}
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
        architecture=kept,
        threshold=judged.threshold,
        calibration=judged.calibration,
        abstention=judged.abstention,
        tta_views=experiment.training.tta_views,
        metrics=judged.metrics.flat(),
        metrics_split=judged.split,
        leaks=plan.leaks,
        data_fingerprint=manifest.fingerprint,
        split_fingerprint=manifest.split_fingerprint,
        training_grey=plan.images.appearance([int(row) for row in sample]),
        training_depths=_counts(plan, sides.train, lambda facts: "16" if facts.depth > 8 else "8"),
        training_polarities=_counts(plan, sides.train, lambda facts: facts.polarity),
        explanation=Explanation(
            layer=plan.backbone.explanation_layer,
            exact_cam=bool(facts.get("exact_cam", plan.backbone.exact_cam)),
            reason=str(facts.get("exact_cam_reason", "")),
        ),
        versions={**versions(), **facts.get("versions", {})},
        seed=experiment.seed,
        licence=licence_of(experiment, manifest),
        files=files,
    )


def _counts(plan: Plan, rows: Rows, value: Callable[[Facts], str]) -> dict[str, int]:
    """How many of the rows' files have each value, by what their headers say."""
    headers = plan.images.headers
    return dict(Counter(value(headers[int(row)]) for row in rows if int(row) in headers))


def licence_of(experiment: Experiment, manifest: Manifest) -> str:
    """The config's licence, or where it states none that of the films."""
    stated = experiment.licence != Experiment.model_fields["licence"].default
    return experiment.licence if stated or not manifest.about.licence else manifest.about.licence[:200]


def with_statistics(experiment: Experiment, facts: Mapping[str, Any]) -> Preprocessing:
    """The preprocessing record with the mean and std that the network applies."""
    data = experiment.preprocessing.model_dump()
    return Preprocessing.model_validate({**data, "mean": tuple(facts["mean"]), "std": tuple(facts["std"])})


def gate_rows(sides: Splits, record: Preprocessing) -> Rows:
    """The films for the gate, evenly picked of the validation side, else of test, else of train."""
    from lopore.export.parity_gate import most_gate_images

    rows = next((side for side in (sides.val, sides.test, sides.train) if len(side)), sides.train)
    return rows[:: max(1, -(-len(rows) // most_gate_images(record)))]


def write_exports(plan: Plan, sides: Splits, model: ModelFolder, progress: Progress) -> tuple[ModelFolder, list[str]]:
    """Write the formats the config lists, each through the gate; returns the folder and a line for each failure.

    The gate's images are spread over the validation side: at most 512, and no more than take 1 GiB at the network's
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
                rows = gate_rows(sides, plan.experiment.preprocessing)
                images = np.stack([plan.images[int(row)][0] for row in rows])
            model, report = export_model(model, format, images)
            told = f"max |dp| {report.max_dp:.1e}, {counted(report.flipped, 'decision differs', 'decisions differ')}"
            progress.line(f"saved {model.file_for(format)} (equal on {counted(report.images, 'image')}: {told})")
        except LoporeError as error:
            failed.append(f"no {plain(format, 40)} was written: {error}")
            progress.line(f"warning: {failed[-1]}")
    return model, failed
