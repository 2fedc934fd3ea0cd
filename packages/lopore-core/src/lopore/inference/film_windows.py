"""A network over a whole film by overlapping tiles: batches of tiles, their answers blended, no seam left.

Tiles are taken strip by strip along the film's longer side. What no later strip can change is given out at once, so
memory depends on the tile and on the film's shorter side, not on its length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import PixelBatch, Pixels
from lopore.preprocessing.film_input import FilmInput

from .tiling import TiledLine

Maps = NDArray[np.float32]
"""(N, K, h, w): what a network gives for a batch of tiles; h and w may be a whole fraction of the tile's size."""


@dataclass(frozen=True)
class FilmTiling:
    """Tiles over a film: ``down`` and ``across`` in network pixels; ``cell``: network pixels in one pixel of the
    map. rows_first: whether strips go down the film; None: along its longer side."""

    down: TiledLine
    across: TiledLine
    cell: int = 1
    rows_first: bool | None = None

    @property
    def long_rows(self) -> bool:
        """Whether strips go down the film; else they go across it."""
        return self.map_shape[0] >= self.map_shape[1] if self.rows_first is None else self.rows_first

    @property
    def map_length(self) -> int:
        """Pixels of the map along which strips go."""
        return self.map_shape[0 if self.long_rows else 1]

    @property
    def map_shape(self) -> tuple[int, int]:
        """(height, width) of the film's map."""
        return -(-self.down.length // self.cell), -(-self.across.length // self.cell)

    @property
    def tile_cells(self) -> tuple[int, int]:
        """(height, width) of a tile in pixels of the map."""
        return self.down.tile // self.cell, self.across.tile // self.cell

    @property
    def along(self) -> TiledLine:
        return self.down if self.long_rows else self.across

    @property
    def beside(self) -> TiledLine:
        return self.across if self.long_rows else self.down

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return len(self.down.starts) * len(self.across.starts)


def blended_strips(
    film: FilmInput,
    tiling: FilmTiling,
    network: Callable[[PixelBatch], Maps],
    *,
    batch_size: int,
    begin: int = 0,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Maps]:
    """Probabilities (K, length, C) float32, strip after strip, the film's longer side first, from ``begin`` on.

    network: maps of a batch of tiles (N, H, W, C). begin: where an earlier run stopped, in pixels of the map.
    tick: told (tiles done, all tiles) after each batch; what it raises ends the work.
    """
    along, cell = tiling.along, tiling.cell
    length = tiling.map_length
    first, finished, held = along.first_over(begin * cell), begin, Held(tiling)
    done = first * len(tiling.beside.starts)
    for number in range(first, len(along.starts)):
        start = along.starts[number]
        tiles = _tiles(film, tiling, held.pixels(film, start))
        for at in range(0, len(tiles), batch_size):
            maps = network(np.stack(tiles[at : at + batch_size]))
            for offset, values in enumerate(maps):
                held.add(number, at + offset, values)
            done += len(maps)
            tick(done, tiling.count)
        last = number == len(along.starts) - 1
        until = length if last else min(along.starts[number + 1] // cell, length)
        if until > finished:
            yield held.finished(finished, until)
            finished = until


def _tiles(film: FilmInput, tiling: FilmTiling, strip: Pixels) -> list[Pixels]:
    size = tiling.beside.tile
    if tiling.long_rows:
        return [strip[:, start : start + size] for start in tiling.beside.starts]
    return [strip[start : start + size] for start in tiling.beside.starts]


class Held:
    """The pixels and the sums of the strips in work."""

    def __init__(self, tiling: FilmTiling) -> None:
        self._tiling = tiling
        self._pixels: Pixels | None = None
        self._pixels_from = 0
        self._sums: Maps | None = None
        self._sums_from = 0

    def pixels(self, film: FilmInput, start: int) -> Pixels:
        """The strip of a tile's height (width) from ``start`` on; what the last strip held of it is kept."""
        tile, axis = self._tiling.along.tile, 0 if self._tiling.long_rows else 1
        shared: Pixels | None = None
        begin = start
        if self._pixels is not None:
            shift = start - self._pixels_from
            shared = np.take(self._pixels, range(shift, tile), axis) if shift < tile else None
            begin = self._pixels_from + tile if shared is not None else start
        fresh = self._read(film, begin, start + tile - begin)
        self._pixels = fresh if shared is None else np.concatenate([shared, fresh], axis)
        self._pixels_from = start
        return self._pixels

    def _read(self, film: FilmInput, begin: int, count: int) -> Pixels:
        beside = self._tiling.beside.covered
        return film.read(begin, 0, count, beside) if self._tiling.long_rows else film.read(0, begin, beside, count)

    def add(self, along: int, beside: int, values: NDArray[np.float32]) -> None:
        """One tile's maps (K, h, w) into the sums, by weight."""
        tiling, cell = self._tiling, self._tiling.cell
        turned = values if tiling.long_rows else values.swapaxes(1, 2)
        count, high, wide = turned.shape
        begin = tiling.along.starts[along] // cell
        if self._sums is None:
            self._sums = np.zeros((count, high, -(-tiling.beside.covered // cell)), np.float32)
            self._sums_from = begin
        if begin > self._sums_from:
            self._advance(begin)
        down = _per_cell(tiling.along.weights(along), cell, high)
        across = _per_cell(tiling.beside.weights(beside), cell, wide)
        left = tiling.beside.starts[beside] // cell
        self._sums[:, :, left : left + wide] += turned * (down[:, None] * across[None, :])

    def _advance(self, begin: int) -> None:
        assert self._sums is not None
        shift, high = begin - self._sums_from, self._sums.shape[1]
        if shift < high:
            self._sums[:, : high - shift] = self._sums[:, shift:].copy()
        self._sums[:, max(high - shift, 0) :] = 0
        self._sums_from = begin

    def finished(self, begin: int, end: int) -> Maps:
        """The blended strip of the map's pixels ``begin`` to ``end`` along, all beside."""
        assert self._sums is not None
        tiling, cell = self._tiling, self._tiling.cell
        width = min(tiling.map_shape)
        down = _per_cell(tiling.along.total, cell)[begin:end]
        across = _per_cell(tiling.beside.total, cell)[:width]
        part = self._sums[:, begin - self._sums_from : end - self._sums_from, :width]
        blended: Maps = part / (down[:, None] * across[None, :])
        return blended


def _per_cell(weights: NDArray[np.float32], cell: int, count: int | None = None) -> NDArray[np.float32]:
    """Weights of a map's pixels: the mean over the network pixels of each cell."""
    if cell == 1:
        return weights
    complete = len(weights) // cell * cell
    cells = weights[:complete].reshape(-1, cell).mean(axis=1)
    if complete < len(weights):
        cells = np.append(cells, weights[complete:].mean())
    shared: NDArray[np.float32] = cells if count is None else cells[:count]
    return shared
