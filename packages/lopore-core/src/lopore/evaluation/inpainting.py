"""A region replaced by what lies around it: smooth colours drawn inwards, grain like the rest of the film."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels

Mask = NDArray[np.bool_]


def grown(region: Mask, pixels: int) -> Mask:
    """The region (H, W) bool with everything nearer than ``pixels`` to it."""
    import cv2

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    return np.asarray(cv2.dilate(region.astype(np.uint8), kernel), np.uint8) > 0


def paint_over(pixels: Pixels, region: Mask, rng: np.random.Generator) -> Pixels:
    """Fill a region from its surroundings, so that what was there is gone and the place stays inconspicuous.

    pixels: (H, W, C) uint8 or uint16, not modified. region: (H, W) bool. Returns the same shape and dtype; pixels
    outside the region are untouched. Where the region is the whole image it becomes its median grey.
    Source: pull-push interpolation, Gortler et al., The Lumigraph, SIGGRAPH 1996; the grain is Gaussian with the
    robust spread of the image's own fine detail outside the region.
    """
    if not region.any():
        return pixels.copy()
    values = pixels.astype(np.float32)
    known = (~region).astype(np.float32)[:, :, None]
    if not known.any():
        values[...] = np.median(values, axis=(0, 1))
    else:
        values = np.where(region[:, :, None], _pull_push(values * known, known) + _grain(values, region, rng), values)
    top = np.iinfo(pixels.dtype).max
    return np.clip(np.rint(values), 0, top).astype(pixels.dtype)


def _pull_push(sums: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weighted values (H, W, C) and weights (H, W, 1) in 0..1 to values everywhere, coarse levels filling the holes."""
    height, width = weights.shape[:2]
    values = np.asarray(sums / np.maximum(weights, 1e-6), np.float32)
    if (weights >= 1).all() or height * width == 1:
        return values
    smaller_sums, smaller_weights = _halved(sums), _halved(weights)
    scale = np.minimum(1.0, 1.0 / np.maximum(smaller_weights, 1e-6))
    coarse = _pull_push(smaller_sums * scale, smaller_weights * scale)
    filled = values * weights + _doubled(coarse, (height, width)) * (1 - weights)
    return np.asarray(filled, np.float32)


def _halved(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums over blocks of 2 x 2; an odd last line stands alone."""
    padded = np.pad(field, ((0, field.shape[0] % 2), (0, field.shape[1] % 2), (0, 0)))
    height, width, channels = padded.shape
    return np.asarray(padded.reshape(height // 2, 2, width // 2, 2, channels).sum(axis=(1, 3)), np.float32)


def _doubled(field: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    import cv2

    drawn: Any = cv2.resize(field, (2 * field.shape[1], 2 * field.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(drawn, np.float32).reshape(2 * field.shape[0], 2 * field.shape[1], -1)[: size[0], : size[1]]


def _grain(values: NDArray[np.float32], region: Mask, rng: np.random.Generator) -> NDArray[np.float32]:
    import cv2

    fine = values - np.asarray(cv2.blur(values, (3, 3)), np.float32).reshape(values.shape)
    spread = 1.4826 * np.median(np.abs(fine[~region]), axis=0)
    # A 3 x 3 mean takes a ninth of white noise away with it.
    return np.asarray(rng.standard_normal(values.shape, np.float32) * spread * np.sqrt(9 / 8), np.float32)
