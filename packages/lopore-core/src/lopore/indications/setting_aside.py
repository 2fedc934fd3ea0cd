"""Marks that are no indications by the user's filters: each is kept apart with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .film_inspection import WeldBand
from .indication import Indication
from .options import InspectionOptions


@dataclass(frozen=True)
class Sorted:
    """Marks that stay, and the others with the reason."""

    reported: tuple[Indication, ...]
    aside: tuple[tuple[Indication, str], ...]


def set_aside(
    marks: Sequence[Indication], options: InspectionOptions, seam: WeldBand | None, least: tuple[float, float]
) -> Sorted:
    """Apply the filters in one order: size, excluded rectangles, place beside the weld.

    least: (length, area) in px that an indication has.
    """
    reported, aside = [], []
    for mark in marks:
        reason = _reason(mark, options, seam, least)
        if reason:
            aside.append((mark, reason))
        else:
            reported.append(mark)
    return Sorted(tuple(reported), tuple(aside))


def _reason(mark: Indication, options: InspectionOptions, seam: WeldBand | None, least: tuple[float, float]) -> str:
    if mark.length_px < least[0]:
        return f"shorter than {least[0]:.4g} px ({mark.length_px:.4g} px)"
    if mark.area_px < least[1]:
        return f"smaller than {least[1]:.4g} px2 ({mark.area_px:.4g} px2)"
    x, y = mark.centre
    for area in options.exclude:
        left, top, right, bottom = area.box
        if left <= x < right and top <= y < bottom:
            return f"in an excluded area: {area.reason}"
    if options.seam == "only" and seam is not None and not beside_weld(seam, x, y) <= 0:
        return f"{beside_weld(seam, x, y):.0f} px beside the weld"
    return ""


def beside_weld(seam: WeldBand, x: float, y: float) -> float:
    """How far a point lies beside the weld, in px across it; 0 or less inside."""
    upper, lower = np.array(seam.upper), np.array(seam.lower)
    down = np.ptp(upper[:, 1]) > np.ptp(upper[:, 0])  # the weld runs down the film
    along, across = (y, x) if down else (x, y)
    places, values = (1, 0) if down else (0, 1)
    first = float(np.interp(along, upper[:, places], upper[:, values]))
    last = float(np.interp(along, lower[:, places], lower[:, values]))
    return max(first - across, across - last)
