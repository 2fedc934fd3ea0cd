"""How far a run has judged a film, and where it found something so far. No Streamlit in here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.indications.options import InspectionOptions
from lopore.inference.film_map import FilmMap
from lopore.models.opening import OpenModel

Box = tuple[float, float, float, float]
CELLS = 400
"""The longer side of a film in cells, of which a found place takes at least one."""
MOST_PLACES = 1000


@dataclass(frozen=True)
class JudgedParts:
    """In pixels of the film, (x0, y0, x1, y1). judged: what no later tile changes. places: where a class reaches its
    threshold; not the marks yet, which are measured when the run ends."""

    judged: Box
    places: tuple[Box, ...] = ()


def thresholds_of(model: OpenModel, options: InspectionOptions) -> dict[str, float]:
    """The probability from which a place counts, by class."""
    record = model.record
    return {
        name: record.threshold_of(name) if options.threshold is None else options.threshold for name in record.classes
    }


def judged_parts(
    film_map: FilmMap, thresholds: Mapping[str, float], before: JudgedParts | None, begin: int
) -> JudgedParts:
    """What is judged of a film. before: as of ``begin`` finished pixels of the map, so that only the rest is read."""
    places = () if before is None else before.places
    hit = _reached(film_map, thresholds, begin)
    step = max(1, film_map.facts.longer_first[0] // CELLS)
    found = [_box(film_map, *cell) for cell in _cells(hit, step, begin)][: MOST_PLACES - len(places)]
    return JudgedParts(_box(film_map, 0, film_map.done, 0, film_map.facts.longer_first[1]), (*places, *found))


def _reached(film_map: FilmMap, thresholds: Mapping[str, float], begin: int) -> NDArray[np.bool_]:
    """(length, C): where a class reaches its threshold; of classes that exclude each other, where any of them does."""
    limits = [film_map.code_of(thresholds[name]) for name in film_map.classes]
    planes = range(len(limits)) if film_map.facts.any_plane is None else (film_map.facts.any_plane,)
    hit = np.zeros((film_map.done - begin, film_map.facts.longer_first[1]), np.bool_)
    for plane in planes:
        hit |= film_map.strip(plane, begin, film_map.done) >= (limits[plane] if plane < len(limits) else min(limits))
    return hit


def _cells(hit: NDArray[np.bool_], step: int, begin: int) -> list[tuple[int, int, int, int]]:
    """(first, end along, first, end beside) of each row of cells that are hit, in pixels of the map."""
    high, wide = hit.shape
    coarse = np.maximum.reduceat(np.maximum.reduceat(hit, range(0, high, step)), range(0, wide, step), axis=1)
    cells = []
    for row, line in enumerate(coarse):
        ends = np.flatnonzero(np.diff(line.astype(np.int8), prepend=0, append=0))
        cells += [
            (begin + row * step, begin + min((row + 1) * step, high), int(first) * step, min(int(end) * step, wide))
            for first, end in zip(ends[::2], ends[1::2], strict=True)
        ]
    return cells


def _box(film_map: FilmMap, first: int, end: int, left: int, right: int) -> Box:
    x0, x1, y0, y1 = (left, right, first, end) if film_map.facts.long_rows else (first, end, left, right)
    move = film_map.facts.to_film
    return (*move(x0, y0), *move(x1, y1))
