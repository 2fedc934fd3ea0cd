"""Images of a film for a person: the whole film with its marks, its heat map, and each mark at the film's own pixels.

Only parts of the film are in memory. Grey is shown by a window of percentiles, which each image's caption names.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.inference.film_map import FilmMap
from lopore.preprocessing.film_layers import blocks

from .film_inspection import FilmInspection, WeldBand
from .indication import Indication, Point

if TYPE_CHECKING:
    from lopore.reading.film_source import FilmSource

Image = NDArray[np.uint8]
OVERVIEW = 2400
"""Longest side of an image of the whole film."""
CROP, MARGIN = 120, 24
"""Least side of a mark's own image, and pixels of film around the mark, both in film pixels."""
MOST_CROP = 480
MOST_ASIDE = 200
"""Marks set aside that are drawn, the largest ones: thousands of specks would hide the film."""
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167), (0, 114, 178))
"""Okabe and Ito's colours, RGB, which colour-blind people can tell apart; by the class's place in the model."""
PERCENTILES = (0.5, 99.5)


def colour_of(class_name: str, classes: Sequence[str]) -> tuple[int, int, int]:
    """The colour of a class, RGB."""
    return COLOURS[(classes.index(class_name) if class_name in classes else 0) % len(COLOURS)]


@dataclass(frozen=True)
class Overview:
    """The whole film, (h, w) uint8; ``scale``: image pixels in one film pixel."""

    grey: Image
    scale: float


