"""Grey against the film's own background, in units of the local noise: what a reader calls contrast-to-noise ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from .local_contrast import window_mean
from .pixels import checked

if TYPE_CHECKING:
    from lopore.contracts import Pixels

FINE = 256
"""Levels of a mean between two grey values; whole numbers, so that sums are exact in any order."""
_NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float64)
_NOISE_FACTOR = float(np.sqrt(np.pi / 2) / 6)


def contrast_to_noise(image: Pixels, *, radius: int, noise_radius: int, knee: float, floor: float) -> Pixels:
    """The difference from the local background over the local noise, around mid-grey, large values compressed.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Channels are taken by themselves.
    radius: pixels from the centre to the side of the square whose mean, taken twice, is the background; wider than a
    pore. noise_radius: the same for the noise, which is measured by second differences, so that seams, edges and slow
    shading count little. knee: contrast-to-noise ratio that lies half way between mid-grey and the end of the scale.
    floor: smallest noise, in per cent of full scale, so that flat parts stay flat.
    Returns the same shape and dtype; mid-grey where a pixel equals its background. A part of the film with
    ``contrast_to_noise_reach`` pixels around it gives the pixels of the whole film.
    Source of the noise estimate: Immerkaer, Computer Vision and Image Understanding 64 (1996).
    """
    image = checked(image)
    if image.ndim == 3:
        return np.dstack([_one_channel(plane, radius, noise_radius, knee, floor) for plane in cv2.split(image)])
    return _one_channel(image, radius, noise_radius, knee, floor)


def contrast_to_noise_reach(*, radius: int, noise_radius: int, knee: float, floor: float) -> int:
    """Pixels around a pixel that change it."""
    return max(2 * radius, 2 * noise_radius + 1)


def _one_channel(image: Pixels, radius: int, noise_radius: int, knee: float, floor: float) -> Pixels:
    top = int(np.iinfo(image.dtype).max)
    fine = image * float(FINE)
    noise = _noise(fine, noise_radius)
    np.maximum(noise, floor / 100 * top * FINE, out=noise)
    ratio: NDArray[np.float64] = fine - window_mean(window_mean(fine, radius), radius)
    ratio /= noise
    ratio /= np.abs(ratio) + knee
    ratio += 1.0
    ratio *= top / 2
    return np.rint(np.clip(ratio, 0, top, out=ratio), out=ratio).astype(image.dtype)


def _noise(fine: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """Local standard deviation of white noise; all sums are of whole numbers, so that their order does not count."""
    second = cv2.filter2D(fine, cv2.CV_64F, _NOISE_KERNEL, borderType=cv2.BORDER_REFLECT_101)
    sums = np.abs(np.asarray(second, np.float64))
    noise = window_mean(window_mean(sums, radius), radius)
    noise *= _NOISE_FACTOR
    return noise
