"""Grey against the film's own background, in units of the local spread: thick and thin, dark and bright films alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from .pixels import checked

if TYPE_CHECKING:
    from lopore.contracts import Pixels

FINE = 16
"""Levels of a mean between two grey values; whole numbers, so that sums are exact in any order."""


def local_contrast(image: Pixels, *, radius: int, spread_radius: int, gain: float, floor: float) -> Pixels:
    """The difference from the local background over its local root mean square, around mid-grey.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Channels are taken by themselves.
    radius: pixels from the centre to the side of the square whose mean, taken twice, is the background (a triangular
    kernel); wider than a pore, narrower than the seam. spread_radius: the same for the spread.
    gain: per cent of full scale for one unit of spread. floor: smallest spread, in per cent of full scale, so that
    flat parts stay flat.
    Returns the same shape and dtype; mid-grey where a pixel equals its background; clipped. All sums are of whole
    numbers: a part of the film with ``local_contrast_reach`` pixels around it gives the pixels of the whole film.
    """
    image = checked(image)
    if image.ndim == 3:
        planes = [_one_channel(plane, radius, spread_radius, gain, floor) for plane in cv2.split(image)]
        return np.dstack(planes)
    return _one_channel(image, radius, spread_radius, gain, floor)


def local_contrast_reach(*, radius: int, spread_radius: int, gain: float, floor: float) -> int:
    """Pixels around a pixel that change it."""
    return 2 * (radius + spread_radius)


def _one_channel(image: Pixels, radius: int, spread_radius: int, gain: float, floor: float) -> Pixels:
    top = int(np.iinfo(image.dtype).max)
    difference = image * float(FINE)
    difference -= window_mean(window_mean(difference, radius), radius)
    variance = window_mean(window_mean(np.rint(difference * (difference / FINE**2)), spread_radius), spread_radius)
    variance += (floor / 100 * top) ** 2
    difference *= gain / 100 * top / FINE
    difference /= np.sqrt(variance, out=variance)
    difference += (top + 1) // 2
    return np.rint(np.clip(difference, 0, top, out=difference), out=difference).astype(image.dtype)


def window_mean(values: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """Rounded mean of a square window of 2 * radius + 1 pixels.

    Sums of whole numbers under 2**53 are exact, so their order does not count.
    """
    width = 2 * radius + 1
    sums = cv2.boxFilter(values, cv2.CV_64F, (width, width), normalize=False, borderType=cv2.BORDER_REFLECT_101)
    return np.rint(np.asarray(sums, np.float64) / width**2)
