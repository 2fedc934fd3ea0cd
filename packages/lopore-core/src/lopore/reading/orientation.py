"""Planes and turns of a decoded image: grey or RGB, upright as its EXIF orientation asks."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cv2
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels


def to_channels(image: NDArray[Any], channels: int) -> Pixels:
    """Grey (h, w) or BGR (h, w, 3) to grey (BT.601, equal planes stay exactly equal) or to RGB."""
    if channels == 1:
        return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return cv2.cvtColor(image, cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB)


_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda image: cv2.flip(image, 1),
    3: lambda image: cv2.rotate(image, cv2.ROTATE_180),
    4: lambda image: cv2.flip(image, 0),
    5: cv2.transpose,
    6: lambda image: cv2.rotate(image, cv2.ROTATE_90_CLOCKWISE),
    7: lambda image: cv2.flip(cv2.transpose(image), -1),
    8: lambda image: cv2.rotate(image, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


def upright(image: Pixels, orientation: int) -> Pixels:
    """The image turned and mirrored as its EXIF orientation (1 to 8) asks."""
    rotate = _TURNS.get(orientation)
    return image if rotate is None else rotate(image)


def stored_window(
    orientation: int, shape: tuple[int, int], window: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """Where a window (y0, x0, height, width) of the upright image lies in the stored one of ``shape``."""
    (high, wide), (y0, x0, height, width) = shape, window
    if orientation >= 5:
        top = high - x0 - width if orientation in (6, 7) else x0
        return top, wide - y0 - height if orientation in (7, 8) else y0, width, height
    top = high - y0 - height if orientation in (3, 4) else y0
    return top, wide - x0 - width if orientation in (2, 3) else x0, height, width


def _turning(orientation: int, height: int, width: int) -> Affine:
    """Where ``upright`` moves a point of a stored image of this size."""
    h, w = float(height), float(width)
    moves = {
        2: Affine(xx=-1, x0=w),
        3: Affine(xx=-1, x0=w, yy=-1, y0=h),
        4: Affine(yy=-1, y0=h),
        5: Affine(xx=0, xy=1, yx=1, yy=0),
        6: Affine(xx=0, xy=-1, x0=h, yx=1, yy=0),
        7: Affine(xx=0, xy=-1, x0=h, yx=-1, yy=0, y0=w),
        8: Affine(xx=0, xy=1, yx=-1, yy=0, y0=w),
    }
    return moves.get(orientation, Affine())


@lru_cache(maxsize=64)
def from_scaled(orientation: int, height: int, width: int, scale: int) -> Affine:
    """From the upright image as the decoder shrank it to the upright original of stored (height, width)."""
    small = _turning(orientation, math.ceil(height / scale), math.ceil(width / scale))
    return small.inverse().then(Affine(xx=scale, yy=scale)).then(_turning(orientation, height, width))
