"""Distances between marks, edge to edge, by a grid of points: near-linear in their number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .indication import Indication

SPACING, MOST_POINTS = 2.0, 200
"""Pixels between the points on an outline, and how many of them a mark has at most."""
PAIRS_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class EdgePoints:
    """Points (n, 2) on the outlines of marks; ``owner`` (n,) is the place of each one's mark in the list."""

    points: NDArray[np.float64]
    owner: NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, marks: Sequence[Indication]) -> EdgePoints:
        """Points on every outline, ``SPACING`` apart: distances between them are right to within a pixel."""
        corners = np.array([corner for mark in marks for corner in mark.contour], np.float64).reshape(-1, 2)
        counts = np.array([len(mark.contour) for mark in marks], np.int64)
        points, of_corner = _along(corners, counts)
        owner = np.repeat(np.arange(len(marks)), counts)[of_corner]
        return cls(points, owner, len(marks))

    def pairs(self, asking: NDArray[np.bool_], radius: float) -> Iterator[tuple[NDArray[np.int64], ...]]:
        """(owner that asks, other owner, squared distance) of points of two owners that are at most ``radius``
        apart."""
        cells = np.floor((self.points - self.points.min(axis=0)) / radius).astype(np.int64)
        columns = int(cells[:, 0].max()) + 3
        keys = (cells[:, 1] + 1) * columns + cells[:, 0] + 1
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        queries = np.flatnonzero(asking[self.owner])
        for shift in (-1, 0, 1):
            base = keys[queries] + shift * columns
            begin = np.searchsorted(ordered, base - 1, side="left")
            counts = np.searchsorted(ordered, base + 1, side="right") - begin
            yield from self._matched(queries, begin, counts, order, radius)

    def _matched(
        self,
        queries: NDArray[np.int64],
        begin: NDArray[np.int64],
        counts: NDArray[np.int64],
        order: NDArray[np.int64],
        radius: float,
    ) -> Iterator[tuple[NDArray[np.int64], ...]]:
        ends = np.cumsum(counts)
        start = 0
        while start < len(queries):
            done = ends[start - 1] if start else 0
            stop = max(int(np.searchsorted(ends, done + PAIRS_AT_ONCE, side="right")), start + 1)
            number = counts[start:stop]
            one = np.repeat(queries[start:stop], number)
            within = np.arange(int(number.sum())) - np.repeat(np.cumsum(number) - number, number)
            two = order[np.repeat(begin[start:stop], number) + within]
            squares = ((self.points[one] - self.points[two]) ** 2).sum(axis=1)
            near = (squares <= radius**2) & (self.owner[one] != self.owner[two])
            yield self.owner[one[near]], self.owner[two[near]], squares[near]
            start = stop


def _along(corners: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points on closed outlines that lie one after the other in ``corners``, and the corner that each point follows.

    counts: corners of each outline.
    """
    ends = np.cumsum(counts)
    after = np.arange(1, len(corners) + 1)
    after[ends - 1] = ends - counts
    edges = corners[after] - corners
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    outline = np.repeat(np.arange(len(counts)), counts)
    around = np.bincount(outline, weights=lengths, minlength=len(counts))
    parts = np.maximum(np.ceil(lengths / np.maximum(SPACING, around / MOST_POINTS)[outline]).astype(np.int64), 1)
    number = np.repeat(np.arange(len(corners)), parts)
    share = (np.arange(len(number)) - np.repeat(np.cumsum(parts) - parts, parts)) / parts[number]
    return corners[number] + edges[number] * share[:, None], number


def nearest_marks(marks: Sequence[Indication]) -> list[tuple[int, float] | None]:
    """Of each mark the place in the list of the one nearest by its edge, and the distance in px; None where alone."""
    if len(marks) < 2:
        return [None] * len(marks)
    edges = EdgePoints.of(marks)
    best = np.full(edges.count, np.inf)
    other = np.full(edges.count, -1, np.int64)
    extent = np.ptp(edges.points, axis=0)
    radius = max(float(np.sqrt(extent.prod() / edges.count)), 4.0)
    while not np.isfinite(best).all():
        asking = ~np.isfinite(best)
        for one, two, squares in edges.pairs(asking, radius):
            order = np.lexsort((two, squares, one))
            firsts = order[np.unique(one[order], return_index=True)[1]]
            better = squares[firsts] < best[one[firsts]]
            chosen = firsts[better]
            best[one[chosen]], other[one[chosen]] = squares[chosen], two[chosen]
        radius *= 2
    return [(int(number), float(np.sqrt(square))) for number, square in zip(other, best, strict=True)]


def close_pairs(marks: Sequence[Indication], gaps: NDArray[np.float64]) -> set[tuple[int, int]]:
    """Places (a, b), a < b, of marks whose edges are at most the smaller of their ``gaps`` (n,) in px apart."""
    found: set[tuple[int, int]] = set()
    if len(marks) < 2:
        return found
    edges = EdgePoints.of(marks)
    level = np.ceil(np.log2(np.maximum(gaps, 1.0)))
    for power in np.unique(level):
        asking = level == power
        for one, two, squares in edges.pairs(asking, float(2.0**power)):
            near = squares <= np.minimum(gaps[one], gaps[two]) ** 2
            low, high = np.minimum(one, two)[near], np.maximum(one, two)[near]
            codes = np.unique(low * edges.count + high)
            found.update(zip((codes // edges.count).tolist(), (codes % edges.count).tolist(), strict=True))
    return found