def overview(source: FilmSource, longest: int = OVERVIEW) -> Overview:
    """The film made smaller by area, so that nothing is skipped, and windowed to 8 bits."""
    import cv2

    height, width = source.shape
    scale = min(1.0, longest / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = np.zeros(size, np.float32)
    for top, left, high, wide in blocks(source.shape):
        y0, y1 = round(top * size[0] / height), round((top + high) * size[0] / height)
        x0, x1 = round(left * size[1] / width), round((left + wide) * size[1] / width)
        if y1 > y0 and x1 > x0:
            part = source.read(top, left, high, wide)
            small[y0:y1, x0:x1] = cv2.resize(part, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    return Overview(_windowed(small), scale)


def _windowed(values: NDArray[Any]) -> Image:
    low, high = np.percentile(values, PERCENTILES)
    spread = max(float(high - low), 1.0)
    shown: Image = np.rint(np.clip((values - low) / spread, 0, 1) * 255).astype(np.uint8)
    return shown


def marked(view: Overview, found: FilmInspection) -> Image:
    """(h, w, 3) RGB: the film with outlines and numbers of its indications, and the weld's borders."""
    image = np.repeat(view.grey[:, :, None], 3, axis=2)
    if found.seam is not None:
        _draw_weld(image, found.seam, view.scale)
    for item in sorted(found.set_aside, key=lambda item: -item.indication.area_px)[:MOST_ASIDE]:
        _draw_mark(image, item.indication, (160, 160, 160), view.scale, label="")
    taken = np.zeros((image.shape[0] // 12 + 1, image.shape[1] // 12 + 1), np.bool_)
    for mark in found.indications:
        colour = colour_of(mark.class_name, found.model.classes)
        _draw_mark(image, mark, colour, view.scale, label=_free_label(taken, mark, view.scale))
    return image


def outlined(view: Overview, marks: Sequence[tuple[Sequence[Indication], tuple[int, int, int]]]) -> Image:
    """(h, w, 3) RGB: the film with the outlines of several lists of indications, each in its RGB colour."""
    image = np.repeat(view.grey[:, :, None], 3, axis=2)
    for found, colour in marks:
        for mark in found:
            _draw_mark(image, mark, colour, view.scale, label="")
    return image


def _draw_weld(image: Image, seam: WeldBand, scale: float) -> None:
    import cv2

    for line in (seam.upper, seam.lower):
        points = np.rint(np.array(line) * scale).astype(np.int32).reshape(-1, 1, 2)
        for first, second in zip(points[::2], points[1::2], strict=False):
            cv2.line(image, first[0].tolist(), second[0].tolist(), (90, 200, 250), 1, cv2.LINE_AA)


def _draw_mark(image: Image, mark: Indication, colour: tuple[int, int, int], scale: float, label: str) -> None:
    import cv2

    points = np.array(mark.contour) * scale
    left, top, right, bottom = np.array(mark.box) * scale
    if min(right - left, bottom - top) < 6:  # a small mark would be hidden by its own outline
        centre = round((left + right) / 2), round((top + bottom) / 2)
        radius = max(5, round(max(right - left, bottom - top) / 2) + 3)
        cv2.circle(image, centre, radius, colour, 1, cv2.LINE_AA)
    else:
        cv2.polylines(image, [np.rint(points).astype(np.int32)], True, colour, 1, cv2.LINE_AA)
    if label:
        corner = round(right) + 4, max(round(top) - 3, 10)
        corner = min(corner[0], image.shape[1] - 9 * len(label) - 2), corner[1]
        cv2.putText(image, label, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(image, label, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, 1, cv2.LINE_AA)


def _free_label(taken: NDArray[np.bool_], mark: Indication, scale: float) -> str:
    """The mark's number, or nothing where another number stands: the table has it."""
    x, y = round(mark.box[2] * scale / 12), round(mark.box[1] * scale / 12)
    rows, columns = slice(max(y - 1, 0), y + 1), slice(x, x + 1 + len(str(mark.id)))
    if taken[rows, columns].any():
        return ""
    taken[rows, columns] = True
    return str(mark.id)


def heat(view: Overview, film_map: FilmMap) -> Image:
    """(h, w, 3) RGB: the film under the probability of any class, 0 to 1; the sound ground stays grey."""
    import cv2

    height, width = view.grey.shape
    rows, columns = film_map.facts.shape
    step = max(1, math.floor(min(rows / height, columns / width)))
    largest = np.zeros((height, width), np.float32)
    any_plane = film_map.facts.any_plane
    for plane in range(len(film_map.classes)) if any_plane is None else (any_plane,):
        values = _small_map(film_map, plane, step)
        largest = np.maximum(largest, cv2.resize(values, (width, height), interpolation=cv2.INTER_LINEAR))
    colours = cv2.applyColorMap(np.rint(largest * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[:, :, ::-1]
    share = np.clip(largest * 1.5, 0, 0.75)[:, :, None]
    mixed: Image = np.rint(view.grey[:, :, None] * (1 - share) + colours * share).astype(np.uint8)
    return mixed


def _small_map(film_map: FilmMap, number: int, step: int) -> NDArray[np.float32]:
    """The largest probability of each step x step pixels, read strip by strip."""
    rows, columns = film_map.facts.shape
    lines = max(step, (1 << 22) // max(min(rows, columns), 1) // step * step)
    if film_map.facts.long_rows:
        parts = [film_map.read(number, at, 0, min(lines, rows - at), columns, step) for at in range(0, rows, lines)]
        return np.concatenate(parts, axis=0)
    parts = [film_map.read(number, 0, at, rows, min(lines, columns - at), step) for at in range(0, columns, lines)]
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Crop:
    """A mark beside its outline. zoom: image pixels in one film pixel. left, top: of the part, in film pixels."""

    plain: Image
    outlined: Image
    zoom: float
    left: int
    top: int


def crop(source: FilmSource, contour: Sequence[Point], colour: tuple[int, int, int]) -> Crop:
    """The film around a mark at its own pixels, shown twice as large where small, made smaller where it is too long.

    contour: of the mark, (x, y) in film pixels.
    """
    import cv2

    height, width = source.shape
    low, far = np.min(contour, axis=0), np.max(contour, axis=0)
    x, y = (low + far) / 2
    wide = max(CROP, math.ceil(far[0] - low[0]) + 2 * MARGIN)
    high = max(CROP, math.ceil(far[1] - low[1]) + 2 * MARGIN)
    wide, high = min(wide, width), min(high, height)
    left, top = min(max(round(x - wide / 2), 0), width - wide), min(max(round(y - high / 2), 0), height - high)
    pixels = _windowed(source.read(top, left, high, wide))
    zoom = 2.0 if max(wide, high) <= MOST_CROP / 2 else min(1.0, MOST_CROP / max(wide, high))
    size = max(1, round(wide * zoom)), max(1, round(high * zoom))
    how = cv2.INTER_NEAREST if zoom > 1 else cv2.INTER_AREA
    shown = np.asarray(cv2.resize(pixels, size, interpolation=how), np.uint8)
    plain = np.repeat(shown[:, :, None], 3, axis=2)
    outlined = plain.copy()
    points = (np.array(contour) - (left, top)) * zoom
    cv2.polylines(outlined, [np.rint(points).astype(np.int32)], True, colour, 1, cv2.LINE_AA)
    return Crop(plain, outlined, zoom, left, top)


def png(image: Image) -> bytes:
    """An (h, w) or (h, w, 3) RGB image as PNG."""
    from lopore.reading.encode import write_radiograph

    return write_radiograph(np.ascontiguousarray(image), None)


def data_uri(image: Image) -> str:
    """The image inside a page: PNG, base64."""
    return "data:image/png;base64," + base64.b64encode(png(image)).decode("ascii")
