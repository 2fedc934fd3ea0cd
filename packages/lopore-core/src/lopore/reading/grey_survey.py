"""One pass over a film: which grey values it uses, what is clipped, and which pixels, rows and columns are dead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .film_source import FilmSource

_BAND, _WIDE, _MARGIN = 512, 4096, 2
_MOST_PLACES = 200
_DEAD_SIGMAS, _DEAD_SHARE = 10.0, 0.02
# A clipped end stands out from the values beside it; a smooth histogram ends in single pixels.
_PEAKS = 0.5
_CLIPPED_SHARE, _CLIPPED_RATIO = 1e-5, 8.0


@dataclass(frozen=True)
class GreySurvey:
    """What one pass over a film's grey values says.

    lowest, highest: grey values that occur. usual: (low, high) between which 99.8 % of the pixels lie; middle: 60 %.
    levels: how many values occur in ``usual``. depth: bits of the container. range_used: share of the container's
    values that lie in ``usual``. at_bottom, at_top: share of pixels at the ends of the container. clipped_at: values at
    which pixels heap up as clipping does, each with its share. dead_pixels: how many single pixels stand out from all
    around them. dead_places: the first 200 of them, (x, y). dead_columns, dead_rows: lines one pixel wide.
    """

    lowest: int
    highest: int
    usual: tuple[int, int]
    middle: tuple[int, int]
    levels: int
    depth: int
    range_used: float
    at_bottom: float
    at_top: float
    clipped_at: tuple[tuple[int, float], ...]
    dead_pixels: int
    dead_places: tuple[tuple[int, int], ...]
    dead_columns: tuple[int, ...]
    dead_rows: tuple[int, ...]


@dataclass
class _Tally:
    counts: NDArray[np.int64]
    columns: NDArray[np.float64]
    rows: NDArray[np.float64]
    column_peaks: NDArray[np.int64]
    row_peaks: NDArray[np.int64]
    dead: int = 0
    places: list[tuple[int, int]] = field(default_factory=list)


def survey_greys(film: FilmSource) -> GreySurvey:
    """Look at every pixel of a film once, in bands. Raises ImageError for a damaged part.

    A pixel is dead where it differs from the median of the 3 x 3 pixels around it by more than 10 times the local noise
    and by more than 2 % of the range in use, and no neighbour does. Such a pixel may also be a speck of dust.
    """
    height, width = film.shape
    top = int(np.iinfo(film.dtype).max)
    tally = _Tally(
        np.zeros(top + 1, np.int64),
        np.zeros(width),
        np.zeros(height),
        np.zeros((2, width), np.int64),
        np.zeros((2, height), np.int64),
    )
    for _, _, band in _bands(film):
        tally.counts += np.bincount(band.ravel(), minlength=top + 1)
    used = np.flatnonzero(tally.counts)
    share = np.cumsum(tally.counts) / (height * width)
    usual = int(np.searchsorted(share, 0.001)), int(np.searchsorted(share, 0.999))
    middle = int(np.searchsorted(share, 0.2)), int(np.searchsorted(share, 0.8))
    _find_dead(film, tally, usual)
    levels = int(((used >= usual[0]) & (used <= usual[1])).sum())
    return GreySurvey(
        lowest=int(used[0]), highest=int(used[-1]), usual=usual, middle=middle, levels=levels,
        depth=8 * film.dtype.itemsize, range_used=(usual[1] - usual[0] + 1) / (top + 1),
        at_bottom=float(tally.counts[0] / (height * width)), at_top=float(tally.counts[top] / (height * width)),
        clipped_at=_clipped(tally.counts, used, height * width),
        dead_pixels=tally.dead, dead_places=tuple(tally.places[:_MOST_PLACES]),
        dead_columns=_dead_lines(tally.columns / height, tally.column_peaks.max(axis=0) / height),
        dead_rows=_dead_lines(tally.rows / width, tally.row_peaks.max(axis=0) / width),
    )  # fmt: skip


def _bands(film: FilmSource, margin: int = 0) -> Iterator[tuple[int, int, NDArray[np.unsignedinteger]]]:
    """(first row, first column, pixels) of windows that cover the film once, with ``margin`` around."""
    height, width = film.shape
    for y in range(0, height, _BAND):
        for x in range(0, width, _WIDE):
            y0, x0 = max(0, y - margin), max(0, x - margin)
            y1, x1 = min(height, y + _BAND + margin), min(width, x + _WIDE + margin)
            yield y0, x0, film.read(y0, x0, y1 - y0, x1 - x0)


def _clipped(counts: NDArray[np.int64], used: NDArray[np.int64], pixels: int) -> tuple[tuple[int, float], ...]:
    """The lowest and the highest value that occur, where they occur as clipped ones do."""
    found = []
    for end, inner in ((used[0], used[1:9]), (used[-1], used[-9:-1][::-1])):
        beside = float(np.median(counts[inner])) if len(inner) else 0.0
        if counts[end] > _CLIPPED_SHARE * pixels and counts[end] > _CLIPPED_RATIO * beside:
            found.append((int(end), float(counts[end] / pixels)))
    return tuple(found)


def _find_dead(film: FilmSource, tally: _Tally, usual: tuple[int, int]) -> None:
    """Dead pixels, and the sums of rows and columns; burned-in text counts there no more than the usual greys."""
    import cv2

    least = max(1.0, _DEAD_SHARE * (usual[1] - usual[0]))
    for y, x, band in _bands(film, _MARGIN):
        if min(band.shape) < 3:
            continue
        inner = np.clip(band[_MARGIN if y else 0 :, _MARGIN if x else 0 :], *usual)[:_BAND, :_WIDE]
        top, left = y + (_MARGIN if y else 0), x + (_MARGIN if x else 0)
        columns, rows = slice(left, left + inner.shape[1]), slice(top, top + inner.shape[0])
        tally.columns[columns] += inner.sum(axis=0, dtype=np.float64)
        tally.rows[rows] += inner.sum(axis=1, dtype=np.float64)
        for sign, offset in ((1, 0), (-1, 1)):
            tally.column_peaks[offset, columns] += _peaks_across(inner, sign).sum(axis=0)
            tally.row_peaks[offset, rows] += _peaks_across(inner.T, sign).sum(axis=0)
        middle = cv2.medianBlur(np.ascontiguousarray(band), 3).astype(np.int32)
        off = np.abs(band.astype(np.int32) - middle)
        noise = 1.4826 * float(np.median(off[::4, ::4])) or 1.0
        marked = off > max(least, _DEAD_SIGMAS * noise)
        height, width = film.shape
        for row, column in zip(*np.nonzero(marked), strict=True):
            position = int(column) + x, int(row) + y
            inside = 0 < position[0] < width - 1 and 0 < position[1] < height - 1
            # Each pixel counts in the band that owns it.
            owned = position[1] // _BAND == top // _BAND and position[0] // _WIDE == left // _WIDE
            if inside and owned and _stands_alone(band, int(row), int(column)):
                tally.dead += 1
                tally.places += [position] * (len(tally.places) < _MOST_PLACES)


def _stands_alone(band: NDArray[np.unsignedinteger], row: int, column: int) -> bool:
    """Whether the 5 x 5 pixels around are even beside the pixel; else it is part of a letter, a scratch or a mark."""
    part = band[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3].astype(np.int64)
    own = int(band[row, column])
    around = np.delete(part.ravel(), int(np.flatnonzero(part.ravel() == own)[0]))
    return bool(around.max() - around.min() < 0.5 * abs(own - float(np.median(around))))


def _peaks_across(band: NDArray[np.unsignedinteger], sign: int) -> NDArray[np.bool_]:
    """Where a pixel lies above (or under) its left and right neighbours; never in the first and last column."""
    inner, left, right = band[:, 1:-1], band[:, :-2], band[:, 2:]
    found = np.zeros(band.shape, np.bool_)
    found[:, 1:-1] = (inner > left) & (inner > right) if sign > 0 else (inner < left) & (inner < right)
    return found


def _dead_lines(means: NDArray[np.float64], peaks: NDArray[np.float64]) -> tuple[int, ...]:
    """Rows or columns whose mean stands out, one pixel wide, from the two on either side, nearly everywhere.

    peaks: share of a line's pixels that lie above (or under) both neighbours; of noise it is a third.
    """
    if len(means) < 16:
        return ()
    # A cubic through the two on either side follows the slope of a seam.
    off = np.zeros_like(means)
    off[2:-2] = means[2:-2] - (4 * (means[1:-3] + means[3:-1]) - means[:-4] - means[4:]) / 6
    size = np.abs(off)
    noise = 1.4826 * float(np.median(size)) or 1e-9
    largest = np.max(np.stack([np.roll(size, shift) for shift in (-2, -1, 1, 2)]), axis=0)
    found = np.flatnonzero((size > 12 * noise) & (size > 1.2 * largest) & (peaks > _PEAKS))
    return tuple(int(position) for position in found)[:_MOST_PLACES]
