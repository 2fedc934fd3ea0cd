"""How far an image lies from those of training: bounds of single statistics, and a distance of all together.

Both are set on training films that were held out, so that the share of films like them that is marked is known. The
distance is of image statistics: networks give scores and maps in every runtime, and their features in none that is
exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lopore.record.likeness import TrainingLikeness

from .appearance import STATISTICS, Appearance

Floats = NDArray[np.float64]
RATES = (0.01, 0.05)
"""Shares of like films that may be marked, one half by the bounds and one by the distance: the first that the films
can prove, 199 for 1 % and 39 for 5 %."""
_FOLDS = 10
_SHRUNK = 0.1
"""Weight of plain variances in the covariance."""
_LEAST_SCALE = 1e-3


@dataclass(frozen=True)
class _Fit:
    """middle, scale: mean and standard deviation of each statistic, (K,). precision: (K, K)."""

    middle: Floats
    scale: Floats
    precision: Floats

    @classmethod
    def of(cls, values: Floats) -> _Fit:
        middle: Floats = np.asarray(values.mean(axis=0), np.float64)
        floor = _LEAST_SCALE * np.maximum(np.abs(middle), 1.0)
        spread = np.cov(values, rowvar=False) if len(values) > 1 else np.zeros((values.shape[1],) * 2)
        plain = np.diag(np.maximum(np.diag(spread), floor**2))
        scale = np.asarray(np.sqrt(np.diag(plain)), np.float64)
        precision = np.linalg.inv((1 - _SHRUNK) * spread + _SHRUNK * plain)
        return cls(middle, scale, np.asarray(precision, np.float64))

    def excess(self, values: Floats) -> Floats:
        """(N, K + 1) how many times its scale each statistic lies off, and last the distance."""
        each = np.abs(values - self.middle) / self.scale
        return np.column_stack([each, distances(values, self.middle, self.precision)])


def distances(values: ArrayLike, centre: ArrayLike, precision: ArrayLike) -> Floats:
    """(N,) Mahalanobis distances of (N, K) statistics."""
    off = np.asarray(values, np.float64) - np.asarray(centre, np.float64)
    return np.asarray(np.sqrt(np.maximum(np.einsum("nk,kl,nl->n", off, np.asarray(precision), off), 0)), np.float64)


def as_values(seen: Sequence[Appearance]) -> Floats:
    """(N, K) statistics as they are compared: contrast to noise by its logarithm."""
    table = np.array([[getattr(one, name) for name in STATISTICS] for one in seen], np.float64)
    table = table.reshape(-1, len(STATISTICS))
    table[:, STATISTICS.index("cnr")] = np.log1p(table[:, STATISTICS.index("cnr")])
    return table


def fit_likeness(
    seen: Sequence[Appearance], groups: ArrayLike | None = None, *, whole_films: bool = False
) -> tuple[dict[str, float], TrainingLikeness]:
    """Bounds of single statistics (``NAME_low``, ``NAME_high``, with ``mean`` and ``std`` over all), and the distance.

    seen: N training images. groups: (N,) film of each; None: each its own. whole_films: the images are tiles, and a
    film counts by the middle of its tiles; else a film counts by the worst of its images.
    """
    ids = np.unique(np.arange(len(seen)) if groups is None else np.asarray(groups), return_inverse=True)[1].reshape(-1)
    images = len(seen)
    if whole_films:
        seen = [
            middle_of([seen[int(row)] for row in np.flatnonzero(ids == film)]) for film in range(int(ids.max()) + 1)
        ]
        ids = np.arange(len(seen))
    values = as_values(seen)
    films, final = int(ids.max()) + 1, _Fit.of(values)
    rate = next((share for share in RATES if films + 1 >= 2 / share), None)
    limits, far = _limits(values, ids, films, rate)
    low, high = final.middle - limits * final.scale, final.middle + limits * final.scale
    likeness = TrainingLikeness(
        statistics=STATISTICS,
        centre=tuple(final.middle.tolist()),
        precision=tuple(tuple(row) for row in final.precision.tolist()),
        distance_high=far,
        false_alarms=rate,
        films=films,
        images=images,
        whole_films=whole_films,
    )
    return _grey(seen, low, high), likeness


def _limits(values: Floats, ids: NDArray[np.int64], films: int, rate: float | None) -> tuple[Floats, float]:
    """The excess of each statistic (K,) and the distance that like films stay under.

    Of films that were held out, a film by the worst of its images: the quantiles of split conformal, the statistics
    judged by the worst of them; of too few films for any rate the largest of each.
    """
    folds = min(_FOLDS, films)
    order = np.random.default_rng(0).permutation(films) % folds
    excess = np.zeros((len(values), values.shape[1] + 1))
    for fold in range(folds):
        out = order[ids] == fold
        excess[out] = _Fit.of(values[~out] if films > 1 else values).excess(values[out])
    by_film = np.full((films, excess.shape[1]), -np.inf)
    np.maximum.at(by_film, ids, excess)
    if rate is None:
        largest = by_film.max(axis=0)
        return np.maximum(largest[:-1], 1.0), float(largest[-1])
    rank = min(int(np.ceil((films + 1) * (1 - rate / 2))), films) - 1
    worst, far = np.sort(by_film[:, :-1].max(axis=1))[rank], np.sort(by_film[:, -1])[rank]
    return np.full(values.shape[1], max(float(worst), 1.0)), float(far)


def _grey(seen: Sequence[Appearance], low: Floats, high: Floats) -> dict[str, float]:
    rank = STATISTICS.index("cnr")
    low[rank], high[rank] = np.expm1(low[rank]), np.expm1(high[rank])
    low, high = np.maximum(low, 0.0), np.minimum(high, np.where(np.arange(len(high)) == rank, np.inf, 1.0))
    means, stds = (np.array([getattr(one, name) for one in seen]) for name in ("mean", "std"))
    bounds = {
        f"{name}_{end}": float(value)
        for end, values in (("low", low), ("high", high))
        for name, value in zip(STATISTICS, values, strict=True)
    }
    return {"mean": float(means.mean()), "std": float(np.sqrt(np.mean(stds**2) + np.var(means))), **bounds}


def middle_of(tiles: Sequence[Appearance]) -> Appearance:
    """How a film looks by its tiles: the middle of each statistic."""
    return Appearance(*(float(np.median([getattr(one, name) for one in tiles])) for name in STATISTICS))


def distance_of(likeness: TrainingLikeness, seen: Appearance) -> float | None:
    """The distance of one image; None where the record's statistics are not those of today."""
    if likeness.statistics != STATISTICS:
        return None
    return float(distances(as_values([seen]), likeness.centre, likeness.precision)[0])
