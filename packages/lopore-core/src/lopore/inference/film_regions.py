"""Connected regions of a film's map by hysteresis, found strip by strip and joined across strips.

A region is drawn where the probability reaches a low level and counts where it reaches the threshold (Canny, IEEE PAMI
8, 1986). Of classes that exclude each other the sum is taken, so that one mark on the film is one region, whatever the
model wavers between; its class is the one with the largest share of the probability in it. Work and memory grow with
the film's pixels and the regions' number, never with its square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .film_map import FilmMap

STRIP_PIXELS = 1 << 22
Codes = NDArray[np.uint8]
Decode = Callable[[Codes], NDArray[np.float32]]


@dataclass(frozen=True)
class FilmRegions:
    """Regions in pixels of the map; arrays of one length.

    area: pixels. box: (left, top, right, bottom), right and bottom beyond the last pixel. centre: (x, y) of the middle,
    (0.5, 0.5) being the first pixel's. peak, mean: of the probability in the plane. seed: (x, y) of a pixel of the
    region. class_index: its class. class_share: what part of the probability in it is that class's.
    """

    area: NDArray[np.int64]
    box: NDArray[np.int64]
    centre: NDArray[np.float64]
    peak: NDArray[np.float64]
    mean: NDArray[np.float64]
    seed: NDArray[np.int64]
    class_index: NDArray[np.int64]
    class_share: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.area)

    def where(self, chosen: NDArray[np.bool_]) -> FilmRegions:
        """The regions that are chosen."""
        return FilmRegions(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def find_regions(
    film_map: FilmMap,
    plane: int,
    *,
    low: float,
    thresholds: Sequence[float],
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> FilmRegions:
    """Regions of pixels of ``low`` or more, touching by sides or corners, that reach the threshold of their class.

    thresholds: of each class of the map. plane: of one class, or ``MapFacts.any_plane``. tick: told (done, all)
    pixels along the film after each strip.
    """
    low_code = max(film_map.code_of(low), 1)
    named = range(len(film_map.classes)) if plane == film_map.facts.any_plane else range(plane, plane + 1)
    longer, other = film_map.facts.longer_first
    step = max(2, STRIP_PIXELS // max(other, 1))
    strips: list[_Strip] = []
    joins = _Joins()
    for begin in range(0, longer, step):
        end = min(begin + step, longer)
        strip = _Strip(film_map.strip(plane, begin, end), begin, low_code, joins.count, film_map.decode)
        strip.name((film_map.strip(number, begin, end) for number in named), film_map.decode)
        if strips:
            joins.join(strips[-1].last_line, strip.first_line)
        joins.count += strip.count
        strips.append(strip)
        tick(end, longer)
    regions, peak_codes = _merged(strips, joins, turned=not film_map.facts.long_rows, decode=film_map.decode)
    regions.class_index[:] += named.start
    high_codes = np.array([film_map.code_of(value) for value in thresholds])
    return regions.where(peak_codes >= high_codes[regions.class_index])


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

    def __init__(self, codes: Codes, begin: int, low: int, offset: int, decode: Decode) -> None:
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
        self._places = np.flatnonzero(drawn)
        self._numbers = labels.reshape(-1)[self._places] - 1
        self._measure(codes, begin, decode)

    @staticmethod
    def _line(labels: NDArray[np.int32], offset: int) -> NDArray[np.int64]:
        line = labels.astype(np.int64)
        return np.where(line > 0, line - 1 + offset, -1)

    def name(self, classes: Iterable[Codes], decode: Decode) -> None:
        """Add up each class's probability in each piece, (count, K), and forget where the pieces' pixels lie."""
        self.shares = np.stack([self._sums(codes, decode) for codes in classes], axis=1)
        del self._places, self._numbers

    def _sums(self, codes: Codes, decode: Decode) -> NDArray[np.float64]:
        weights = decode(codes.reshape(-1)[self._places]).astype(np.float64)
        return np.asarray(np.bincount(self._numbers, weights=weights, minlength=self.count), np.float64)

    def _measure(self, codes: Codes, begin: int, decode: Decode) -> None:
        places, numbers = self._places, self._numbers
        self.peaks = np.zeros(self.count, np.int64)
        np.maximum.at(self.peaks, numbers, codes.reshape(-1)[places])
        self.weights = self._sums(codes, decode)
        seeds = np.zeros(self.count, np.int64)
        seeds[numbers[::-1]] = places[::-1]  # the last write is the first pixel of each
        width = codes.shape[1]
        self.seeds_vu = np.stack([seeds % width, seeds // width + begin], axis=1)


def _merged(
    strips: list[_Strip], joins: _Joins, *, turned: bool, decode: Decode
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
    shares = np.zeros((count, strips[0].shares.shape[1]))
    np.add.at(shares, number, np.concatenate([strip.shares for strip in strips]))
    best = shares.argmax(axis=1) if count else np.zeros(0, np.int64)
    share = shares[np.arange(count), best] / np.maximum(shares.sum(axis=1), 1e-12)
    seed = np.concatenate([strip.seeds_vu for strip in strips])[roots]
    if turned:
        low, high, centre, seed = low[:, ::-1], high[:, ::-1], centre[:, ::-1], seed[:, ::-1]
    peak = decode(peaks.astype(np.uint8)).astype(np.float64)
    return FilmRegions(area, np.concatenate([low, high], axis=1), centre, peak, mean, seed, best, share), peaks
