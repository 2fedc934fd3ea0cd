"""lopore's own steps that change grey values and move nothing; all at the depth of the image, rounded once."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels
from lopore.config.augmentation import BrightnessContrast, Gamma, GaussianBlur, MotionBlur, Noise, Signal
from lopore.preprocessing.lookup_tables import apply_table

Mask = NDArray[Any] | None
QUANTILES = 1 << 16


def _top(pixels: Pixels) -> int:
    return int(np.iinfo(pixels.dtype).max)


def _straight(pixels: Pixels, factor: float, shift: float) -> Pixels:
    """``factor * pixels + shift``, rounded and clipped to the depth."""
    import cv2

    return np.asarray(cv2.addWeighted(pixels, factor, pixels, 0.0, shift)).reshape(pixels.shape)


def gaussian_blur(pixels: Pixels, mask: Mask, params: GaussianBlur, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """A Gaussian, cut off at three and a half deviations, its deviation drawn evenly."""
    import cv2

    sigma = rng.uniform(*params.sigma)
    side = 2 * int(3.5 * sigma) + 1
    if side == 1:
        return pixels.copy(), mask
    return cv2.GaussianBlur(pixels, (side, side), sigma, sigmaY=sigma).reshape(pixels.shape), mask


def motion_blur(pixels: Pixels, mask: Mask, params: MotionBlur, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """A straight smear of an odd length from 3 on, in any direction, about the pixel."""
    import cv2

    length = 2 * int(rng.integers(1, (params.length - 1) // 2 + 1)) + 1
    kernel = _line(length, rng.uniform(0, math.pi))
    return cv2.filter2D(pixels, -1, kernel, borderType=cv2.BORDER_REFLECT_101).reshape(pixels.shape), mask


def _line(length: int, angle: float) -> NDArray[np.float32]:
    """(length, length) weights of a line through the middle, each point shared by its four neighbours."""
    reach = (length - 1) / 2
    along = np.linspace(-reach, reach, 4 * length - 3)
    kernel = np.zeros((length, length))
    x, y = reach + along * math.cos(angle), reach + along * math.sin(angle)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - right - (x - left)) * np.abs(1 - down - (y - top))
            rows, columns = np.minimum(top + down, length - 1), np.minimum(left + right, length - 1)
            np.add.at(kernel, (rows, columns), share)
    return np.asarray(kernel / kernel.sum(), np.float32)


def brightness_contrast(
    pixels: Pixels, mask: Mask, params: BrightnessContrast, rng: np.random.Generator
) -> tuple[Pixels, Mask]:
    """Grey values times a factor about 1, plus a shift about 0 in shares of the full range."""
    factor = 1 + rng.uniform(-params.contrast, params.contrast)
    shift = rng.uniform(-params.brightness, params.brightness) * _top(pixels)
    return _straight(pixels, factor, shift), mask


def gamma(pixels: Pixels, mask: Mask, params: Gamma, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Grey values, as shares of the full range, to a power drawn evenly."""
    import cv2

    exponent, top = rng.uniform(*params.exponent), _top(pixels)
    if pixels.dtype == np.uint8:
        return apply_table(pixels, np.rint(top * (np.arange(top + 1) / top) ** exponent).astype(np.uint8)), mask
    shares = cv2.pow(pixels.astype(np.float32) * np.float32(1 / top), exponent)
    return np.rint(shares * np.float32(top)).astype(pixels.dtype).reshape(pixels.shape), mask


def signal(pixels: Pixels, mask: Mask, params: Signal, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """The distance from mid-grey times a factor drawn log-uniformly."""
    factor = math.exp(rng.uniform(math.log(params.factor[0]), math.log(params.factor[1])))
    return _straight(pixels, factor, (1 - factor) * (_top(pixels) + 1) / 2), mask


@cache
def _normal_quantiles() -> NDArray[np.float32]:
    """65 536 equally likely values of a normal distribution, up to 4.3 deviations: drawing numbers of them takes a
    quarter of the time of normal ones, and their deviation is right to 1e-4."""
    inverse = NormalDist().inv_cdf
    upper = np.array([inverse(0.5 + (number + 0.5) / QUANTILES) for number in range(QUANTILES // 2)], np.float32)
    return np.concatenate([-upper[::-1], upper])


def noise(pixels: Pixels, mask: Mask, params: Noise, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """Gaussian grain, apart in each pixel and channel; its deviation is drawn evenly."""
    import cv2

    sigma = np.float32(rng.uniform(*params.sigma) * _top(pixels))
    grain = (sigma * _normal_quantiles()).take(rng.integers(0, QUANTILES, pixels.shape, np.uint16, endpoint=False))
    depth = cv2.CV_8U if pixels.dtype == np.uint8 else cv2.CV_16U
    return np.asarray(cv2.add(pixels, grain, dtype=depth)).reshape(pixels.shape), mask
