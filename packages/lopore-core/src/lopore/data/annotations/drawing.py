"""Marks as pixels: a mask of class numbers, and outlines on an image for a person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import IGNORE
from lopore.errors import DataError

from .mark import AnnotatedImage, Mark, Point
from .run_lengths import mask_of_runs

COLOURS = ((209, 73, 91), (31, 111, 180), (58, 125, 68), (143, 91, 181), (199, 125, 10), (18, 122, 122))
_SHIFT = 4
"""Bits behind the point in OpenCV's coordinates: outlines lie right to a 16th of a pixel."""


def number_mask(image: AnnotatedImage, classes: Sequence[str], *, line_width: float = 3.0) -> NDArray[np.uint8]:
    """(H, W) uint8: 0 sound, 1 to K the classes, 255 where nothing is known.

    Later marks lie over earlier ones. A box marks its whole area, so it is weak truth. line_width: px of marks drawn
    as lines. Outside of ``looked_at``, and where a mark says so, pixels are IGNORE. DataError for an unknown class.
    """
    mask = np.zeros((image.height, image.width), np.uint8)
    if image.looked_at is not None:
        mask[:] = IGNORE
        for left, top, right, bottom in image.looked_at:
            mask[max(0, round(top)) : max(0, round(bottom)), max(0, round(left)) : max(0, round(right))] = 0
    for mark in image.marks:
        if not mark.ignore and mark.class_name not in classes:
            raise DataError(f"{image.file}: class {mark.class_name!r} is none of {', '.join(classes)}")
        number = IGNORE if mark.ignore else list(classes).index(mark.class_name) + 1
        mask[area_of(mark, (image.height, image.width), line_width=line_width)] = number
    return mask


def area_of(mark: Mark, size: tuple[int, int], *, line_width: float = 3.0) -> NDArray[np.bool_]:
    """(H, W) bool: the pixels whose centre a mark covers."""
    import cv2

    if mark.runs is not None:
        return mask_of_runs(mark.runs)
    area = np.zeros(size, np.uint8)
    if mark.kind == "box":
        left, top, right, bottom = (round(value) for value in mark.box)
        area[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = 1
    elif mark.kind == "line":
        for points in mark.polygons:
            cv2.polylines(area, [_fixed(points)], False, 1, max(1, round(line_width)), shift=_SHIFT)
    else:
        for ring in mark.polygons:
            area ^= _filled(ring, size)  # a ring inside another is a hole
    return area.astype(np.bool_)


def _filled(ring: Sequence[Point], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(H, W) uint8: 1 where a pixel's centre lies in the ring. OpenCV also fills each pixel that the outline meets."""
    import cv2

    filled = np.zeros(size, np.uint8)
    cv2.fillPoly(filled, [_fixed(ring)], 1, shift=_SHIFT)
    met = np.zeros(size, np.uint8)
    cv2.polylines(met, [_fixed(ring)], True, 1, 2, shift=_SHIFT)
    rows, columns = np.nonzero(met)
    x, y = (np.asarray(places + 0.5, np.float64) for places in (columns, rows))
    filled[rows, columns] = _inside(x, y, np.asarray(ring, np.float64))
    return filled


def _inside(x: NDArray[np.float64], y: NDArray[np.float64], ring: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(N,) whether points lie in a ring (M, 2), by the even-odd rule."""
    odd = np.zeros(len(x), np.bool_)
    for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            odd ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return odd


def draw_marks(pixels: NDArray[np.uint8], image: AnnotatedImage, classes: Sequence[str]) -> NDArray[np.uint8]:
    """Outlines and numbers of the marks on a copy of (H, W, 3) uint8 RGB pixels; a colour a class, weak ones dashed."""
    import cv2

    drawn = np.ascontiguousarray(pixels.copy())
    thick = max(1, round(max(drawn.shape[:2]) / 1200))
    for number, mark in enumerate(image.marks, start=1):
        colour = COLOURS[list(classes).index(mark.class_name) % len(COLOURS)]
        left, top, right, bottom = mark.box
        box = ((left, top), (right, top), (right, bottom), (left, bottom))
        for ring in mark.polygons or (box,):
            cv2.polylines(drawn, [_fixed(ring)], mark.kind != "line", colour, thick, cv2.LINE_AA, shift=_SHIFT)
        if mark.runs is not None:
            outlines, _ = cv2.findContours(
                mask_of_runs(mark.runs).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
            )
            cv2.drawContours(drawn, outlines, -1, colour, thick)
        corner = (int(min(right + 2, drawn.shape[1] - 40)), int(max(12, top)))
        cv2.putText(drawn, str(number), corner, cv2.FONT_HERSHEY_SIMPLEX, 0.45 * thick, colour, thick, cv2.LINE_AA)
    return drawn


def _fixed(points: Sequence[Point]) -> NDArray[np.int32]:
    """OpenCV's fixed-point coordinates, which count from the centre of the first pixel."""
    return np.rint((np.asarray(points, np.float64) - 0.5) * (1 << _SHIFT)).astype(np.int32)
