"""Fine detail of large images: what two different films of one set-up do not share.

Whole films of one workshop show the same letters, wires and seam at nearly the same places. Reduced to the view of
128 px nothing else is left of them, so films without any common weld look like copies. At 512 px a copy still agrees
in nearly every block (22 real weld films and their copies by JPEG, gamma, noise, turns, crops and half size: median
correlation 0.66 and more); two films of one set-up agree in few blocks (median 0.07 and less).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .laying import inside, laid, refined

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

DETAIL_SIDE = 512
LARGE_PX = 1024
"""Longer side from which an image has its fine detail kept (256 KiB): there the view of 128 px is one in 8 pixels."""

STEPS_PER_UNIT = 42.0
STRANGE = 0.35
_FINE_PX, _CONTRAST_PX = 4.0, 12.0
_BLOCK_PX, _LEAST_BLOCKS = 32, 12


def fine_detail(grey: NDArray[Any]) -> NDArray[np.int8]:
    """(512, 512) int8, structures of a few pixels at even contrast, 42 steps a local standard deviation.

    grey: (H, W) float32 in 8-bit grey levels, brought to the square whatever its shape.
    """
    import cv2

    shape = (min(grey.shape[1], DETAIL_SIDE), min(grey.shape[0], DETAIL_SIDE))
    small = cv2.resize(cv2.resize(grey, shape, interpolation=cv2.INTER_AREA), (DETAIL_SIDE, DETAIL_SIDE))
    detail = small - cv2.GaussianBlur(small, (0, 0), _FINE_PX)
    variance = cv2.GaussianBlur(detail * detail, (0, 0), _CONTRAST_PX)
    even = detail / np.sqrt(variance + (0.1 * float(detail.std())) ** 2 + 0.01)
    return np.asarray(np.round(np.clip(even, -3.0, 3.0) * STEPS_PER_UNIT), np.int8)


def detail_agreement(first: NDArray[np.int8] | None, second: NDArray[np.int8] | None, matrix: Floats) -> float | None:
    """Median correlation of the blocks that both show; None where an image is not large or too little is shared.

    matrix: (2, 3) from the second's pixels to the first's, at 512 px.
    """
    if first is None or second is None:
        return None
    one, two = (each.astype(np.float32) / np.float32(STEPS_PER_UNIT) for each in (first, second))
    matrix = refined(one, two, matrix, steps=20)
    cover = inside(matrix, DETAIL_SIDE)
    correlations = _block_correlations(laid(one, matrix, DETAIL_SIDE), two, cover)
    return float(np.median(correlations)) if len(correlations) >= _LEAST_BLOCKS else None


def is_strange(first: NDArray[np.int8] | None, second: NDArray[np.int8] | None, matrix: Floats) -> bool:
    """Whether two large images that were taken for one differ in their fine detail; ``matrix`` as above."""
    found = detail_agreement(first, second, matrix)
    return found is not None and found < STRANGE


def _block_correlations(one: Floats, two: Floats, cover: Floats) -> NDArray[np.float64]:
    import cv2

    blocks = DETAIL_SIDE // _BLOCK_PX

    def mean(view: Floats) -> NDArray[np.float64]:
        return cv2.resize(view * cover, (blocks, blocks), interpolation=cv2.INTER_AREA).astype(np.float64)

    own, other = mean(one * one) - mean(one) ** 2, mean(two * two) - mean(two) ** 2
    product = mean(one * two) - mean(one) * mean(two)
    covered = mean(np.ones_like(cover)) > 0.95
    return np.asarray((product / np.sqrt(np.maximum(own * other, 1e-9)))[covered])
