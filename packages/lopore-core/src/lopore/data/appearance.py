"""How an image looks to a network, in five numbers that tell whether it is like the images of training."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels

SMOOTHING = 9
"""Length of the mean that ``sharpness`` blurs with, in pixels; the source's own."""


@dataclass(frozen=True)
class Appearance:
    """mean, std: grey level and contrast on a scale of 0 to 1. sharpness: see there. grey_range: from the 1st to the
    99th percentile of the grey values, 0 to 1. cnr: contrast to noise, how many times its noise that range is."""

    mean: float
    std: float
    sharpness: float
    grey_range: float
    cnr: float

    @classmethod
    def of(cls, pixels: Pixels) -> Appearance:
        """pixels: (h, w, C) uint8 or uint16 as the network gets them, not modified."""
        full = float(np.iinfo(pixels.dtype).max)
        spanned = _grey_range(pixels) / full
        grey = pixels.mean(axis=-1, dtype=np.float32)
        return cls(
            float(pixels.mean()) / full,
            float(pixels.std()) / full,
            min(_taken_away(grey, 0), _taken_away(grey, 1)),
            spanned,
            float(spanned / max(noise(pixels) / full, _LEAST_NOISE)),
        )


STATISTICS = tuple(field.name for field in fields(Appearance))
_LEAST_NOISE = 1 / 255 / 12**0.5
"""Of grey values that were rounded to 8 bits, on a scale of 0 to 1."""


def noise(pixels: Pixels) -> float:
    """Standard deviation of the noise in grey values, from what a plane fits nowhere (Immerkaer, Computer Vision and
    Image Understanding 64, 1996).

    pixels: (h, w, C), not modified; 0 under 3 pixels a side.
    """
    import cv2

    grey = pixels.mean(axis=-1, dtype=np.float32)
    if min(grey.shape) < 3:
        return 0.0
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    curved = np.asarray(cv2.filter2D(grey, -1, mask), np.float32)[1:-1, 1:-1]
    return float(np.abs(curved).mean(dtype=np.float64)) * math.sqrt(math.pi / 2) / 6


def _grey_range(pixels: Pixels) -> float:
    counts = np.bincount(pixels.ravel(), minlength=2).cumsum()
    low, high = np.searchsorted(counts, np.array([0.01, 0.99]) * counts[-1], side="left")
    return float(high - low)


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
