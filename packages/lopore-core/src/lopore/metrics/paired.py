"""Two models over the same films: differences of figures, films drawn once for both, and McNemar's test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Task
from lopore.record.interval import Interval

from .bootstrap import RESAMPLES, Floats, group_weights, with_bounds
from .offered import offered_metrics
from .operating_point import answers_at, truth_table
from .scored_set import ScoredSet
from .statement import Facts


class PairedFigure(Facts):
    """One figure of both models on the same films, and the first less the second with its 95 % interval."""

    first: float | None
    second: float | None
    difference: Interval

    @property
    def differs(self) -> bool:
        """Whether the interval of the difference leaves out 0."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and (low > 0 or high < 0)


class McNemar(Facts):
    """Films that one model alone answers right. p: exact, two-sided; films count once, right where all images are."""

    films: int
    first_alone: int
    second_alone: int
    p: float


class PairedComparison(Facts):
    """figures: by name as in an evaluation. answers: McNemar's test. disagreements: rows whose answers differ."""

    images: int
    groups: int
    resamples: int
    figures: dict[str, PairedFigure]
    answers: McNemar
    disagreements: tuple[int, ...]


def compare_scores(
    scores: tuple[NDArray[Any], NDArray[Any]],
    thresholds: tuple[Any, Any],
    targets: NDArray[Any],
    groups: NDArray[np.int64],
    *,
    task: Task,
    classes: Sequence[str],
    positive: str | None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairedComparison:
    """Compare two models on the same images.

    scores: two (N, K). thresholds: the models' own. targets: (N,) or (N, K). groups: (N,) whole numbers from 0.
    """
    truth = truth_table(targets, len(classes))
    answers = [answers_at(one, task, classes, positive, point) for one, point in zip(scores, thresholds, strict=True)]
    sets = [
        ScoredSet(
            np.asarray(one, np.float64), truth, answer, groups, task=task, classes=tuple(classes), positive=positive,
            metrics=offered_metrics(),
        )
        for one, answer in zip(scores, answers, strict=True)
    ]  # fmt: skip
    values = [one.scores_of(np.ones((1, len(truth)))) for one in sets]
    count = len(np.unique(groups))
    draws = _differences(sets, groups, resamples, seed) if resamples and count > 1 else {}
    figures = {name: _figure(name, values, draws, sets[0].support()) for name in values[0]}
    right = [np.asarray((truth == answer).all(axis=1)) for answer in answers]
    return PairedComparison(
        images=len(truth),
        groups=count,
        resamples=resamples,
        figures=figures,
        answers=mcnemar(right[0], right[1], groups),
        disagreements=tuple(int(row) for row in np.flatnonzero((answers[0] != answers[1]).any(axis=1))),
    )


def _differences(
    sets: Sequence[ScoredSet], groups: NDArray[np.int64], resamples: int, seed: int
) -> dict[str, list[Floats]]:
    """Differences of each figure under resampled groups, in blocks."""
    draws: dict[str, list[Floats]] = {}
    for weights in group_weights(groups, resamples, seed):
        first, second = (one.scores_of(weights) for one in sets)
        for name in first:
            draws.setdefault(name, []).append(first[name] - second[name])
    return draws


def _figure(
    name: str, values: Sequence[Mapping[str, Floats]], draws: Mapping[str, list[Floats]],
    support: Mapping[str, tuple[int, float | None]],
) -> PairedFigure:  # fmt: skip
    first, second = (float(one[name][0]) for one in values)
    apart = np.concatenate(draws[name]) if name in draws else None
    return PairedFigure(
        first=first if np.isfinite(first) else None,
        second=second if np.isfinite(second) else None,
        difference=with_bounds(first - second, apart, groups=support[name][0]),
    )


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_], groups: NDArray[np.int64]) -> McNemar:
    """The exact test (McNemar, Psychometrika 12, 1947) over groups. first, second: (N,) which images are right."""
    from scipy.special import bdtr

    films = int(groups.max()) + 1 if len(groups) else 0
    wrong = [np.bincount(groups, ~one, films) > 0 for one in (first, second)]
    b, c = int((~wrong[0] & wrong[1]).sum()), int((wrong[0] & ~wrong[1]).sum())
    p = min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5))) if b + c else 1.0
    return McNemar(films=films, first_alone=b, second_alone=c, p=p)
