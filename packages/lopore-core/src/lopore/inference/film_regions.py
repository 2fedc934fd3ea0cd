"""Connected regions of a film's map by hysteresis, found strip by strip and joined across strips.

A region is drawn where the probability reaches a low level and counts where it reaches the threshold (Canny, IEEE PAMI
8, 1986). Work and memory grow with the film's pixels and the regions' number, never with its square.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .film_map import FilmMap

STRIP_PIXELS = 1 << 22


@dataclass(frozen=True)
class FilmRegions:
    """The regions of one class, in pixels of the map; arrays of one length.

    area: pixels. box: (left, top, right, bottom), right and bottom beyond the last pixel. centre: (x, y) of the middle,
    (0.5, 0.5) being the first pixel's. peak, mean: of the probability. seed: (x, y) of a pixel of the region.
    """

    area: NDArray[np.int64]
    box: NDArray[np.int64]
    centre: NDArray[np.float64]
    peak: NDArray[np.float64]
    mean: NDArray[np.float64]
    seed: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.area)

    def where(self, chosen: NDArray[np.bool_]) -> FilmRegions:
        """The regions that are chosen."""
        return FilmRegions(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def find_regions(
    film_map: FilmMap,
    class_index: int,
    *,
    low: float,
    high: float,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> FilmRegions:
    """Regions of pixels of ``low`` or more, touching by sides or corners, whose largest probability reaches ``high``.

    tick: told (done, all) pixels along the film after each strip.
    """
    low_code, high_code = film_map.code_of(min(low, high)), film_map.code_of(high)
    longer, other = film_map.facts.longer_first
    step = max(2, STRIP_PIXELS // max(other, 1))
    strips: list[_Strip] = []
    joins = _Joins()
    for begin in range(0, longer, step):
        codes = film_map.strip(class_index, begin, min(begin + step, longer))
        strip = _Strip(codes, begin, max(low_code, 1), joins.count, film_map.decode)
        if strips:
            joins.join(strips[-1].last_line, strip.first_line)
        joins.count += strip.count
        strips.append(strip)
        tick(min(begin + step, longer), longer)
    regions, peak_codes = _merged(strips, joins, turned=not film_map.facts.long_rows, decode=film_map.decode)
    return regions.where(peak_codes >= high_code)


class _Joins:
    """Which labels of neighbouring strips are one region: a forest of parents."""

    def __init__(self) -> None:
        self.count = 0
        self._parents: dict[int, int] = {}

    def root(self, label: int) -> int:
        """The label that stands for the region; paths are halved on the way."""
        parents = self._parents
        while (parent := parents.get(label, label)) != label:
            grand = parents.get(parent, parent)
            parents[label] = grand
            label = grand
        return label

    def join(self, above: NDArray[np.int64], below: NDArray[np.int64]) -> None:
        """Join labels of two neighbouring lines that touch by sides or corners; -1 is the ground."""
        for shift in (-1, 0, 1):
            a = above[max(-shift, 0) : len(above) - max(shift, 0)]
            b = below[max(shift, 0) : len(below) - max(-shift, 0)]
            both = (a >= 0) & (b >= 0)
            for one, two in np.unique(np.stack([a[both], b[both]], axis=1), axis=0).tolist():
                first, second = self.root(one), self.root(two)
                if first != second:
                    self._parents[max(first, second)] = min(first, second)

    def roots(self) -> NDArray[np.int64]:
        """(count,) the root of every label."""
        roots = np.arange(self.count)
        for label in self._parents:
            roots[label] = self.root(label)
        return roots


class _Strip:
    """The labelled pieces of one strip, numbered on from ``offset``; ``u`` runs along the film, ``v`` beside."""

    def __init__(
        self,
        codes: NDArray[np.uint8],
        begin: int,
        low: int,
        offset: int,
        decode: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    ) -> None:
        import cv2

        drawn = (codes >= low).view(np.uint8)
        count, found, stats, centres = cv2.connectedComponentsWithStats(drawn, connectivity=8, ltype=cv2.CV_32S)
        labels = np.asarray(found, np.int32)
        self.count = count - 1
        self.stats = np.asarray(stats[1:], np.int64)
        self.stats[:, 1] += begin
        self.sums_vu = np.asarray(centres[1:], np.float64) + np.array([0.5, begin + 0.5])
        self.sums_vu *= self.stats[:, 4:5]
        self.first_line = self._line(labels[0], offset)
        self.last_line = self._line(labels[-1], offset)
        self._measure(codes, labels, drawn, begin, decode)

    @staticmethod
    def _line(labels: NDArray[np.int32], offset: int) -> NDArray[np.int64]:
        line = labels.astype(np.int64)
        return np.where(line > 0, line - 1 + offset, -1)

    def _measure(
        self,
        codes: NDArray[np.uint8],
        labels: NDArray[np.int32],
        drawn: NDArray[np.uint8],
        begin: int,
        decode: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    ) -> None:
        places = np.flatnonzero(drawn)
        numbers, values = labels.reshape(-1)[places] - 1, codes.reshape(-1)[places]
        self.peaks = np.zeros(self.count, np.int64)
        np.maximum.at(self.peaks, numbers, values)
        self.weights = np.bincount(numbers, weights=decode(values).astype(np.float64), minlength=self.count)
        seeds = np.zeros(self.count, np.int64)
        seeds[numbers[::-1]] = places[::-1]  # the last write is the first pixel of each
        width = codes.shape[1]
        self.seeds_vu = np.stack([seeds % width, seeds // width + begin], axis=1)


def _merged(
    strips: list[_Strip],
    joins: _Joins,
    *,
    turned: bool,
    decode: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
) -> tuple[FilmRegions, NDArray[np.int64]]:
    """The regions that the pieces make, and the largest byte of each; ``turned``: u runs across the film."""
    stats = np.concatenate([strip.stats for strip in strips])
    roots, number = np.unique(joins.roots(), return_inverse=True)
    count = len(roots)
    low, high = np.full((count, 2), np.iinfo(np.int64).max), np.zeros((count, 2), np.int64)
    np.minimum.at(low, number, stats[:, :2])
    np.maximum.at(high, number, stats[:, :2] + stats[:, 2:4])
    area = np.bincount(number, weights=stats[:, 4], minlength=count).astype(np.int64)
    sums = np.concatenate([strip.sums_vu for strip in strips])
    middles = [np.bincount(number, weights=sums[:, side], minlength=count) for side in (0, 1)]
    centre = np.stack(middles, axis=1).astype(np.float64)
    centre = centre / np.maximum(area, 1)[:, None]
    peaks = np.zeros(count, np.int64)
    np.maximum.at(peaks, number, np.concatenate([strip.peaks for strip in strips]))
    weights = np.concatenate([strip.weights for strip in strips])
    mean = np.bincount(number, weights=weights, minlength=count) / np.maximum(area, 1)
    seed = np.concatenate([strip.seeds_vu for strip in strips])[roots]
    if turned:
        low, high, centre, seed = low[:, ::-1], high[:, ::-1], centre[:, ::-1], seed[:, ::-1]
    peak = decode(peaks.astype(np.uint8)).astype(np.float64)
    return FilmRegions(area, np.concatenate([low, high], axis=1), centre, peak, mean, seed), peaks
