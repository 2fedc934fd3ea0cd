"""How good a set of answers is: confusion, precision, recall, F1, ROC AUC, PR AUC, with bounds that resample groups.

What is not defined is None, never 0 and never NaN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from lopore.arrays import Task
from lopore.record.interval import Interval
from lopore.record.model import Threshold

from .bootstrap import (
    RESAMPLES,
    Floats,
    group_weights,
    perfect_score_lower_bound,
    ratio,
    with_bounds,
    with_bounds_of_parts,
)
from .bootstrap import mean_with_bounds as mean_with_bounds
from .calibration import Calibration, Reliability
from .indication_figures import IndicationMetrics
from .operating_point import answers_at, truth_table
from .ranking import auc_rows, average_precision_rows, perfect_area_lower_bounds
from .ranking import pr_auc as pr_auc
from .ranking import roc_auc as roc_auc
from .segmentation import PixelMetrics
from .unlike import UnlikeTraining

_KINDS = ("f1", "precision", "recall", "roc_auc", "pr_auc")
_OVERALL = {"balanced_accuracy": "balanced", **{kind: kind for kind in _KINDS}}


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
        """Every score by one name: ``roc_auc``, ``recall/pore`` and so on, as model records keep them."""
        names = ("precision", "recall", "f1", "roc_auc", "pr_auc")
        per_class = {f"{name}/{label}": getattr(one, name) for label, one in self.per_class.items() for name in names}
        return {**self.overall, **per_class}


def _rates(tp: Floats, fp: Floats, fn: Floats) -> dict[str, Floats]:
    return {"precision": ratio(tp, tp + fp), "recall": ratio(tp, tp + fn), "f1": ratio(2 * tp, 2 * tp + fp + fn)}


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
) -> Metrics:
    """Every score of a set of answers, each with a 95 % percentile interval over resampled groups.

    scores: (N, K) probabilities. targets: (N,) class indices, or (N, K) of 0 and 1 for multilabel. groups: (N,)
    names or numbers of what belongs together (None: every image by itself). resamples: 0 leaves the intervals out.
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
    )
    undecided = int((every.best < point.value).sum()) if task == "multiclass" else 0
    found = every.metrics(point, resamples, seed)
    return found.model_copy(update={"positive": positive, "split": split, "undecided": undecided, "notes": notes})


