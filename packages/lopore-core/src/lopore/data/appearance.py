"""How an image looks to a network, in three numbers that tell whether it is like the images of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels

SMOOTHING = 9
"""Length of the mean that ``sharpness`` blurs with, in pixels; the source's own."""


@dataclass(frozen=True)
class Appearance:
    """mean, std: grey level and contrast on a scale of 0 to 1. sharpness: see there."""

    mean: float
    std: float
    sharpness: float

    @classmethod
    def of(cls, pixels: Pixels) -> Appearance:
        """pixels: (h, w, C) uint8 or uint16 as the network gets them, not modified."""
        full = float(np.iinfo(pixels.dtype).max)
        return cls(float(pixels.mean()) / full, float(pixels.std()) / full, sharpness(pixels))


def sharpness(pixels: Pixels) -> float:
    """How much of the differences between neighbours a blur takes away, 0 (blurred before, or flat) to 1.

    pixels: (h, w, C) uint8 or uint16, not modified. Grey level and contrast do not change it; grain raises it. The
    less sharp of both directions counts, so motion along one side is seen.
    Source: 1 less the blur metric of Crete et al., SPIE 6492 (2007), 64920I.
    """
    grey = pixels.mean(axis=-1, dtype=np.float32)
    return min(_taken_away(grey, 0), _taken_away(grey, 1))


def _taken_away(grey: NDArray[np.float32], axis: int) -> float:
    """The share down (0) or along (1) the rows of (h, w)."""
    import cv2

    smooth = cv2.blur(grey, (SMOOTHING, 1) if axis else (1, SMOOTHING))
    own, left = np.abs(np.diff(grey, axis=axis)), np.abs(np.diff(smooth, axis=axis))
    total = float(own.sum(dtype=np.float64))
    return float(np.maximum(own - left, 0).sum(dtype=np.float64)) / total if total else 0.0


def spread(seen: Sequence[Appearance]) -> dict[str, float]:
    """The training images' statistics, as a record keeps them in ``training_grey``.

    mean, std: over all pixels of all images. NAME_low, NAME_high for mean, std and sharpness: 1st and 99th
    percentile over the images.
    """
    each = {name: np.array([getattr(one, name) for one in seen]) for name in ("mean", "std", "sharpness")}
    bounds = {
        f"{name}_{end}": float(np.percentile(values, share))
        for name, values in each.items()
        for end, share in (("low", 1), ("high", 99))
    }
    over_all = float(np.sqrt(np.mean(each["std"] ** 2) + np.var(each["mean"])))
    return {"mean": float(each["mean"].mean()), "std": over_all, **bounds}
