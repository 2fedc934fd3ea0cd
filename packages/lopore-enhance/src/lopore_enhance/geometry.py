"""Pixels moved: size, crop, mirror, quarter turns; and where each of them goes."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from lopore.affine import Affine
from lopore.contracts import Pixels
from lopore.errors import ConfigError
from lopore.preprocessing.resampling import resize_grey
from lopore.reading.headers import Limits

from .pixels import checked

Shape = tuple[int, int]
Fit = Literal["keep", "force"]
Resampling = Literal["antialias", "nearest", "bilinear", "cubic", "area", "lanczos"]
OPENCV = {
    "nearest": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
    "lanczos": cv2.INTER_LANCZOS4,
}


def _target(shape: Shape, width: int, height: int, fit: Fit) -> Shape:
    """(height, width) of the result; ConfigError over the pixels that a file may have, as a rule 200 million."""
    if fit == "keep":
        scale = min(height / shape[0], width / shape[1])
        height, width = max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
    allowed = Limits.from_environment().max_pixels
    if height * width > allowed:
        raise ConfigError(
            f"resize gives {width} x {height} px; allowed are {allowed / 1e6:g} million pixels: choose a smaller width "
            "and height, or raise LOPORE_MAX_PIXELS"
        )
    return height, width


def resize(image: Pixels, *, width: int, height: int, fit: Fit, resampling: Resampling) -> Pixels:
    """A larger or smaller image.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified.
    width, height: pixels; with fit 'keep' the box that the image fills as far as its aspect allows, with 'force' the
    exact size. resampling: 'antialias' is the filter that models are fed with; the rest are OpenCV's.
    Returns (h, w) or (h, w, 3) of the same dtype. Raises ConfigError for a result over the pixels that a file may have.
    """
    image = checked(image)
    size = _target(image.shape[:2], width, height, fit)
    if resampling == "antialias":
        return resize_grey(image, size)
    return cv2.resize(image, size[::-1], interpolation=OPENCV[resampling])


def resize_motion(shape: Shape, *, width: int, height: int, fit: Fit, resampling: Resampling) -> Affine:
    del resampling  # it makes the pixels, not their places
    size = _target(shape, width, height, fit)
    return Affine(xx=size[1] / shape[1], yy=size[0] / shape[0])


def _crop_box(shape: Shape, left: int, top: int, width: int, height: int) -> tuple[int, int, int, int]:
    right, bottom = left + width if width else shape[1], top + height if height else shape[0]
    if left >= right or top >= bottom or right > shape[1] or bottom > shape[0]:
        raise ConfigError(
            f"crop {left},{top} to {right},{bottom} does not lie in the image of {shape[1]} x {shape[0]} px; "
            "choose left, top, width and height inside it (0 reaches to the edge)"
        )
    return left, top, right, bottom


def crop(image: Pixels, *, left: int, top: int, width: int, height: int) -> Pixels:
    """The rectangle that begins at (left, top); a width or height of 0 reaches to the edge.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns a copy of the same dtype.
    Raises ConfigError where the rectangle leaves the image.
    """
    image = checked(image)
    x0, y0, x1, y1 = _crop_box(image.shape[:2], left, top, width, height)
    return image[y0:y1, x0:x1].copy()


def crop_motion(shape: Shape, *, left: int, top: int, width: int, height: int) -> Affine:
    x0, y0, _, _ = _crop_box(shape, left, top, width, height)
    return Affine(x0=-float(x0), y0=-float(y0))


def _margins_box(shape: Shape, left: float, right: float, top: float, bottom: float) -> tuple[int, int, int, int]:
    x0, x1 = round(shape[1] * left / 100), shape[1] - round(shape[1] * right / 100)
    y0, y1 = round(shape[0] * top / 100), shape[0] - round(shape[0] * bottom / 100)
    if x0 >= x1 or y0 >= y1:
        raise ConfigError(
            f"crop-margins left {left}, right {right}, top {top}, bottom {bottom} percent leaves nothing of "
            f"{shape[1]} x {shape[0]} px; opposite sides must stay under 100 together"
        )
    return x0, y0, x1, y1


def crop_margins(image: Pixels, *, left: float, right: float, top: float, bottom: float) -> Pixels:
    """Cut a part of each side away, in percent of the width or height.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns a copy of the same dtype.
    Raises ConfigError where nothing would be left.
    """
    image = checked(image)
    x0, y0, x1, y1 = _margins_box(image.shape[:2], left, right, top, bottom)
    return image[y0:y1, x0:x1].copy()


def crop_margins_motion(shape: Shape, *, left: float, right: float, top: float, bottom: float) -> Affine:
    x0, y0, _, _ = _margins_box(shape, left, right, top, bottom)
    return Affine(x0=-float(x0), y0=-float(y0))


def flip_horizontal(image: Pixels) -> Pixels:
    """Left and right changed, as a film seen from its back. Returns a copy of the same shape and dtype."""
    return cv2.flip(checked(image), 1)


def flip_horizontal_motion(shape: Shape) -> Affine:
    return Affine(xx=-1.0, x0=float(shape[1]))


def flip_vertical(image: Pixels) -> Pixels:
    """Top and bottom changed. Returns a copy of the same shape and dtype."""
    return cv2.flip(checked(image), 0)


def flip_vertical_motion(shape: Shape) -> Affine:
    return Affine(yy=-1.0, y0=float(shape[0]))


def rotate(image: Pixels, *, quarters: int) -> Pixels:
    """Quarter turns clockwise, 1 to 3. Returns a contiguous copy of the same dtype, sides changed for 1 and 3."""
    return np.ascontiguousarray(cv2.rotate(checked(image), quarters - 1))


def rotate_motion(shape: Shape, *, quarters: int) -> Affine:
    height, width = float(shape[0]), float(shape[1])
    if quarters == 1:
        return Affine(xx=0.0, xy=-1.0, x0=height, yx=1.0, yy=0.0)
    if quarters == 2:
        return Affine(xx=-1.0, x0=width, yy=-1.0, y0=height)
    return Affine(xx=0.0, xy=1.0, yx=-1.0, yy=0.0, y0=width)
