"""How an image looks to a network, in five numbers that tell whether it is like the images of training."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels
from lopore.preprocessing.lookup_tables import histogram

Grey = NDArray[np.float32]
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
        grey = _grey(pixels)
        mean, std = _mean_and_std(pixels)
        spanned = _grey_range(pixels) / full
        own_noise = _noise(grey) / full
        return cls(mean / full, std / full, _sharpness(grey), spanned, float(spanned / max(own_noise, _LEAST_NOISE)))


STATISTICS = tuple(field.name for field in fields(Appearance))
_LEAST_NOISE = 1 / 255 / 12**0.5
"""Of grey values that were rounded to 8 bits, on a scale of 0 to 1."""


def noise(pixels: Pixels) -> float:
    """Standard deviation of the noise in grey values, from what a plane fits nowhere (Immerkaer, Computer Vision and
    Image Understanding 64, 1996).

    pixels: (h, w, C), not modified; 0 under 3 pixels a side.
    """
    return _noise(_grey(pixels))


def sharpness(pixels: Pixels) -> float:
    """How much of the differences between neighbours a blur takes away, 0 (blurred before, or flat) to 1.

    pixels: (h, w, C) uint8 or uint16, not modified. Grey level and contrast do not change it; grain raises it. The
    less sharp of both directions counts, so motion along one side is seen.
    Source: 1 less the blur metric of Crete et al., SPIE 6492 (2007), 64920I.
    """
    return _sharpness(_grey(pixels))


def _grey(pixels: Pixels) -> Grey:
    if pixels.shape[-1] == 1:
        return np.asarray(pixels[..., 0], np.float32)
    return np.asarray(pixels.mean(axis=-1, dtype=np.float32), np.float32)


def _mean_and_std(pixels: Pixels) -> tuple[float, float]:
    import cv2

    means, deviations = (np.asarray(one, np.float64) for one in cv2.meanStdDev(pixels))
    mean = float(means.mean())
    return mean, float(np.sqrt(np.mean(deviations**2 + (means - mean) ** 2)))


def _grey_range(pixels: Pixels) -> float:
    counts = histogram(pixels).cumsum()
    low, high = np.searchsorted(counts, np.array([0.01, 0.99]) * counts[-1], side="left")
    return float(high - low)


def _noise(grey: Grey) -> float:
    import cv2

    if min(grey.shape) < 3:
        return 0.0
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    curved = np.asarray(cv2.filter2D(grey, -1, mask), np.float32)[1:-1, 1:-1]
    return cv2.norm(curved, cv2.NORM_L1) / curved.size * math.sqrt(math.pi / 2) / 6


def _sharpness(grey: Grey) -> float:
    return min(_taken_away(grey, 0), _taken_away(grey, 1))


def _taken_away(grey: Grey, axis: int) -> float:
    """The share down (0) or along (1) the rows of (h, w)."""
    import cv2

    if grey.shape[axis] < 2:
        return 0.0
    smooth = np.asarray(cv2.blur(grey, (SMOOTHING, 1) if axis else (1, SMOOTHING)), np.float32)
    own, left = (_differences(one, axis) for one in (grey, smooth))
    total = cv2.sumElems(own)[0]
    if not total:
        return 0.0
    taken = cv2.threshold(cv2.subtract(own, left), 0.0, 0.0, cv2.THRESH_TOZERO)[1]
    return cv2.sumElems(taken)[0] / total


def _differences(grey: Grey, axis: int) -> Grey:
    import cv2

    pair = (grey[:, 1:], grey[:, :-1]) if axis else (grey[1:], grey[:-1])
    return np.asarray(cv2.absdiff(*pair), np.float32)
