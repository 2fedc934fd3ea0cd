"""The threshold from the validation split, and the scores of the test split beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import ANOMALY, Scores, gives_maps
from lopore.config.experiment import Experiment
from lopore.contracts import Learner
from lopore.data.manifest import Manifest
from lopore.data.sound_alone import is_learned
from lopore.evaluation.predictions_csv import LabelledScores, answers_csv
from lopore.messages import counted, plain
from lopore.metrics.classification import Metrics, measure
from lopore.metrics.false_alarms import false_alarm_threshold
from lopore.metrics.offered import offered_metrics
from lopore.metrics.operating_point import answers_at, operating_point, truth_table
from lopore.metrics.segmentation import PixelMetrics
from lopore.record.abstention import Abstention
from lopore.record.model import ModelRecord, Threshold
from lopore.record.score_calibration import ScoreCalibration

from .abstain import abstention_of
from .fit_calibration import calibrate
from .map_validation import answer_maps, check_map_learner, map_threshold, pixel_metrics
from .plan import Plan, Rows, Splits

NEARLY_ALL = 0.9
"""Share of the images without a class from which on its threshold is said to call nearly everything."""


@dataclass(frozen=True)
class HoldoutScores:
    """Answers on the splits that were not learned from, the operating point, and the scores of the one that counts."""

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


def score_holdout(plan: Plan, splits: Splits, learner: Learner) -> HoldoutScores:
    """Choose the threshold on validation films and score the test films; else validation stands in, marked.

    Segmentation goes by pixels and marks: thresholds by Dice, and Dice and IoU of the detections in ``metrics.pixels``.
    """
    experiment, targets = plan.experiment, plan.targets
    rows, split = (splits.test, "test") if len(splits.test) else (splits.val, "val")
    scored = (_scored_maps if gives_maps(targets.task) else _scored_images)(plan, splits, learner)
    metrics = measure(
        scored.measured,
        targets.labels[rows],
        task=targets.task,
        classes=targets.classes,
        positive=targets.positive,
        threshold=scored.threshold,
        groups=plan.groups[rows],
        split=split,
        seed=experiment.seed,
        metrics=offered_metrics(),
        notes=(
            *_on_the_split(plan, split),
            *_on_sound_alone(plan, rows),
            *_on_calls(plan, splits.val, scored.val, scored.threshold),
        ),
    ).model_copy(update={"pixels": scored.pixels})
    parts = [
        labelled_scores(plan, "val", splits.val, scored.val),
        labelled_scores(plan, "test", splits.test, scored.test),
    ]
    return HoldoutScores(
        threshold=scored.threshold,
        metrics=metrics,
        split=split,
        predictions=answers_csv(parts, scored.threshold),
        tta_views=experiment.training.tta_views,
        licence=licence_of(experiment, plan.manifest),
        calibration=scored.calibration,
        why_uncalibrated=scored.why_uncalibrated,
        abstention=abstention_of(plan, splits.val, scored.val),
    )


@dataclass(frozen=True, kw_only=True)
class _Scored:
    """Scores (N, K) of both splits and of the one that counts, the threshold, and what the task adds to them."""

    val: Scores
    test: Scores
    measured: Scores
    threshold: Threshold
    pixels: PixelMetrics | None = None
    calibration: ScoreCalibration | None = None
    why_uncalibrated: str = "maps are shown as they are"


def _scored_images(plan: Plan, splits: Splits, learner: Learner) -> _Scored:
    found = calibrate(plan, splits, learner)
    return _Scored(
        val=found.val,
        test=found.test,
        measured=found.test if len(splits.test) else found.val,
        threshold=_threshold(plan, splits.val, found.val),
        calibration=found.calibration,
        why_uncalibrated=found.why,
    )


def _scored_maps(plan: Plan, splits: Splits, learner: Learner) -> _Scored:
    settings, maps = plan.experiment.training, check_map_learner(learner, plan.trainer.key)
    answers = answer_maps(plan, splits.val, maps, settings.tta_views)
    threshold = map_threshold(plan, splits.val, answers.found)
    if settings.threshold.rule == "false-alarms":
        sound = sound_rows(plan, splits.val)
        groups, share = plan.groups[splits.val][sound], settings.threshold.false_alarms
        threshold = false_alarm_threshold(answers.scores[sound, 0], groups, share)
    elif settings.threshold.rule == "contract" or plan.targets.task == ANOMALY:  # by images: masks may be lacking
        threshold = _threshold(plan, splits.val, answers.scores)
    rows = splits.test if len(splits.test) else splits.val
    scores, pixels = pixel_metrics(plan, rows, maps, threshold, settings.tta_views)
    test = scores if len(splits.test) else scores[:0]
    marked = plan.targets.task != ANOMALY or any(one.pixels for one in pixels.per_class.values())
    return _Scored(
        val=answers.scores, test=test, measured=scores, threshold=threshold, pixels=pixels if marked else None
    )


def sound_rows(plan: Plan, rows: Rows) -> NDArray[np.bool_]:
    """Which of the rows are known to be sound: what a task anomaly would learn from, were it in the train split."""
    regions = plan.experiment.anomaly.sound_regions
    learned = [is_learned(plan.samples.rows[int(row)], regions=regions) for row in rows]
    return np.array(learned, np.bool_) & ~(plan.targets.labels[rows] > 0).any(axis=1)


def _on_the_split(plan: Plan, split: str) -> tuple[str, ...]:
    """A line where the scores stand on images that chose something, and what they chose."""
    if split != "val":
        return ()
    if not len(plan.splits().val):
        return ("there are no validation and no test images: nothing was scored, and nothing is known of this model",)
    chose = plan.experiment.training.chosen_on_validation(plan.targets.task)
    if not chose:
        return ("there are no test images: these are the scores of the validation images",)
    return (f"there are no test images: these validation images chose {' and '.join(chose)}, so it is too good",)


def _on_sound_alone(plan: Plan, rows: Rows) -> tuple[str, ...]:
    """A line where no image of an anomaly model's figures has a defect."""
    if plan.targets.task != ANOMALY or not len(rows) or plan.targets.labels[rows].any():
        return ()
    return ("no image of these has a defect: false alarms are counted, and how many defects it finds is not known",)


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


def labelled_scores(plan: Plan, split: str, rows: Rows, scores: Scores) -> LabelledScores:
    """The answers in one split of a plan, for the table of answers."""
    targets = replace(plan.targets, labels=plan.targets.labels[rows])
    return LabelledScores(split, [plan.samples.rows[int(row)] for row in rows], targets, scores)


def licence_of(experiment: Experiment, manifest: Manifest) -> str:
    """The config's licence, or where it states none that of the films."""
    stated = experiment.licence != Experiment.model_fields["licence"].default
    return experiment.licence if stated or not manifest.about.licence else manifest.about.licence[:200]
