"""The outline of a region of a film's map, to a quarter of a pixel: where the probability passes the low level.

Between the centres of pixels the probability is taken to change linearly, so that area, length and width do not jump by
whole pixels; a small pore of 8 px would else be wrong by its lattice alone (6 % of its area).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.inference.film_map import FilmMap

READ_PIXELS = 1 << 22
"""Pixels of the map that are read at once; a region in a larger box is outlined on a coarser map."""
FINE, FINE_PIXELS = 4, 1 << 16
"""Parts of a pixel's side, in boxes of at most so many pixels; in larger ones whole pixels are exact enough."""
OUTLINE_TOLERANCE = 0.5
MOST_OUTLINE = 400
"""An outline is simplified by at most half a map pixel, and further until it has no more points than this."""
Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Outline:
    """A region in pixels of the map, (x, y).

    rim: centres of the parts on its rim, each ``part`` pixels wide. corners: the polygon about it. area, centre: of all
    its parts.
    """

    rim: NDArray[np.float64]
    corners: NDArray[np.float64]
    part: float
    area: float
    centre: tuple[float, float]


class OutlineReader:
    """Windows of the map along the film's longer side: neighbouring regions come from one read."""

    def __init__(self, film_map: FilmMap, plane: int, low: float) -> None:
        self._map, self._plane, self._low = film_map, plane, low
        self._low_code = max(film_map.code_of(low), 1)
        self._begin, self._codes = 0, np.zeros((0, film_map.facts.longer_first[1]), np.uint8)

    def outline(self, box: NDArray[np.int64], seed: NDArray[np.int64]) -> Outline:
        """The outline of the region in ``box`` (left, top, right, bottom) that holds the pixel ``seed`` (x, y)."""
        height, width = self._map.facts.shape
        left, top, right, bottom = box.tolist()
        left, top = max(left - 1, 0), max(top - 1, 0)
        right, bottom = min(right + 1, width), min(bottom + 1, height)
        step = max(1, math.ceil(math.sqrt((right - left) * (bottom - top) / READ_PIXELS)))
        codes = self._window(left, top, right, bottom, step)
        own = _component(
            (codes >= self._low_code).view(np.uint8), (int(seed[0] - left) // step, int(seed[1] - top) // step)
        )
        fine = _fine_mask(self._map.decode(codes), own, self._low) if step == 1 and codes.size <= FINE_PIXELS else None
        mask, part = (own, float(step)) if fine is None else (fine, step / FINE)
        return _measured(mask, part, left, top)

    def _window(self, left: int, top: int, right: int, bottom: int, step: int) -> Mask:
        rows = self._map.facts.long_rows
        (u0, u1), (v0, v1) = ((top, bottom), (left, right)) if rows else ((left, right), (top, bottom))
        codes = self._coarse(u0, u1, v0, v1, step) if step > 1 else self._lines(u0, u1)[:, v0:v1]
        return np.ascontiguousarray(codes if rows else codes.T)

    def _lines(self, begin: int, end: int) -> Mask:
        if begin < self._begin or end > self._begin + len(self._codes):
            longer, other = self._map.facts.longer_first
            ahead = min(max(end, begin + READ_PIXELS // max(other, 1)), longer)
            self._begin, self._codes = begin, self._map.strip(self._plane, begin, ahead)
        return self._codes[begin - self._begin : end - self._begin]

    def _coarse(self, u0: int, u1: int, v0: int, v1: int, step: int) -> Mask:
        """The largest byte of each step x step pixels, read piece by piece."""
        width = -(-(v1 - v0) // step)
        lines = []
        for begin in range(u0, u1, step):
            part = self._map.strip(self._plane, begin, min(begin + step, u1))[:, v0:v1].max(axis=0)
            padded = np.zeros(width * step, np.uint8)
            padded[: len(part)] = part
            lines.append(padded.reshape(width, step).max(axis=1))
        return np.stack(lines)


def _component(mask: Mask, seed: tuple[int, int]) -> Mask:
    import cv2

    count, labels = cv2.connectedComponents(mask, connectivity=8, ltype=cv2.CV_32S)
    return mask if count <= 2 else (labels == labels[seed[1], seed[0]]).view(np.uint8)


def _fine_mask(values: NDArray[np.float32], own: Mask, low: float) -> Mask | None:
    """The region at ``FINE`` parts a pixel; None where it is too thin to be seen between the pixels' centres."""
    import cv2

    size = own.shape[1] * FINE, own.shape[0] * FINE
    near = cv2.dilate(own, np.ones((3, 3), np.uint8))
    others = (values >= low) & (own == 0)
    near[others] = 0
    drawn = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR) >= low
    drawn &= cv2.resize(near, size, interpolation=cv2.INTER_NEAREST) > 0
    fine = drawn.view(np.uint8)
    return fine if int(fine.sum()) * 2 >= int(own.sum()) * FINE**2 else None


def _measured(mask: Mask, part: float, left: int, top: int) -> Outline:
    import cv2

    moments = cv2.moments(mask, binaryImage=True)
    area = moments["m00"]
    middle = moments["m10"] / area + 0.5, moments["m01"] / area + 0.5
    rim, corners = _rim(mask, OUTLINE_TOLERANCE / part)
    origin = np.array([left, top])
    return Outline(
        rim * part + origin, corners * part + origin, part, area * part**2,
        (middle[0] * part + left, middle[1] * part + top),
    )  # fmt: skip


def _rim(mask: Mask, tolerance: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres of the parts on the rim of all pieces, and the corners of the polygon about the largest piece."""
    import cv2

    framed = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    found, _ = cv2.findContours(framed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    rim = np.concatenate(found).reshape(-1, 2).astype(np.float64) - 0.5
    double = cv2.resize(framed, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
    found, _ = cv2.findContours(double, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # The centre of a half part lies a quarter inside the edge: rounding puts it onto the edge.
    corners = np.rint((max(found, key=len).reshape(-1, 1, 2) + 0.5) / 2).astype(np.float32) - 1
    outline = cv2.approxPolyDP(corners, tolerance, closed=True)
    while len(outline) > MOST_OUTLINE:
        tolerance *= 2
        outline = cv2.approxPolyDP(corners, tolerance, closed=True)
    return rim, outline.reshape(-1, 2).astype(np.float64)
