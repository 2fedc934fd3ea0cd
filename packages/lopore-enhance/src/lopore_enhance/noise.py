"""Noise added on purpose, to try how robust a model is; the same seed gives the same noise in both depths."""

from __future__ import annotations

import numpy as np

from lopore.contracts import Pixels

from .pixels import checked, full_scale
from .strips import spans

STRIP_ROWS = 256


def gaussian_noise(image: Pixels, *, sigma: float, seed: int) -> Pixels:
    """Normal noise of ``sigma`` percent of full scale, the same on all channels of a pixel; clipped.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype.
    """
    image = checked(image)
    top = full_scale(image.dtype)
    generator = np.random.default_rng(seed)
    out = np.empty_like(image)
    for begin, end in spans(image.shape[0], STRIP_ROWS):
        noisy = generator.standard_normal((end - begin, image.shape[1]), np.float32)
        noisy *= np.float32(sigma / 100 * top)
        strip = image[begin:end] + (noisy if image.ndim == 2 else noisy[:, :, None])
        out[begin:end] = np.rint(np.clip(strip, 0, top))
    return out


def salt_and_pepper(image: Pixels, *, amount: float, salt: float, seed: int) -> Pixels:
    """``amount`` percent of all pixels, chosen at random, turned white or black; ``salt`` percent of them white.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype.
    """
    image = checked(image)
    draw = np.random.default_rng(seed).random(image.shape[:2], np.float32)
    hit = amount / 100
    out = image.copy()
    out[draw < hit] = 0
    out[draw < hit * salt / 100] = full_scale(image.dtype)
    return out
