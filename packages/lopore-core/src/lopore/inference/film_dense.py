"""A patch classifier over a whole film in strips: windows share the features of one convolutional pass.

The features beside a strip's rim would see its end; a halo of film around the strip keeps that away from the windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lopore.arrays import Scores
from lopore.contracts import FreeSizeSession
from lopore.preprocessing.film_input import FilmInput

from .film_windows import FilmTiling, Held, Maps
from .tiling import TiledLine

STRIP_PIXELS = 1_600_000
"""Network pixels that go through the network at once: about 500 MiB of features of a ResNet."""
HALO = 64


def strips_of(line: TiledLine, beside: int, halo: int) -> list[tuple[int, int]]:
    """(first, beyond the last) tile of each strip along a film, as many as ``STRIP_PIXELS`` allow, at least one."""
    room = max(STRIP_PIXELS // max(beside, 1), line.tile + 2 * halo)
    strips, first = [], 0
    while first < len(line.starts):
        last = first + 1
        while last < len(line.starts) and line.starts[last] + line.tile - line.starts[first] + 2 * halo <= room:
            last += 1
        strips.append((first, last))
        first = last
    return strips


def dense_strips(
    film: FilmInput,
    tiling: FilmTiling,
    session: FreeSizeSession,
    chosen: Sequence[int],
    *,
    halo: int,
    begin: int = 0,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Maps]:
    """As ``film_windows.blended_strips``, by ``window_scores``: chosen: columns of the scores that become maps."""
    along, cell, held = tiling.along, tiling.cell, Held(tiling)
    length, finished = tiling.map_length, begin
    first_needed = along.first_over(begin * cell)
    for first, beyond in strips_of(along, tiling.beside.covered, halo):
        if beyond <= first_needed:
            continue
        scores = strip_scores(film, tiling, session, range(first, beyond), halo)[:, :, list(chosen)]
        for number in range(max(first, first_needed), beyond):
            for column, row in enumerate(scores[number - first]):
                held.add(number, column, np.broadcast_to(row[:, None, None], (len(row), *tiling.tile_cells)))
            last = number == len(along.starts) - 1
            until = length if last else min(along.starts[number + 1] // cell, length)
            if until > finished:
                yield held.finished(finished, until)
                finished = until
        tick(beyond * len(tiling.beside.starts), tiling.count)


def strip_scores(film: FilmInput, tiling: FilmTiling, session: FreeSizeSession, numbers: range, halo: int) -> Scores:
    """Scores (len(numbers), tiles beside, K) of the tiles of one strip, from one pass."""
    along, beside = tiling.along, tiling.beside
    begin = max(along.starts[numbers[0]] - halo, 0)
    end = min(along.starts[numbers[-1]] + along.tile + halo, along.covered)
    places = [along.starts[number] - begin for number in numbers]
    if tiling.long_rows:
        pixels = film.read(begin, 0, end - begin, beside.covered)
        scores = session.window_scores(pixels, (along.tile, beside.tile), places, beside.starts)
        return scores.reshape(len(places), len(beside.starts), -1)
    pixels = film.read(0, begin, beside.covered, end - begin)
    scores = session.window_scores(pixels, (beside.tile, along.tile), beside.starts, places)
    return scores.reshape(len(beside.starts), len(places), -1).swapaxes(0, 1)
