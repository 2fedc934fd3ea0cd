"""A film seen at several scales: strips of each, joined on the grid of the first.

A network knows marks of the sizes that it learned from; a film that is shown to it finer or coarser brings smaller and
larger ones there. A mark need not show at every scale, but grain seldom shows at two: of each pixel the mean of the two
surest scales is taken. Which class a mark is hangs on its size in mm, so that is asked of the first scale, the one that
was learned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from lopore.preprocessing.resampling import resize

from .film_windows import FilmTiling, Maps

Strips = Callable[[int], Iterator[Maps]]
"""Maps (K, length, C) strip after strip, the first side along the film, from a pixel of the scale's map on."""


@dataclass(frozen=True)
class Scale:
    """One scale: network pixels (height, width) of the whole film, its tiles, and its strips from a place on."""

    shape: tuple[int, int]
    tiling: FilmTiling
    strips: Strips

    def pixels_of(self, first: Scale) -> tuple[float, float]:
        """How many pixels of this map lie in one of the first scale's: along the film, beside it."""
        ways = [
            first.tiling.cell / theirs * ours / self.tiling.cell
            for ours, theirs in zip(self.shape, first.shape, strict=True)
        ]
        return (ways[0], ways[1]) if first.tiling.long_rows else (ways[1], ways[0])


SUREST = 2
_OTHER_SCALES = 0.01
"""Weight of the other scales' classes, which count where the first scale sees next to nothing."""


def joined_strips(scales: list[Scale], begin: int, *, exclusive: bool) -> Iterator[Maps]:
    """Strips of the first scale from ``begin`` on, each pixel the mean of the ``SUREST`` scales.

    exclusive: the classes of a pixel add up to the probability of any; the mean is that of this sum, and the first
    scale parts it among the classes.
    """
    first, *others = scales
    followers = [_Follower(one, *one.pixels_of(first), begin=begin) for one in others]
    for strip in first.strips(begin):
        end = begin + strip.shape[1]
        maps = np.stack([strip, *(one.over(begin, end, strip.shape[2]) for one in followers)])
        begin = end
        if not exclusive:
            yield _mean_of_surest(maps)
            continue
        parts = strip + np.float32(_OTHER_SCALES) * maps.mean(axis=0)
        total = _mean_of_surest(maps.sum(axis=1))
        yield parts * (total / np.maximum(parts.sum(axis=0), np.finfo(np.float32).tiny))


def _mean_of_surest(maps: Maps) -> Maps:
    """Over the first axis, the scales."""
    return np.asarray(np.partition(maps, -SUREST, axis=0)[-SUREST:].mean(axis=0), np.float32)


@dataclass
class _Follower:
    """Strips of another scale, as far as the first scale needs them; what it has passed is let go."""

    scale: Scale
    along: float
    beside: float
    begin: int
    _strips: Iterator[Maps] = field(init=False)
    _held: Maps | None = None

    def __post_init__(self) -> None:
        self._start = self._first_needed(self.begin)
        self._strips = self.scale.strips(self._start)

    def _first_needed(self, begin: int) -> int:
        return max(0, math.floor(begin * self.along - self._margin))

    @property
    def _margin(self) -> float:
        """Pixels beyond a strip that the resize looks at."""
        return max(self.along, 1.0) + 1.0

    def over(self, begin: int, end: int, wide: int) -> Maps:
        """(K, end - begin, wide): this scale's answer on pixels begin to end of the first scale's map."""
        needed = min(math.ceil(end * self.along + self._margin), self.scale.tiling.map_length)
        while self._held is None or self._start + self._held.shape[1] < needed:
            strip = next(self._strips)
            self._held = strip if self._held is None else np.concatenate([self._held, strip], axis=1)
        passed = self._first_needed(begin) - self._start
        self._held, self._start = self._held[:, passed:], self._start + passed
        box = 0.0, begin * self.along - self._start, wide * self.beside, end * self.along - self._start
        return np.stack([resize(plane, (end - begin, wide), box) for plane in self._held])