class ScoredSet:
    """Truth and answers of one set, and its scores under any weights of the images."""

    def __init__(
        self,
        scores: Floats,
        truth: NDArray[np.bool_],
        answers: NDArray[np.bool_],
        ids: NDArray[np.int64],
        *,
        task: Task,
        classes: tuple[str, ...],
        positive: str | None,
    ) -> None:
        self.scores, self.truth, self.answers, self.ids = scores, truth, answers, ids
        self.task, self.classes = task, classes
        self.positive = classes.index(positive) if positive else len(classes) - 1

    def metrics(self, point: Threshold, resamples: int, seed: int) -> Metrics:
        intervals, calibration = self.bounded(resamples, seed)
        return Metrics(
            task=self.task,
            classes=self.classes,
            images=len(self.scores),
            groups=len(np.unique(self.ids)),
            resamples=resamples,
            threshold=point,
            overall={name: interval for name, interval in intervals.items() if "/" not in name},
            per_class={name: self.class_metrics(index, name, intervals) for index, name in enumerate(self.classes)},
            confusion=self.confusion() if self.task in ("binary", "multiclass") else None,
            calibration=calibration,
        )

    @property
    def best(self) -> Floats:
        """(N,) largest score of each image."""
        return np.asarray(self.scores.max(axis=1, initial=0.0), np.float64)

    def bounded(self, resamples: int, seed: int) -> tuple[dict[str, Interval], Calibration]:
        """Every score by name, and the calibration, each with its interval over one and the same resampled sets."""
        curves = self._reliabilities()
        drawn: list[dict[str, Floats]] = []
        sums: list[list[Floats]] = []
        if resamples and len(np.unique(self.ids)) > 1:
            for weights in group_weights(self.ids, resamples, seed):
                drawn.append(self.scores_of(weights))
                sums.append([curve.sums(weights) for curve in curves.values()])
        support = self.support()
        found = {
            name: with_bounds(
                value[0],
                np.concatenate([piece[name] for piece in drawn]) if drawn else None,
                groups=support[name][0],
                perfect_bound=support[name][1],
            )
            for name, value in self.scores_of(np.ones((1, len(self.scores)))).items()
        }
        found |= {title: with_bounds_of_parts(found[title], parts) for title, parts in self._means(found)}
        by_class = {
            name: curve.summary(np.concatenate([piece[number] for piece in sums]) if sums else None)
            for number, (name, curve) in enumerate(curves.items())
        }
        top = by_class.pop("", None)
        return found, Calibration(per_class=by_class, top_label=top)

    def _means(self, found: Mapping[str, Interval]) -> Iterator[tuple[str, list[Interval]]]:
        """The overall scores that are means over the classes, each with its parts; for several labels a balanced
        accuracy has two parts a class, which are not kept."""
        several = self.task in ("multilabel", "segmentation")
        for title, kind in _OVERALL.items():
            if title != "balanced_accuracy" and self.task != "binary":
                yield title, [found[f"{kind}/{name}"] for name in self.classes]
            elif title == "balanced_accuracy" and not several:
                yield title, [found[f"recall/{name}"] for name in self.classes]

    def _reliabilities(self) -> dict[str, Reliability]:
        """By class, binary the positive one alone; under an empty name a multiclass answer against its being right."""
        columns = [self.positive] if self.task == "binary" else range(len(self.classes))
        found = {self.classes[k]: Reliability(self.scores[:, k], self.truth[:, k], self.ids) for k in columns}
        if self.task == "multiclass":
            found[""] = Reliability(self.best, np.asarray((self.truth & self.answers).any(axis=1)), self.ids)
        return found

    def support(self) -> dict[str, tuple[int, float]]:
        """Groups that each score rests on, and the lower bound they would prove without any mistake."""
        found: dict[str, tuple[int, float]] = {}
        for column, name in enumerate(self.classes):
            found |= {f"{kind}/{name}": one for kind, one in self._behind_class(column).items()}
        for title, kind in _OVERALL.items():
            if self.task == "binary" and title != "balanced_accuracy":
                found[title] = found[f"{kind}/{self.classes[self.positive]}"]
                continue
            groups, lower_bounds = zip(*(found[f"{kind}/{name}"] for name in self.classes), strict=True)
            found[title] = (
                min(groups),
                1 - (1 - min(lower_bounds)) / len(lower_bounds),
            )  # worst: all lies in one class of the mean
        groups_of_all = len(np.unique(self.ids))
        return {**found, "accuracy": (groups_of_all, perfect_score_lower_bound(groups_of_all))}

    def _behind_class(self, column: int) -> dict[str, tuple[int, float]]:
        truth, answer = self.truth[:, column], self.answers[:, column]
        there, absent, called, either = (
            len(np.unique(self.ids[rows])) for rows in (truth, ~truth, answer, truth | answer)
        )
        shares = {"recall": there, "precision": called, "f1": either}
        roc, pr = perfect_area_lower_bounds(there, absent)
        both = min(there, absent)
        several = self.task in ("multilabel", "segmentation")
        shares["balanced"] = both if several else there
        return {
            **{kind: (groups, perfect_score_lower_bound(groups)) for kind, groups in shares.items()},
            "roc_auc": (both, roc),
            "pr_auc": (both, pr),
        }

    def scores_of(self, weights: Floats) -> dict[str, Floats]:
        """Each score by name under each row of weights (B, N): (B,) arrays, NaN where not defined."""
        found: dict[str, Floats] = {}
        for column, name in enumerate(self.classes):
            for kind, values in self._class_scores(column, weights).items():
                found[f"{kind}/{name}"] = values
        right = (self.truth == self.answers).all(axis=1)
        overall = {"accuracy": ratio(weights @ right, weights.sum(axis=1))}
        for title, kind in _OVERALL.items():
            chosen = [found[f"{kind}/{name}"] for name in self.classes]
            one = self.task == "binary" and title != "balanced_accuracy"
            overall[title] = chosen[self.positive] if one else np.mean(chosen, axis=0)
        return {**overall, **{name: value for name, value in found.items() if not name.startswith("balanced/")}}

    def _class_scores(self, column: int, weights: Floats) -> dict[str, Floats]:
        truth, answer = self.truth[:, column], self.answers[:, column]
        cells = truth & answer, ~truth & answer, truth & ~answer, ~truth & ~answer
        tp, fp, fn, tn = (weights @ cell for cell in cells)
        rates = _rates(tp, fp, fn)
        several = self.task in ("multilabel", "segmentation")
        balanced = (rates["recall"] + ratio(tn, tn + fp)) / 2 if several else rates["recall"]
        empty = np.full(len(weights), np.nan)
        ranked = len(truth) > 0
        return {
            **rates,
            "balanced": balanced,
            "roc_auc": auc_rows(self.scores[:, column], truth, weights) if ranked else empty,
            "pr_auc": average_precision_rows(self.scores[:, column], truth, weights) if ranked else empty,
        }

    def class_metrics(self, column: int, name: str, intervals: Mapping[str, Interval]) -> ClassMetrics:
        truth, answer = self.truth[:, column], self.answers[:, column]
        return ClassMetrics(
            support=int(truth.sum()),
            tp=int((truth & answer).sum()),
            fp=int((~truth & answer).sum()),
            fn=int((truth & ~answer).sum()),
            tn=int((~truth & ~answer).sum()),
            **{kind: intervals[f"{kind}/{name}"] for kind in _KINDS},
        )

    def confusion(self) -> list[list[int]]:
        counts: NDArray[np.int64] = self.truth.astype(np.int64).T @ self.answers.astype(np.int64)
        return [[int(value) for value in row] for row in counts]
