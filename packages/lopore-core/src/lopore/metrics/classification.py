"""How good a set of answers is: confusion, precision, recall, F1, ROC AUC, PR AUC, with bounds that resample groups.

What is not defined is None, never 0 and never NaN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from lopore.arrays import Task
from lopore.record.interval import Interval
from lopore.record.model import Threshold

from .bootstrap import RESAMPLES
from .bootstrap import mean_with_bounds as mean_with_bounds
from .calibration import Calibration
from .indication_figures import IndicationMetrics
from .offered import OWN_METRICS, OfferedMetric
from .operating_point import answers_at, truth_table
from .ranking import pr_auc as pr_auc
from .ranking import roc_auc as roc_auc
from .scored_set import RATES, ScoredSet
from .segmentation import PixelMetrics
from .unlike import UnlikeTraining

_NAMED = (*RATES, "roc_auc", "pr_auc")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ClassMetrics(_Part):
    """One class against the rest. tp, fp, fn, tn count images at the operating point."""

    support: int
    tp: int
    fp: int
    fn: int
    tn: int
    precision: Interval
    recall: Interval
    f1: Interval
    roc_auc: Interval
    pr_auc: Interval
    others: dict[str, Interval] = Field({}, description="What metrics of plugins say, by their names")


class Metrics(_Part):
    """The scores of one set of answers.

    overall: accuracy (multilabel: every class right), balanced_accuracy, f1, precision, recall, roc_auc, pr_auc; for
    binary those of the positive class, else the plain mean over classes.
    confusion: (K, K) images, rows true, columns answered, in the order of ``classes``; None for multilabel.
    undecided: images whose best score stayed under a multiclass threshold (they count with their best class).
    calibration: whether scores are right as frequencies.
    pixels: Dice and IoU of a segmentation model over the masks; None without masks and for other tasks.
    indications: hits and false calls of single marks; None where no truth of marks is known.
    unlike: films that the model finds unlike those of training; None where its record cannot tell.
    """

    task: Task
    classes: tuple[str, ...]
    positive: str | None = None
    split: str = ""
    images: int
    groups: int
    resamples: int
    threshold: Threshold
    overall: dict[str, Interval]
    per_class: dict[str, ClassMetrics]
    confusion: list[list[int]] | None = None
    calibration: Calibration
    undecided: int = 0
    pixels: PixelMetrics | None = None
    indications: IndicationMetrics | None = None
    unlike: UnlikeTraining | None = None
    notes: tuple[str, ...] = Field(())

    def flat(self) -> dict[str, Interval]:
        """Every score by one name: ``roc_auc``, ``recall/pore`` and so on, as model records keep them.

        Of segmentation those of pixels stand first: ``dice`` and ``iou``, means over classes, and ``dice/pore``.
        """
        names = ("precision", "recall", "f1", "roc_auc", "pr_auc")
        per_class = {f"{name}/{label}": getattr(one, name) for label, one in self.per_class.items() for name in names}
        more = {f"{name}/{label}": one for label, of in self.per_class.items() for name, one in of.others.items()}
        return {**self._of_pixels(), **self.overall, **per_class, **more}

    def _of_pixels(self) -> dict[str, Interval]:
        if self.pixels is None:
            return {}
        means = {"dice": self.pixels.mean_dice, "iou": self.pixels.mean_iou}
        scores = {label: one.after or one.before for label, one in self.pixels.per_class.items()}
        single = {f"{name}/{label}": getattr(one, name) for label, one in scores.items() for name in means}
        return {**{name: Interval(value=value) for name, value in means.items()}, **single}


def measure(
    scores: NDArray[Any],
    targets: NDArray[Any],
    *,
    task: Task,
    classes: Sequence[str],
    positive: str | None = None,
    threshold: Threshold | None = None,
    groups: NDArray[Any] | Sequence[Any] | None = None,
    split: str = "",
    resamples: int = RESAMPLES,
    seed: int = 0,
    notes: tuple[str, ...] = (),
    metrics: Sequence[OfferedMetric] = OWN_METRICS,
) -> Metrics:
    """Every score of a set of answers, each with a 95 % interval over resampled groups.

    scores: (N, K) probabilities. targets: (N,) class indices, or (N, K) of 0 and 1 for multilabel. groups: (N,)
    names or numbers of what belongs together (None: every image by itself). resamples: 0 leaves the intervals out.
    metrics: what judges the scores beside the counts of decisions; ``offered_metrics()`` has those of plugins too.
    Bounds are None where a score rests on fewer than two groups (a class seen on one film, say), or where over half of
    the draws leave it undefined; a score without any mistake keeps a lower bound (``bounds.with_bounds``).
    """
    classes = tuple(classes)
    point = threshold or Threshold(value=0.0 if task == "multiclass" else 0.5, rule="default", chosen_on="")
    ids = np.unique(np.asarray(groups), return_inverse=True)[1] if groups is not None else np.arange(len(scores))
    every = ScoredSet(
        np.asarray(scores, np.float64),
        truth_table(targets, len(classes)),
        answers_at(scores, task, classes, positive, point),
        np.asarray(ids, np.int64).reshape(-1),
        task=task,
        classes=classes,
        positive=positive,
        metrics=metrics,
    )
    undecided = int((every.best < point.value).sum()) if task == "multiclass" else 0
    found = _figures(every, point, resamples, seed)
    return found.model_copy(update={"positive": positive, "split": split, "undecided": undecided, "notes": notes})


def _figures(every: ScoredSet, point: Threshold, resamples: int, seed: int) -> Metrics:
    intervals, calibration = every.bounded(resamples, seed)
    return Metrics(
        task=every.task,
        classes=every.classes,
        images=len(every.scores),
        groups=len(np.unique(every.ids)),
        resamples=resamples,
        threshold=point,
        overall={name: interval for name, interval in intervals.items() if "/" not in name},
        per_class={name: _class_figures(every, index, intervals) for index, name in enumerate(every.classes)},
        confusion=every.confusion() if every.task in ("binary", "multiclass") else None,
        calibration=calibration,
    )


def _class_figures(every: ScoredSet, column: int, intervals: Mapping[str, Interval]) -> ClassMetrics:
    truth, answer, name = every.truth[:, column], every.answers[:, column], every.classes[column]
    return ClassMetrics(
        support=int(truth.sum()),
        tp=int((truth & answer).sum()),
        fp=int((~truth & answer).sum()),
        fn=int((truth & ~answer).sum()),
        tn=int((~truth & ~answer).sum()),
        **{kind: intervals[f"{kind}/{name}"] for kind in _NAMED},
        others={kind: intervals[f"{kind}/{name}"] for kind in every.names if kind not in _NAMED},
    )
