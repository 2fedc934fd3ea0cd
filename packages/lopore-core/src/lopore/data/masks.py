"""Pixel masks, brought onto the network's input along the way that the picture went."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Affine
from lopore.errors import DataError
from lopore.preprocess import Geometry

MARKED = 128  # public masks have grey edges; this level is where their makers' outlines lie


def read_mask(path: Path, geometry: Geometry, mask_class: int, classes: int) -> NDArray[np.uint8]:
    """Class numbers (h, w) uint8 over the network's input: 0 is background, 1..K the classes.

    A mask of grey values marks ``mask_class`` from 128 up; one whose values are all at most ``classes`` holds the class
    numbers themselves. A pixel of the input belongs to the class that covers at least half of it.
    Raises DataError where size or values do not fit.
    """
    from lopore.radiograph import read_radiograph

    values = read_radiograph(path, channels=1).pixels
    if values.shape != geometry.original:
        raise DataError(
            f"mask {path.name} is {values.shape[1]} x {values.shape[0]} px, its picture "
            f"{geometry.original[1]} x {geometry.original[0]}; they must be equal"
        )
    if values.max() <= classes:
        numbers = values.astype(np.uint8)
    elif mask_class:
        top = np.iinfo(values.dtype).max
        numbers = np.where(values >= MARKED * (top // 255), mask_class, 0).astype(np.uint8)
    else:
        raise DataError(
            f"mask {path.name} marks by grey values, but its picture has no class, or several; "
            f"give class numbers 0 to {classes}"
        )
    return onto_input(numbers, geometry, classes)


def onto_input(numbers: NDArray[np.uint8], geometry: Geometry, classes: int) -> NDArray[np.uint8]:
    """The class that covers at least half of each pixel of the input, else 0; (H, W) in, (h, w) out."""
    import cv2

    height, width = geometry.size
    move = geometry.to_input
    fine = max(1, math.ceil(1 / math.sqrt(max(abs(move.xx * move.yy - move.xy * move.yx), 1e-6))))
    fine = min(fine + 1, 16)
    fit = Affine(x0=0.5, y0=0.5).then(move).then(Affine(xx=fine, yy=fine)).then(Affine(x0=-0.5, y0=-0.5))
    matrix = np.array([[fit.xx, fit.xy, fit.x0], [fit.yx, fit.yy, fit.y0]], np.float64)
    drawn = np.asarray(cv2.warpAffine(numbers, matrix, (width * fine, height * fine), flags=cv2.INTER_NEAREST))
    found = np.zeros((height, width), np.uint8)
    for number in range(1, classes + 1):
        share = (drawn == number).reshape(height, fine, width, fine).mean(axis=(1, 3))
        found[share >= 0.5] = number
    return found
