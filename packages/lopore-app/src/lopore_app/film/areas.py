"""Boxes that a reader measures: mean, deviation, SNR and CNR of their grey values. No Streamlit in here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lopore.affine import Affine
from lopore.reading.film_source import FilmSource
from lopore.reading.image_quality import Region, contrast_to_noise, signal_of, signal_to_noise

MOST_AREAS = 12
Box = tuple[int, int, int, int]
"""left, top, right, bottom, in px of the film."""


@dataclass(frozen=True)
class AreaStatistics:
    """One box. mean, sigma: of its grey values. cnr: its contrast against the first box, over that one's noise.

    snr, normalised, cnr: None where the box is too small or the pitch not known; why says so.
    """

    box: tuple[int, int, int, int]
    mean: float
    sigma: float
    snr: float | None
    normalised: float | None
    cnr: float | None
    why: str = ""


def parse_areas(said: object, film: str, to_film: Affine, shape: tuple[int, ...]) -> list[tuple[int, Box]]:
    """Number and box of what was drawn on this film, cut at its edges; anything else is passed over."""
    drawn = said.get("drawn") if isinstance(said, Mapping) and said.get("film") == film else None
    found = []
    for one in drawn[-MOST_AREAS:] if isinstance(drawn, list) else ():
        number = one.get("seq") if isinstance(one, Mapping) else None
        box = _box(one.get("points"), to_film, shape) if isinstance(one, Mapping) else None
        if isinstance(number, int) and not isinstance(number, bool) and box is not None:
            found.append((number, box))
    return found


def _box(points: object, to_film: Affine, shape: tuple[int, ...]) -> Box | None:
    if not isinstance(points, list) or len(points) != 4 or not all(_is_number(value) for value in points):
        return None
    (x0, y0), (x1, y1) = to_film(points[0], points[1]), to_film(points[2], points[3])
    left, right = sorted((min(max(round(x0), 0), shape[1]), min(max(round(x1), 0), shape[1])))
    top, bottom = sorted((min(max(round(y0), 0), shape[0]), min(max(round(y1), 0), shape[0])))
    return (left, top, right, bottom) if right - left > 1 and bottom - top > 1 else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def area_statistics(
    source: FilmSource, box: tuple[int, int, int, int], reference: tuple[int, int, int, int] | None = None
) -> AreaStatistics:
    """Statistics of a box at the film's own pixels. reference: the box whose noise a contrast is compared with."""
    region = Region(*box)
    pixels = region.read(source)
    snr = normalised = cnr = None
    why = ""
    try:
        noise = signal_to_noise(source, region)
        snr, normalised = noise.ratio, noise.normalised
    except ValueError as error:
        why = str(error)
    if reference is not None and reference != box:
        try:
            cnr = contrast_to_noise(source, region, Region(*reference)).ratio
        except ValueError as error:
            why = why or str(error)
    return AreaStatistics(
        box, float(pixels.mean()), float(signal_of(pixels, source).std(ddof=1)), snr, normalised, cnr, why
    )


def area_row(number: int, one: AreaStatistics) -> dict[str, str]:
    """One line of the page's table; a dash for what is not known."""
    dash = "\N{EN DASH}"
    left, top, right, bottom = one.box
    return {
        "Box": f"B{number}",
        "Mean": f"{one.mean:.1f}",
        "Sigma": f"{one.sigma:.2f}",
        "SNR": dash if one.snr is None else f"{one.snr:.1f}",
        "SNRn": dash if one.normalised is None else f"{one.normalised:.1f}",
        "CNR to B1": dash if one.cnr is None else f"{one.cnr:.1f}",
        "Size, px": f"{right - left} × {bottom - top}",
    }
