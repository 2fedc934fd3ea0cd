"""Images that the checks use: small, seeded, in every depth and channel count."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import PixelBatch, Pixels
from lopore.contracts import Batch
from lopore.record.preprocessing import Preprocessing

HEIGHT, WIDTH = 96, 112
DTYPES: tuple[np.dtype[Any], ...] = (np.dtype(np.uint8), np.dtype(np.uint16))
PLANTS = ((0.25, 0.30), (0.60, 0.55))
"""Where two marks are planted, as shares of width and height: no mirror or turn maps one place onto either."""
PLANT_RADIUS = 6.0


def full_scale(dtype: np.dtype[Any]) -> int:
    return int(np.iinfo(dtype).max)


def film(dtype: np.dtype[Any], channels: int = 1, seed: int = 0) -> Pixels:
    """A weld's shading with grain and a dark line: (H, W) for one channel, (H, W, 3) with a slight tint for three."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    values = 0.35 + 0.3 * np.exp(-(((rows - 50) / 22.0) ** 2)) + 0.1 * columns / WIDTH
    values = values + rng.normal(0, 0.02, values.shape)
    values[47:50, 20:70] -= 0.15
    grey = np.rint(np.clip(values, 0, 1) * full_scale(dtype))
    if channels == 1:
        return np.asarray(grey, dtype)
    return np.stack([np.rint(grey * tint) for tint in (1.0, 0.95, 0.9)], axis=-1).astype(dtype)


def images(dtype: np.dtype[Any]) -> list[Pixels]:
    """The film in grey and in colour."""
    return [film(dtype, 1), film(dtype, 3)]


def flat(dtype: np.dtype[Any], share: float, shape: tuple[int, ...] = (HEIGHT, WIDTH)) -> Pixels:
    """One grey value everywhere, ``share`` of full scale."""
    return np.full(shape, round(share * full_scale(dtype)), dtype)


def step(dtype: np.dtype[Any]) -> Pixels:
    """Dark left and bright right, both near the ends of the scale, as lead beside bare film."""
    image = flat(dtype, 10 / 255)
    image[:, WIDTH // 2 :] = round(245 / 255 * full_scale(dtype))
    return image


def ramp(dtype: np.dtype[Any]) -> Pixels:
    """(H, W) of H * W different grey values from dark to bright, row by row."""
    top = full_scale(dtype)
    return np.linspace(0.1 * top, 0.9 * top, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(dtype)


def plant(dtype: np.dtype[Any], centre: tuple[float, float]) -> Pixels:
    """The film, shaded flat, with one bright disc at ``place`` (x, y) in pixels."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    grain = np.random.default_rng(7).normal(0, 0.01, (HEIGHT, WIDTH))
    values = 0.4 + grain + 0.4 * (np.hypot(columns - centre[0], rows - centre[1]) <= PLANT_RADIUS)
    return np.asarray(np.rint(np.clip(values, 0, 1) * full_scale(dtype)), dtype)


def discs(
    count: int, size: tuple[int, int], channels: int = 1, depth: int = 8, seed: int = 0, classes: int = 2
) -> tuple[PixelBatch, NDArray[np.int64]]:
    """The tiny set: grain with a dark disc (class 0), a bright disc (1) or none (2), at random places.

    Returns (N, H, W, C) of uint8 or uint16 and (N,) class indices in turn.
    """
    values, targets, _ = _scene(count, size, seed, classes)
    return _as_batch(values, channels, depth), targets


def discs_and_masks(
    count: int, size: tuple[int, int], channels: int = 1, seed: int = 0
) -> tuple[PixelBatch, NDArray[np.int64]]:
    """The tiny set with (N, H, W) masks in place of classes: 0 grain, 1 the dark disc, 2 the bright one."""
    values, targets, inside = _scene(count, size, seed, 2)
    return _as_batch(values, channels, 8), np.where(inside, targets[:, None, None] + 1, 0)


def images_for(plan: Preprocessing, count: int) -> PixelBatch:
    """(N, H, W, C) of the tiny set at the size, channels and depth that a model takes."""
    return discs(count, plan.size, plan.channels, plan.depth, seed=5)[0]


def _scene(
    count: int, size: tuple[int, int], seed: int, classes: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    height, width = size
    targets = np.arange(count, dtype=np.int64) % classes
    centres = rng.uniform(0.25, 0.75, (count, 2)) * (height, width)
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    distance = np.hypot(rows - centres[:, 0, None, None], columns - centres[:, 1, None, None])
    lift = np.array([-0.4, 0.4, 0.0])[targets]
    values = rng.normal(0.45, 0.03, (count, height, width))
    inside = distance < 0.18 * min(size)
    values += lift[:, None, None] * inside
    return values, targets, inside


def _as_batch(values: NDArray[np.float64], channels: int, depth: int) -> PixelBatch:
    top = 2**depth - 1
    pixels = np.rint(np.clip(values, 0, 1) * top).astype(np.uint8 if depth == 8 else np.uint16)
    return np.repeat(pixels[..., None], channels, axis=-1)


def in_batches(pixels: PixelBatch, targets: NDArray[Any], size: int) -> list[Batch]:
    return [Batch(pixels[at : at + size], targets[at : at + size]) for at in range(0, len(pixels), size)]
