"""Small drawings in mm laid into an image, touching only the pixels that they cover."""

from __future__ import annotations

import math

import numpy as np

from lopore.affine import Affine

from .physics import Field


def local_to_px(
    mm_to_px: Affine, centre_mm: tuple[float, float], angle_deg: float, shape: tuple[int, int], step_mm: float
) -> Affine:
    """From a drawing of ``shape`` (rows, columns), ``step_mm`` a pixel, centred and turned on the weld, to pixels."""
    angle = math.radians(angle_deg)
    cosine, sine = math.cos(angle) * step_mm, math.sin(angle) * step_mm
    to_centre = Affine(1, 0, -shape[1] / 2, 0, 1, -shape[0] / 2)
    return to_centre.then(Affine(cosine, -sine, centre_mm[0], sine, cosine, centre_mm[1])).then(mm_to_px)


def lay(drawing: Field, to_px: Affine, size: tuple[int, int]) -> tuple[tuple[slice, slice], Field] | None:
    """The drawing as it falls on an image of ``size`` (H, W): rows and columns it covers, and its values there.

    drawing: (h, w) float32, zero outside. None where it misses the image. Bilinear, pixel centres at (0.5, 0.5).
    """
    import cv2

    rows, columns = drawing.shape
    corners = [to_px(x, y) for x in (0, columns) for y in (0, rows)]
    left, right = (math.floor(min(x for x, _ in corners)) - 1, math.ceil(max(x for x, _ in corners)) + 1)
    top, bottom = (math.floor(min(y for _, y in corners)) - 1, math.ceil(max(y for _, y in corners)) + 1)
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, size[1]), min(bottom, size[0])
    if right <= left or bottom <= top:
        return None
    # OpenCV puts pixel centres on whole numbers.
    x0, y0 = to_px(0.5, 0.5)
    matrix = np.array([[to_px.xx, to_px.xy, x0 - 0.5 - left], [to_px.yx, to_px.yy, y0 - 0.5 - top]])
    values = cv2.warpAffine(drawing, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    return (slice(top, bottom), slice(left, right)), np.asarray(values, dtype=np.float32)
