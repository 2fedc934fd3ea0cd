"""Regions of a film's map measured as marks on the film: outline, length, width, area, direction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lopore.affine import Affine
from lopore.inference.film_map import FilmMap
from lopore.inference.film_regions import FilmRegions

from .feret import feret_diameters
from .indication import Indication
from .outline import Outline, OutlineReader


def measured(
    film_map: FilmMap,
    plane: int,
    regions: FilmRegions,
    *,
    low: float,
    film_shape: tuple[int, int],
    iso_6520: Sequence[str | None],
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Indication]:
    """One indication a region, in the order along the film; ``id`` is 0 until all classes are sorted.

    plane: of the map, in which the regions were found. low: the level from which pixels belonged to a region.
    film_shape: (height, width) of the film. iso_6520: number of each class of the map.
    """
    reader = OutlineReader(film_map, plane, low)
    main = 1 if film_map.facts.long_rows else 0
    order = np.argsort(regions.box[:, main], kind="stable")
    for done, number in enumerate(order.tolist(), start=1):
        outline = reader.outline(regions.box[number], regions.seed[number])
        index = regions.class_index[number]
        film = _FilmOfMarks(film_map.facts.to_film, film_shape, film_map.classes[index], iso_6520[index])
        yield _indication(film, regions, number, outline)
        if done % 500 == 0 or done == len(order):
            tick(done, len(order))


@dataclass(frozen=True)
class _FilmOfMarks:
    """What all marks of one class on a film have in common."""

    to_film: Affine
    film_shape: tuple[int, int]
    class_name: str
    iso_6520: str | None


def _indication(film: _FilmOfMarks, regions: FilmRegions, number: int, outline: Outline) -> Indication:
    move, (height, width) = film.to_film, film.film_shape
    pixel = math.sqrt(abs(move.xx * move.yy))
    scale = np.array([move.xx, move.yy])
    feret = feret_diameters(outline.rim * scale)
    area = outline.area * abs(move.xx * move.yy)
    left, top, right, bottom = regions.box[number].tolist()
    right, bottom = min(right * move.xx, float(width)), min(bottom * move.yy, float(height))
    rim = outline.part * pixel
    contour = np.round(np.clip(outline.corners * scale, 0, (width, height)), 2)
    centre = outline.centre[0] * move.xx, outline.centre[1] * move.yy
    return Indication(
        id=0,
        class_name=film.class_name,
        iso_6520=film.iso_6520,
        peak=round(float(regions.peak[number]), 4),
        mean=round(float(regions.mean[number]), 4),
        class_share=round(float(regions.class_share[number]), 4),
        centre=(round(centre[0], 2), round(centre[1], 2)),
        box=(round(left * move.xx, 2), round(top * move.yy, 2), round(right, 2), round(bottom, 2)),
        contour=tuple(map(tuple, contour.tolist())),
        area_px=round(area, 2),
        length_px=round(feret.length + rim, 2),
        width_px=round(min(feret.width, feret.length) + rim, 2),
        diameter_px=round(2 * math.sqrt(area / math.pi), 2),
        orientation_deg=round(feret.orientation_deg, 1),
        touches_edge=bool(left == 0 or top == 0 or right >= width or bottom >= height),
    )
