"""Long thin lines on a film: scratches, hairs and scanner streaks; and what else is thin, long and straight.

A scratch of the film or its scanner is sharper than anything that the rays drew, since those are blurred by focus and
film. That is told of each line; whether it is a scratch, a wire or a crack is for a person to see.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .film_source import FilmSource

_TILE, _HALO = 1024, 64
_SIGMAS, _LEAST_PX, _MOST_WIDTH_PX, _BENT_PX = 4.0, 60, 4.0, 2.0
_MOST_LINES, _BORDER = 200, 16


@dataclass(frozen=True)
class LineMark:
    """A thin line. start, end: (x, y) in pixels of the film. width_px: mean width at half its contrast.

    brighter: than the film beside it. contrast: in grey values. sharp: hardly wider than two pixels, as scratches are.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    width_px: float
    contrast: float
    brighter: bool

    @property
    def length_px(self) -> float:
        """From start to end."""
        return math.dist(self.start, self.end)

    @property
    def sharp(self) -> bool:
        """Whether it is sharper than radiation draws."""
        return self.width_px <= 2.0


def find_lines(film: FilmSource, *, least_px: int = _LEAST_PX) -> tuple[LineMark, ...]:
    """Straight lines up to 4 pixels wide and ``least_px`` or longer, the longest 200; one over two tiles counts twice.

    Raises ImageError for a damaged part of the film.
    """
    found = [line for y, x, pixels in _tiles(film) for line in _lines_of(pixels, y, x, least_px)]
    return tuple(sorted(found, key=lambda line: -line.length_px)[:_MOST_LINES])


def _tiles(film: FilmSource) -> Iterator[tuple[int, int, NDArray[np.unsignedinteger]]]:
    height, width = film.shape
    for y in range(0, height, _TILE):
        for x in range(0, width, _TILE):
            high, wide = min(_TILE + _HALO, height - y), min(_TILE + _HALO, width - x)
            yield y, x, film.read(y, x, high, wide)


def _lines_of(pixels: NDArray[np.unsignedinteger], y: int, x: int, least: int) -> Iterator[LineMark]:
    import cv2

    grey = pixels.astype(np.float32)
    # What is narrower than 9 pixels in some direction: openings by squares of 9 take letters away as a whole.
    square = np.ones((9, 9), np.uint8)
    for brighter in (True, False):
        operation = cv2.MORPH_TOPHAT if brighter else cv2.MORPH_BLACKHAT
        thin = cv2.morphologyEx(cv2.GaussianBlur(grey, (0, 0), 0.7), operation, square)
        base = float(np.median(thin[::4, ::4]))
        noise = 1.4826 * float(np.median(np.abs(thin[::4, ::4] - base))) or 1.0
        mask = (thin > base + _SIGMAS * noise).astype(np.uint8)
        # The border of a film casts a line of its own, and that of a tile bends the filter.
        mask[:_BORDER], mask[-_BORDER:], mask[:, :_BORDER], mask[:, -_BORDER:] = 0, 0, 0, 0
        count, labels, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(mask, np.ones((3, 3), np.uint8)))
        for label in range(1, count):
            left, top, wide, high, _ = (int(value) for value in stats[label])
            if math.hypot(wide, high) < least:
                continue
            part = (slice(top, top + high), slice(left, left + wide))
            own = (labels[part] == label) & (mask[part] > 0)
            line = _line_of(own, thin[part] - base, least, brighter=brighter)
            if line is not None:
                yield _moved(line, x + left, y + top)


def _line_of(own: NDArray[np.bool_], thin: NDArray[np.float32], least: int, *, brighter: bool) -> LineMark | None:
    """The line of one connected component, or None where it is short, wide or bent."""
    rows, columns = np.nonzero(own)
    points = np.stack([columns, rows], axis=1) + 0.5
    middle = points.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((points - middle).T))
    along, across = (points - middle) @ axes[:, 1], (points - middle) @ axes[:, 0]
    length = float(along.max() - along.min()) + 1
    half = 0.5 * float(np.percentile(thin[own], 90))
    width = int((own & (thin >= half)).sum()) / length
    if length < least or width > _MOST_WIDTH_PX or float(across.std()) > max(_BENT_PX, 0.01 * length):
        return None
    start, end = (middle + axes[:, 1] * reach for reach in (float(along.min()), float(along.max())))
    return LineMark(
        (float(start[0]), float(start[1])), (float(end[0]), float(end[1])), width, float(np.median(thin[own])), brighter
    )


def _moved(line: LineMark, x: int, y: int) -> LineMark:
    start, end = ((point[0] + x, point[1] + y) for point in (line.start, line.end))
    return LineMark(start, end, line.width_px, line.contrast, line.brighter)
