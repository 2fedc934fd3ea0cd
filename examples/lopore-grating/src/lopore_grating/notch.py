"""A narrow notch at each line of the spectrum, made by demodulation so that it holds up to the image's edge."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Pixels

from .spectrum import Line, Plane, carrier, find_lines

ROUNDS = 3
"""Looks at the spectrum: a strong line hides weaker ones beside it."""
SPREAD = 0.2
"""Width of the average over which a line's amplitude may drift, as a share of the image's shorter side."""

PERIODS, LEAST = 0.35, 8.0
"""Sigma of the mean that a line is measured against, in its periods and at least in pixels: shading stays out."""


def remove_gratings(pixels: Pixels, *, threshold: float, longest_period: float, lines: int) -> Pixels:
    """Take periodic lines out of an image and leave everything else.

    pixels: (H, W) or (H, W, 3), uint8 or uint16; not modified.
    threshold: a line of the spectrum is one that stands so many times above the median of its neighbours.
    longest_period: pixels; lines of a longer period stay. lines: at most so many are taken out.
    Returns the same shape and dtype, clipped; a copy of the input where no line is found.
    Method: lines are found in the spectrum under a Hann window (Harris, Proc. IEEE 66, 1978); each is demodulated,
    its amplitude averaged (normalised convolution, Knutsson and Westin, CVPR 1993, so that the border is no edge),
    and the wave subtracted: a Gaussian notch of the width ``1 / (2 pi sigma)``.
    """
    planes = [np.ascontiguousarray(plane, np.float32) for plane in np.moveaxis(np.atleast_3d(pixels), -1, 0)]
    taken: list[Line] = []
    for _ in range(ROUNDS):
        grey = np.asarray(np.mean(planes, axis=0), np.float32)
        found = find_lines(grey, threshold=threshold, longest_period=longest_period, most=lines - len(taken))
        for line in found:
            planes = [plane - wave_of(plane, line) for plane in planes]
        taken += found
        if not found or len(taken) == lines:
            break
    if not taken:
        return pixels.copy()
    top = np.iinfo(pixels.dtype).max
    cleaned = np.rint(np.clip(np.stack(planes, axis=-1), 0, top)).astype(pixels.dtype)
    return cleaned.reshape(pixels.shape)


def wave_of(plane: Plane, line: Line) -> Plane:
    """The wave of a line in an image (H, W), its amplitude and phase drifting slowly: (H, W) float32."""
    line, share = _unfolded(line, plane.shape)
    turning = carrier(plane.shape, line)
    frequency = math.hypot(line.fx, line.fy)
    sigma = max(LEAST, PERIODS / frequency)
    mean = cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    slow = _averaged((plane - mean) * turning.conj(), SPREAD * min(plane.shape))
    # The mean follows the line a little, and so took that much of it.
    seen = 1 - math.exp(-2 * (math.pi * sigma * frequency) ** 2)
    return np.asarray(share / seen * (slow * turning).real, np.float32)


def _unfolded(line: Line, shape: tuple[int, ...]) -> tuple[Line, float]:
    """The line, and how many times its real part counts: 2, or 1 at a period of 2 px, where a wave is its own mirror
    image; a line within half a bin of that place is put there."""
    fx, fy = round(2 * line.fx) / 2, round(2 * line.fy) / 2
    if abs(line.fx - fx) * shape[1] < 0.5 and abs(line.fy - fy) * shape[0] < 0.5:
        return replace(line, fx=fx, fy=fy), 1.0
    return line, 2.0


def _averaged(values: NDArray[np.complex64], sigma: float) -> NDArray[np.complex64]:
    """A Gaussian average (H, W) whose weights at the border are those of the pixels that exist."""
    height, width = values.shape
    step = max(1, int(sigma / 8))
    size = (-(-width // step), -(-height // step))
    parts: NDArray[np.float32] = np.empty((height, width, 2), np.float32)
    parts[..., 0], parts[..., 1] = values.real, values.imag
    small = cv2.resize(parts, size, interpolation=cv2.INTER_AREA)
    spread, ones = sigma / step, np.ones(small.shape[:2], np.float32)
    blurred = cv2.GaussianBlur(small, (0, 0), spread, borderType=cv2.BORDER_CONSTANT)
    weight = cv2.GaussianBlur(ones, (0, 0), spread, borderType=cv2.BORDER_CONSTANT)
    even = np.asarray(blurred / weight[:, :, None], np.float32)
    wide = cv2.resize(even, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(wide, np.float32).view(np.complex64)[:, :, 0]
