"""lopore's own steps that move pixels: mirrors, turns, zooms, crops as affine maps, and smooth warps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.config.augmentation import Elastic, RandomCrop, Rotate, Scale
from lopore.contracts import StepParams

from .moving import for_opencv

Size = tuple[int, int]
CELLS = 4.0
"""Places a standard deviation at which shifts are drawn; between them a cubic curve follows a Gaussian to 1 %."""


def mirror_sideways(size: Size, params: StepParams, rng: np.random.Generator) -> Affine:
    """Left and right exchanged."""
    return Affine(xx=-1.0, x0=float(size[1]))


def mirror_upright(size: Size, params: StepParams, rng: np.random.Generator) -> Affine:
    """Top and bottom exchanged."""
    return Affine(yy=-1.0, y0=float(size[0]))


def quarter_turns(size: Size, params: StepParams, rng: np.random.Generator) -> Affine:
    """0 to 3 quarters, each alike; sizes that are not square are refused before any training."""
    side = float(size[0])
    turns = (
        Affine(),
        Affine(xx=0.0, xy=1.0, x0=0.0, yx=-1.0, yy=0.0, y0=side),
        Affine(xx=-1.0, x0=side, yy=-1.0, y0=side),
        Affine(xx=0.0, xy=-1.0, x0=side, yx=1.0, yy=0.0, y0=0.0),
    )
    return turns[int(rng.integers(4))]


def random_crop(size: Size, params: RandomCrop, rng: np.random.Generator) -> Affine:
    """A part, its share of the area drawn evenly, anywhere in the image, brought back to full size."""
    height, width = size
    side = math.sqrt(rng.uniform(params.smallest_area, 1.0))
    left, top = rng.uniform(0, width * (1 - side)), rng.uniform(0, height * (1 - side))
    return Affine(xx=1 / side, x0=-left / side, yy=1 / side, y0=-top / side)


def scale(size: Size, params: Scale, rng: np.random.Generator) -> Affine:
    """A zoom about the centre."""
    return _about_centre(size, rng.uniform(1 - params.by, 1 + params.by), 0.0)


def rotate(size: Size, params: Rotate, rng: np.random.Generator) -> Affine:
    """A turn about the centre."""
    return _about_centre(size, 1.0, math.radians(rng.uniform(-params.degrees, params.degrees)))


def _about_centre(size: Size, factor: float, angle: float) -> Affine:
    x, y = size[1] / 2, size[0] / 2
    cosine, sine = factor * math.cos(angle), factor * math.sin(angle)
    return Affine(cosine, -sine, x - cosine * x + sine * y, sine, cosine, y - sine * x - cosine * y)


def elastic(
    pixels: Pixels, mask: NDArray[Any] | None, params: Elastic, rng: np.random.Generator
) -> tuple[Pixels, NDArray[Any] | None]:
    """Smooth random shifts of a known root mean square (Simard et al., ICDAR 2003)."""
    import cv2

    height, width = pixels.shape[:2]
    across, down = (params.displacement * _smooth_field((height, width), params.smoothness, rng) for _ in range(2))
    x = across + np.arange(width, dtype=np.float32)
    y = down + np.arange(height, dtype=np.float32)[:, None]
    image = cv2.remap(pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101).reshape(pixels.shape)
    if mask is None:
        return image, None
    drawn = cv2.remap(for_opencv(mask), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)
    return image, drawn.astype(mask.dtype, copy=False)


def _smooth_field(size: Size, sigma: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) Gaussian field of mean 0, deviation 1 and a Gaussian's correlation, the same up to the edges.

    Noise is smoothed where it is drawn, ``CELLS`` places a sigma apart and with a margin, which is cut off.
    """
    import cv2

    step = max(1.0, sigma / CELLS)
    narrow = sigma / step
    reach = math.ceil(3 * narrow)
    rows, columns = (math.ceil(length / step) + 1 for length in size)
    kernel = np.asarray(cv2.getGaussianKernel(2 * reach + 1, narrow), np.float32)
    noise = rng.standard_normal((rows + 2 * reach, columns + 2 * reach), np.float32)
    smooth = np.asarray(cv2.sepFilter2D(noise, -1, kernel, kernel), np.float32)
    field = smooth[reach : reach + rows, reach : reach + columns] / np.float32((kernel**2).sum())
    if step == 1.0:
        return np.asarray(field[: size[0], : size[1]])
    return np.asarray(cv2.resize(field, (size[1], size[0]), interpolation=cv2.INTER_CUBIC), np.float32)
