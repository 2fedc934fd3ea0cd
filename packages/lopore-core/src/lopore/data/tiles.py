"""Tiles of films: where training draws them, and how validation covers a film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import IGNORE, Pixels
from lopore.reading.radiograph import Facts
from lopore.record.preprocessing import Preprocessing

from .appearance import Appearance
from .film_masks import Films, Mark

TRIES = 16
"""Draws for a tile without a mark before one with a mark is taken: some films are marked from end to end."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a film at the network's scale: number of the film, first row and first column."""

    film: int
    top: int
    left: int


class TileShares(Protocol):
    """What decides an epoch: see ``config.experiment.Tiles``."""

    @property
    def defect_share(self) -> float: ...

    @property
    def hard_share(self) -> float: ...


class FilmTiles:
    """Tiles of films by number, as ``batches`` reads them: pixels (h, w, C) and, where ``has_masks``, a mask (h, w).

    What lies beyond a film's edge is mirrored there and IGNORE in the mask. Safe for use by several threads.
    """

    def __init__(self, films: Films, tiles: Sequence[Tile], *, has_masks: bool = True) -> None:
        self.films, self.tiles, self.record, self.has_masks = films, tuple(tiles), films.record, has_masks
        self.shape = (*films.record.size, films.record.channels)
        self.headers: dict[int, Facts] = {}
        self.dtype = np.dtype(np.uint8 if films.record.depth == 8 else np.uint16)

    def __len__(self) -> int:
        return len(self.tiles)

    def mask(self, number: int) -> NDArray[np.uint8]:
        """Class numbers (h, w) and IGNORE, without reading pixels."""
        tile = self.tiles[number]
        return self.films.read_mask(tile.film, tile.top, tile.left, self.record.size)

    def check(self) -> None:
        """Read every film's header into ``headers``, by tile; DataError names the first bad one."""
        facts = {film: self.films.facts(film) for film in {tile.film for tile in self.tiles}}
        self.headers = {number: facts[tile.film] for number, tile in enumerate(self.tiles)}

    def is_marked(self, number: int) -> bool:
        """Whether any class is marked on a tile."""
        return is_marked(self.mask(number))

    def appearances(self, numbers: Sequence[int]) -> list[Appearance]:
        """How tiles look to the network, to notice films unlike them."""
        return [Appearance.of(self[int(number)][0]) for number in numbers]

    def __getitem__(self, number: int) -> tuple[Pixels, NDArray[np.uint8] | None]:
        tile = self.tiles[number]
        pixels, mask = self.films.read(tile.film, tile.top, tile.left, self.record.size)
        return pixels, mask if self.has_masks else None


def is_marked(mask: NDArray[np.uint8]) -> bool:
    """Whether a mask of class numbers and IGNORE has a pixel of a class."""
    return bool(((mask > 0) & (mask != IGNORE)).any())


def cover(shape: tuple[int, int], record: Preprocessing, film: int = 0) -> list[Tile]:
    """Tiles that cover a film once, row by row; the last ones reach over its edge."""
    height, width = record.size
    return [
        Tile(film, top, left) for top in range(0, shape[0], height) for left in range(0, shape[1], width)
    ]  # fmt: skip


def draw(
    films: Films,
    numbers: Sequence[int],
    count: int,
    shares: TileShares,
    *,
    seed: int,
    epoch: int,
    hard: Sequence[Tile] = (),
) -> list[Tile]:
    """The tiles of one training epoch, decided by (seed, epoch) and ``hard`` alone.

    numbers: the films that are learned from. count: tiles. Of them ``defect_share`` lie around a mark (every mark is
    taken equally often, however small it is; of several classes each in turn, so that marks of a rare one come again),
    ``hard_share`` around tiles of ``hard``, the rest on parts that are known, free of marks where that can be.
    """
    rng = np.random.default_rng([seed, epoch, 0x711E])
    marks = [mark for number in numbers for mark in films.marks(number)]
    around = round(count * shares.defect_share) if marks else 0
    mined = min(count - around, round(count * shares.hard_share)) if hard else 0
    tiles = [_around(films, marks[index], rng) for index in _evenly(_class_turns(marks, rng), around)]
    tiles += [_shifted(films, hard[index], rng) for index in rng.permutation(_evenly(np.arange(len(hard)), mined))]
    tiles += [_away(films, numbers, rng) for _ in range(count - len(tiles))]
    return [tiles[index] for index in rng.permutation(len(tiles))]


def _evenly(order: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """``count`` entries of an order that is gone through as often as needed."""
    return np.resize(order, count) if len(order) else np.zeros(0, np.int64)


def _class_turns(marks: Sequence[Mark], rng: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of marks in random order, the classes in turn; marks of rarer classes come again."""
    classes = np.array([mark.class_number for mark in marks], np.int64)
    rows_by_class = [rng.permutation(np.flatnonzero(classes == number)) for number in np.unique(classes)]
    if not rows_by_class:
        return np.zeros(0, np.int64)
    most = max(len(rows) for rows in rows_by_class)
    return np.stack([np.resize(rows, most) for rows in rows_by_class], axis=1).reshape(-1)


def _around(films: Films, mark: Mark, rng: np.random.Generator) -> Tile:
    """A tile with a random pixel of the mark in it, a quarter of the tile or more from its edge."""
    row, column = mark.pixels[rng.integers(len(mark.pixels))]
    height, width = films.record.size
    top = int(row) - int(rng.integers(height // 4, height - height // 4))
    left = int(column) - int(rng.integers(width // 4, width - width // 4))
    return Tile(mark.film, *_on_film(films, mark.film, top, left))


def _shifted(films: Films, tile: Tile, rng: np.random.Generator) -> Tile:
    """The tile, moved by up to a quarter of its side."""
    height, width = films.record.size
    top = tile.top + int(rng.integers(-(height // 4), height // 4 + 1))
    left = tile.left + int(rng.integers(-(width // 4), width // 4 + 1))
    return Tile(tile.film, *_on_film(films, tile.film, top, left))


def _away(films: Films, numbers: Sequence[int], rng: np.random.Generator) -> Tile:
    """A tile whose middle is known, every such place alike; without a mark, if ``TRIES`` draws find one."""
    height, width = films.record.size
    areas = np.array([len(films.known(number)) for number in numbers], np.float64)
    tile = Tile(numbers[0], 0, 0)
    for _ in range(TRIES):
        film = int(numbers[rng.choice(len(numbers), p=areas / areas.sum())])
        row, column = films.known(film)[rng.integers(len(films.known(film)))]
        tile = Tile(film, *_on_film(films, film, int(row) - height // 2, int(column) - width // 2))
        mask = films.mask(film)[tile.top : tile.top + height, tile.left : tile.left + width]
        if not is_marked(mask):
            break
    return tile


def _on_film(films: Films, film: int, top: int, left: int) -> tuple[int, int]:
    """The nearest place at which the tile lies on the film; 0 where the film is smaller than a tile."""
    shape, size = films.shape(film), films.record.size
    return max(0, min(top, shape[0] - size[0])), max(0, min(left, shape[1] - size[1]))
