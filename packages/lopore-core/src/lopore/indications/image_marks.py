"""Marks of an image that the network saw as a whole: its maps, measured as those of a film are."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.inference.film_map import FilmMap, MapFacts, probability_levels

from .indication import Indication
from .inspect_film import marks_of_map, numbered

if TYPE_CHECKING:
    from lopore.preprocessing.geometry import Geometry


def marks_of_image(
    maps: NDArray[np.float32],
    geometry: Geometry,
    thresholds: Sequence[Mapping[str, float]],
    *,
    classes: Sequence[str],
    pitch_mm: float | None = None,
) -> list[list[Indication]]:
    """The indications of one image at each set of thresholds (by class).

    maps: (K, h, w) over the network's input, K in the order of ``classes``. geometry: back to the image, without a
    turn. What lies beside the image (a letterbox's bars) counts nowhere. pitch_mm: of a pixel of the image.
    """
    height, width = geometry.original
    move = Affine(xx=geometry.size[1] / maps.shape[2], yy=geometry.size[0] / maps.shape[1]).then(geometry.to_original)
    top, bottom = _on_image(move.yy, move.y0, height, maps.shape[1])
    left, right = _on_image(move.xx, move.x0, width, maps.shape[2])
    x0, y0 = move(left, top)
    exact = tuple({value for each in thresholds for value in each.values()})
    levels = tuple(float(value) for value in probability_levels(exact))
    shape = bottom - top, right - left
    facts = MapFacts("image", tuple(classes), shape, Affine(xx=move.xx, yy=move.yy), levels, exclusive=True)
    with tempfile.TemporaryDirectory(prefix="lopore-map-") as folder:
        film_map = FilmMap.start(Path(folder), facts)
        part = maps[:, top:bottom, left:right]
        film_map.append(part if facts.long_rows else part.transpose(0, 2, 1))
        size = int(np.ceil(height - y0)), int(np.ceil(width - x0))
        found = [marks_of_map(film_map, each, size) for each in thresholds]
    return [[_moved(mark, x0, y0).in_mm(pitch_mm) for mark in numbered(marks)] for marks in found]


def _on_image(scale: float, shift: float, length: int, pixels: int) -> tuple[int, int]:
    """First pixel of a map whose centre lies on the image, and the one behind the last."""
    centres = scale * (np.arange(pixels) + 0.5) + shift
    inside = np.flatnonzero((centres >= 0) & (centres <= length))
    return int(inside[0]), int(inside[-1]) + 1


def _moved(mark: Indication, x: float, y: float) -> Indication:
    if not x and not y:
        return mark
    left, top, right, bottom = mark.box
    return mark.model_copy(
        update={
            "centre": (mark.centre[0] + x, mark.centre[1] + y),
            "box": (left + x, top + y, right + x, bottom + y),
            "contour": tuple((across + x, down + y) for across, down in mark.contour),
        }
    )
