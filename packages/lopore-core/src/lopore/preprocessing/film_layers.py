"""A film read part by part through scaling, tables and enhancements: any window holds the pixels of the whole film.

Each layer reads a window of the one below it, wider by what its own operation reaches, and cuts the rim off again.
Nothing holds the whole film.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels

from .lookup_tables import apply_table

BLOCK_PIXELS = 1 << 22
"""Pixels that a pass over a whole film reads at once."""


class Layer(Protocol):
    """A film of ``shape`` (H, W) and ``dtype`` (uint8 or uint16), of which windows can be read."""

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def read(self, top: int, left: int, height: int, width: int) -> Pixels:
        """(height, width) of a window that lies on the film; the caller may not write into it."""
        ...


def blocks(shape: tuple[int, int], pixels: int = BLOCK_PIXELS) -> Iterator[tuple[int, int, int, int]]:
    """(top, left, height, width) of windows of at most ``pixels`` that cover a film once, along its longer side."""
    height, width = shape
    if height >= width:
        step = max(1, pixels // width)
        for top in range(0, height, step):
            yield top, 0, min(step, height - top), width
    else:
        step = max(1, pixels // height)
        for left in range(0, width, step):
            yield 0, left, height, min(step, width - left)


class ScaledLayer:
    """The film at another scale by the one antialiased bilinear resize of lopore.

    The taps of a pixel are added in one fixed order, so that a window's size cannot change a rounding.
    """

    def __init__(self, below: Layer, shape: tuple[int, int]) -> None:
        self._below, self.shape, self.dtype = below, shape, below.dtype

    def read(self, top: int, left: int, height: int, width: int) -> Pixels:
        """See ``Layer.read``."""
        rows = _taps(self._below.shape[0], self.shape[0], top, top + height)
        columns = _taps(self._below.shape[1], self.shape[1], left, left + width)
        y0, x0 = int(rows[0].min()), int(columns[0].min())
        y1 = int((rows[0] + rows[1].shape[0]).max())
        x1 = int((columns[0] + columns[1].shape[0]).max())
        y1, x1 = min(y1, self._below.shape[0]), min(x1, self._below.shape[1])
        source = self._below.read(y0, x0, y1 - y0, x1 - x0)
        down = _weighted(source, rows[0] - y0, rows[1])
        across = _weighted(np.ascontiguousarray(down.T), columns[0] - x0, columns[1])
        top_value = np.iinfo(self.dtype).max
        return np.ascontiguousarray(np.rint(np.clip(across.T, 0, top_value)).astype(self.dtype))


@lru_cache(maxsize=64)
def _taps(length: int, out: int, begin: int, end: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """First input (n,) and weights (taps, n) of the outputs ``begin`` to ``end`` of a line resized to ``out`` samples.

    Pillow's BILINEAR: a triangle of half-width max(1, length / out), cut at the line's ends.
    """
    scale = length / out
    support = max(scale, 1.0)
    centres = (np.arange(begin, end) + 0.5) * scale
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + support + 0.5).astype(np.int64), length)
    count = int(2 * support) + 2
    places = first[None, :] + np.arange(count)[:, None]
    weights = np.maximum(1.0 - np.abs(places + 0.5 - centres[None, :]) / support, 0.0)
    weights *= places < last[None, :]
    weights /= weights.sum(axis=0, keepdims=True)
    used = np.flatnonzero(weights.any(axis=1))
    return first, weights[: used[-1] + 1].astype(np.float32)


def _weighted(lines: NDArray[Any], first: NDArray[np.int64], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows (n, N) float32, each the weighted sum of the ``lines`` (length, N) from its ``first`` on."""
    result = np.zeros((len(first), lines.shape[1]), np.float32)
    last = len(lines) - 1
    for tap, weight in enumerate(weights):
        result += weight[:, None] * lines[np.minimum(first + tap, last)]
    return result


class TableLayer:
    """Grey values replaced through one table (256 or 65 536 entries), into the depth of the table."""

    def __init__(self, below: Layer, table: Pixels) -> None:
        self._below, self._table, self.shape, self.dtype = below, table, below.shape, table.dtype

    def read(self, top: int, left: int, height: int, width: int) -> Pixels:
        """See ``Layer.read``."""
        return apply_table(self._below.read(top, left, height, width), self._table)


class HaloLayer:
    """An operation whose pixels depend on those ``reach`` px away at most: ``apply(pixels, top, left)`` of a window."""

    def __init__(self, below: Layer, apply: Callable[[Pixels, int, int], Pixels], reach: int) -> None:
        self._below, self._apply, self._reach = below, apply, reach
        self.shape, self.dtype = below.shape, below.dtype

    def read(self, top: int, left: int, height: int, width: int) -> Pixels:
        """See ``Layer.read``; at the film's own edge the operation does what it does at an image's edge."""
        rim = self._reach
        y0, x0 = max(top - rim, 0), max(left - rim, 0)
        y1, x1 = min(top + height + rim, self.shape[0]), min(left + width + rim, self.shape[1])
        done = self._apply(self._below.read(y0, x0, y1 - y0, x1 - x0), y0, x0)
        return done[top - y0 : top - y0 + height, left - x0 : left - x0 + width]


class WholeLayer:
    """An operation that needs the whole film at once; memory then grows with the film."""

    def __init__(self, below: Layer, apply: Callable[[Pixels], Pixels]) -> None:
        self._pixels = apply(below.read(0, 0, *below.shape))
        self.shape, self.dtype = below.shape, below.dtype

    def read(self, top: int, left: int, height: int, width: int) -> Pixels:
        """See ``Layer.read``."""
        return self._pixels[top : top + height, left : left + width]
