"""How well scores rank: ROC AUC and average precision, for one set of weights of the images or for many at once."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .bootstrap import Floats, ratio


def roc_auc(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """Area under the ROC curve, ties counting one half; None where one side is missing. Any real scores, labels 0/1."""
    return _one(auc_rows, scores, labels, weights)


def pr_auc(scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None = None) -> float | None:
    """Average precision (the step area under precision over recall); None where no label is positive."""
    return _one(average_precision_rows, scores, labels, weights)


def _one(rows: Callable[..., Floats], scores: ArrayLike, labels: ArrayLike, weights: ArrayLike | None) -> float | None:
    truth = np.asarray(labels, bool)
    weight = np.ones((1, len(truth))) if weights is None else np.asarray(weights, np.float64)[None, :]
    return defined(rows(np.asarray(scores, np.float64), truth, weight)[0]) if len(truth) else None


def defined(value: float) -> float | None:
    """The value, or None where it is not finite."""
    return float(value) if np.isfinite(value) else None


def weights_by_score(scores: Floats, labels: NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """Weight of positives and of negatives at each distinct score, falling: two (B, U) arrays of (B, N) weights."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(scores[order]) != 0])
    ordered = weights[:, order]
    truth = labels[order]
    return np.add.reduceat(ordered * truth, starts, axis=1), np.add.reduceat(ordered * ~truth, starts, axis=1)


def auc_rows(scores: Floats, labels: NDArray[np.bool_], weights: Floats) -> Floats:
    """(B,) ROC AUC under each row of (B, N) weights, N at least 1; NaN where one side has no weight."""
    positive, negative = weights_by_score(scores, labels, weights)
    above = np.cumsum(positive, axis=1) - positive / 2
    pairs = (above * negative).sum(axis=1)
    return ratio(pairs, positive.sum(axis=1) * negative.sum(axis=1))


def average_precision_rows(scores: Floats, labels: NDArray[np.bool_], weights: Floats) -> Floats:
    """(B,) average precision under each row of (B, N) weights, N at least 1; NaN where no positive has weight."""
    positive, negative = weights_by_score(scores, labels, weights)
    found = np.cumsum(positive, axis=1)
    precision = np.divide(found, found + np.cumsum(negative, axis=1), out=np.zeros_like(found), where=found > 0)
    return ratio((precision * positive).sum(axis=1), positive.sum(axis=1))


def auc_within(scores: ArrayLike, labels: ArrayLike, parts: ArrayLike) -> float | None:
    """ROC AUC over the pairs whose two images are of one part, such as one fold; None where no part has both sides.

    Scores of several models need not share a scale: over all pairs, a film of one fold is also ranked against films
    that another model scored. scores, labels (0/1), parts: (N,).
    """
    values, truth, names = np.asarray(scores, np.float64), np.asarray(labels, bool), np.asarray(parts)
    won = pairs = 0.0
    for name in np.unique(names):
        chosen = names == name
        here = int(truth[chosen].sum()) * int((~truth[chosen]).sum())
        won += here * (roc_auc(values[chosen], truth[chosen]) or 0.0)
        pairs += here
    return won / pairs if pairs else None


_Y = np.linspace(-16.0, 10.0, 2601)
_FAR = 16.0  # standard deviations between the sides; 10 million groups overlap at 11


@lru_cache(maxsize=1024)
def perfect_area_lower_bounds(with_it: int, without: int) -> tuple[float, float]:
    """Lower 95 % bounds of ROC AUC and average precision where so many groups are ranked without any mistake.

    That is the area at which two normal distributions of one width separate so many draws in 2.5 of 100 sets
    (Obuchowski and Lieber, Academic Radiology 9, 2002). 0 where a side is empty.
    """
    if not with_it or not without:
        return 0.0, 0.0
    below = _normal(_Y)
    largest = np.diff(below**without)  # of the negatives, by cell of _Y
    middle = (_Y[1:] + _Y[:-1]) / 2
    low, high = -_FAR / 2, _FAR
    for _ in range(40):
        apart = (low + high) / 2
        parted = float((largest * _normal(apart - middle) ** with_it).sum())
        low, high = (apart, high) if parted < 0.025 else (low, apart)
    return float(_normal(np.array([low / math.sqrt(2)]))[0]), _average_precision_at(low, with_it / (with_it + without))


def _average_precision_at(apart: float, share: float) -> float:
    found, false = share * _normal(apart - _Y), (1 - share) * _normal(-_Y)
    precision = found / (found + false)
    return float((-np.diff(found) * (precision[1:] + precision[:-1]) / 2).sum() / share)


def _normal(values: Floats) -> Floats:
    """Cumulative normal distribution."""
    return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in values.tolist()], np.float64)
