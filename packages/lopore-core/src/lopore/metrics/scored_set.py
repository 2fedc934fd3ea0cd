"""Truth and answers of one set, and every score of them under any weights of the images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Task, gives_maps
from lopore.record.interval import Interval

from .bootstrap import Floats, group_weights, perfect_score_lower_bound, ratio, with_bounds, with_bounds_of_parts
from .calibration import Calibration, Reliability
from .offered import OfferedMetric
from .plugin import PR_AUC, ROC_AUC
from .ranking import perfect_area_lower_bounds

RATES = ("f1", "precision", "recall")
"""Scores of decisions, by class."""


def _rates(tp: Floats, fp: Floats, fn: Floats) -> dict[str, Floats]:
    return {"precision": ratio(tp, tp + fp), "recall": ratio(tp, tp + fn), "f1": ratio(2 * tp, 2 * tp + fp + fn)}


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
        metrics: Sequence[OfferedMetric],
    ) -> None:
        self.scores, self.truth, self.answers, self.ids = scores, truth, answers, ids
        self.task, self.classes, self.offered = task, classes, tuple(metrics)
        self.overall = {"balanced_accuracy": "balanced", **{kind: kind for kind in (*RATES, *self.names)}}
        self.positive = classes.index(positive) if positive else len(classes) - 1

    @property
    def names(self) -> tuple[str, ...]:
        """Of the metrics that judge scores."""
        return tuple(one.name for one in self.offered)

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
        limits = {one.name: (one.metric.lowest, one.metric.highest) for one in self.offered}
        for title, parts in self._means(found):
            found[title] = with_bounds_of_parts(found[title], parts, *limits.get(title, (0.0, 1.0)))
        by_class = {
            name: curve.summary(np.concatenate([piece[number] for piece in sums]) if sums else None)
            for number, (name, curve) in enumerate(curves.items())
        }
        top = by_class.pop("", None)
        return found, Calibration(per_class=by_class, top_label=top)

    def _means(self, found: Mapping[str, Interval]) -> Iterator[tuple[str, list[Interval]]]:
        """The overall scores that are means over the classes, each with its parts; for several labels a balanced
        accuracy has two parts a class, which are not kept."""
        several = self.task == "multilabel" or gives_maps(self.task)
        for title, kind in self.overall.items():
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

    def support(self) -> dict[str, tuple[int, float | None]]:
        """Groups that each score rests on, and the lower bound they would prove without any mistake."""
        found: dict[str, tuple[int, float | None]] = {}
        for column, name in enumerate(self.classes):
            found |= {f"{kind}/{name}": one for kind, one in self._behind_class(column).items()}
        for title, kind in self.overall.items():
            if self.task == "binary" and title != "balanced_accuracy":
                found[title] = found[f"{kind}/{self.classes[self.positive]}"]
                continue
            groups, lower_bounds = zip(*(found[f"{kind}/{name}"] for name in self.classes), strict=True)
            known = [bound for bound in lower_bounds if bound is not None]
            worst = 1 - (1 - min(known)) / len(known) if known else None  # all lies in one class of the mean
            found[title] = min(groups), worst
        groups_of_all = len(np.unique(self.ids))
        return {**found, "accuracy": (groups_of_all, perfect_score_lower_bound(groups_of_all))}

    def _behind_class(self, column: int) -> dict[str, tuple[int, float | None]]:
        truth, answer = self.truth[:, column], self.answers[:, column]
        there, absent, called, either = (
            len(np.unique(self.ids[rows])) for rows in (truth, ~truth, answer, truth | answer)
        )
        shares = {"recall": there, "precision": called, "f1": either}
        roc, pr = perfect_area_lower_bounds(there, absent)
        both = min(there, absent)
        several = self.task == "multilabel" or gives_maps(self.task)
        shares["balanced"] = both if several else there
        areas = {ROC_AUC.name: roc, PR_AUC.name: pr}
        return {
            **{kind: (groups, perfect_score_lower_bound(groups)) for kind, groups in shares.items()},
            **{name: (both, areas.get(name)) for name in self.names},
        }

    def scores_of(self, weights: Floats) -> dict[str, Floats]:
        """Each score by name under each row of weights (B, N): (B,) arrays, NaN where not defined."""
        found: dict[str, Floats] = {}
        for column, name in enumerate(self.classes):
            for kind, values in self._class_scores(column, weights).items():
                found[f"{kind}/{name}"] = values
        right = (self.truth == self.answers).all(axis=1)
        overall = {"accuracy": ratio(weights @ right, weights.sum(axis=1))}
        for title, kind in self.overall.items():
            chosen = [found[f"{kind}/{name}"] for name in self.classes]
            one = self.task == "binary" and title != "balanced_accuracy"
            overall[title] = chosen[self.positive] if one else np.mean(chosen, axis=0)
        return {**overall, **{name: value for name, value in found.items() if not name.startswith("balanced/")}}

    def _class_scores(self, column: int, weights: Floats) -> dict[str, Floats]:
        truth, answer = self.truth[:, column], self.answers[:, column]
        cells = truth & answer, ~truth & answer, truth & ~answer, ~truth & ~answer
        tp, fp, fn, tn = (weights @ cell for cell in cells)
        rates = _rates(tp, fp, fn)
        several = self.task == "multilabel" or gives_maps(self.task)
        balanced = (rates["recall"] + ratio(tn, tn + fp)) / 2 if several else rates["recall"]
        judged = {one.name: one.under(truth, self.scores[:, column], weights) for one in self.offered}
        return {**rates, "balanced": balanced, **judged}

    def confusion(self) -> list[list[int]]:
        counts: NDArray[np.int64] = self.truth.astype(np.int64).T @ self.answers.astype(np.int64)
        return [[int(value) for value in row] for row in counts]
