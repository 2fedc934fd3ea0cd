"""Sizes of flaws as a study takes them, on their own scale or as logarithms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lopore.metrics.bootstrap import Floats

from .study import PodPoint

Scale = Literal["linear", "ln"]
SCALES: tuple[Scale, ...] = ("linear", "ln")
_POINTS = 121
_LARGEST = 700.0  # exp of more is infinite


def checked_sizes(sizes: ArrayLike, films: ArrayLike | None, marks: int) -> tuple[Floats, NDArray[np.int64] | None]:
    """(N,) sizes, and film numbers from 0 where a film holds several marks; ValueError for what is no size."""
    size = np.asarray(sizes, np.float64).reshape(-1)
    if len(size) != marks:
        raise ValueError(f"{len(size)} sizes for {marks} marks; give one size a mark")
    if not (np.isfinite(size).all() and (size > 0).all()):
        raise ValueError("a size is not a positive number; leave flaws of unknown size out")
    if films is None:
        return size, None
    names = np.asarray(films).reshape(-1)
    if len(names) != marks:
        raise ValueError(f"{len(names)} films for {marks} marks; give one film a mark")
    ids = np.unique(names, return_inverse=True)[1].reshape(-1)
    return size, ids if len(np.unique(ids)) < marks else None


def on_scale(scale: Scale, sizes: Floats) -> Floats:
    """Sizes as the model takes them."""
    return np.log(sizes) if scale == "ln" else sizes


def to_size(scale: Scale, x: float) -> float:
    """A model's x as a size."""
    return float(np.exp(min(x, _LARGEST))) if scale == "ln" else x


def curve_sizes(scale: Scale, sizes: Floats) -> Floats:
    """Sizes from the smallest to the largest at which a curve is drawn."""
    low, high = float(sizes.min()), float(sizes.max())
    return np.geomspace(low, high, _POINTS) if scale == "ln" else np.linspace(low, high, _POINTS)


def curve_points(sizes: Floats, pod: Iterable[float], low: Iterable[float]) -> tuple[PodPoint, ...]:
    """The curve as records."""
    return tuple(PodPoint(size=float(a), pod=float(p), low=float(q)) for a, p, q in zip(sizes, pod, low, strict=True))
