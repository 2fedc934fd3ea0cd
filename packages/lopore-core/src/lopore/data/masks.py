"""Pixel masks, brought onto the network's input along the way that the picture went."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.errors import DataError
from lopore.preprocessing.geometry import Geometry

MARKED = 128  # public masks have grey edges; this level is where their makers' outlines lie


def read_mask(path: Path, geometry: Geometry, mask_class: int, classes: int) -> NDArray[np.uint8]:
    """Class numbers (h, w) uint8 over the network's input: 0 is background, 1..K the classes.

    mask_class: the number of the picture's class; 0 where it has several, -1 where it has none.
    Whatever its value, a mask of one value marks the picture's one class, since each set numbers its classes its own
    way. One of grey values marks it from 128 up. Of a picture with several classes the values are the class numbers
    themselves. A pixel of the input belongs to the class that covers at least half of it.
    Raises DataError where the size does not fit, or the values do not fit the picture's classes.
    """
    from lopore.reading.radiograph import read_radiograph

    values = read_radiograph(path, channels=1).pixels
    if values.shape != geometry.original:
        raise DataError(
            f"mask {path.name} is {values.shape[1]} x {values.shape[0]} px, its picture "
            f"{geometry.original[1]} x {geometry.original[0]}; they must be equal"
        )
    return onto_input(_numbers(values, mask_class, classes, path.name), geometry, classes)


def _numbers(values: Pixels, mask_class: int, classes: int, name: str) -> NDArray[np.uint8]:
    """The class number of each pixel of a mask."""
    largest = int(values.max())
    if largest == 0:
        return np.zeros(values.shape, np.uint8)
    if mask_class < 0:
        raise DataError(f"mask {name} marks a defect, and its picture has no class with masks; mend mask or labels")
    if mask_class == 0:
        if largest <= classes:
            return values.astype(np.uint8)
        raise DataError(
            f"mask {name} marks by grey values, but its picture has several classes; give class numbers 0 to {classes}"
        )
    if (values[values > 0] == largest).all():
        marked = values > 0
    else:
        marked = values >= MARKED * (np.iinfo(values.dtype).max // 255)
    if not marked.any():
        raise DataError(
            f"mask {name} holds several values up to {largest}, and its picture one class; mark it by one value"
        )
    return np.where(marked, mask_class, 0).astype(np.uint8)


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
