"""Wires of an image quality indicator (ISO 19232-1): parallel, 5 mm apart, each thinner than the one before.

What is found is a proposal with its evidence, for a person to confirm: joints, machining marks and scratches may lie as
wires do. Wires up to 1 mm are looked for (wire 6 and thinner); thicker ones lie farther apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .film_source import FilmSource

DIAMETERS_MM = (
    3.20, 2.50, 2.00, 1.60, 1.25, 1.00, 0.80, 0.63, 0.50, 0.40, 0.32, 0.25, 0.20, 0.16, 0.125, 0.10, 0.08, 0.063, 0.05,
)  # fmt: skip
"""Of wires 1 to 19."""
_SPACING_MM = (4.5, 5.8)
_BAND_MM = 5.0
_PARTS = 8
_SLOPES = np.arange(-0.10, 0.1001, 0.01)
_PEAK, _SEEN = 4.5, 2.5
_WIRES_A_SET = 7
_EDGE_MM, _LEAST_LENGTH_MM = 1.5, 15.0
_VISIBLE_MM = 10.0
"""A wire counts as visible over a length of 10 mm. Source: ISO 17636-2, 6.7 (as recalled)."""


@dataclass(frozen=True)
class Wire:
    """One line that may be a wire.

    x, y: its middle, in pixels of the film. contrast: in grey values, against the film beside it. cnr: contrast over
    the noise of the averaged profile. length_mm: over which it stands out in each stretch of 5 mm.
    """

    x: float
    y: float
    contrast: float
    cnr: float
    length_mm: float


@dataclass(frozen=True)
class WireIndicator:
    """Lines that lie as the wires of an indicator do.

    wires: from the thick end to the thin one. spacing_mm: mean distance. brighter: whether wires are brighter than the
    film. tilt: columns a row. smallest: number of the thinnest visible wire, where the set's first number is known.
    likely: one sentence for a report. evidence: what speaks for it and against it.
    """

    wires: tuple[Wire, ...]
    spacing_mm: float
    brighter: bool
    tilt: float
    smallest: int | None
    likely: str
    evidence: tuple[str, ...]

    @property
    def visible(self) -> tuple[Wire, ...]:
        """Wires that stand out over 10 mm."""
        return tuple(wire for wire in self.wires if wire.length_mm >= _VISIBLE_MM)


def find_wires(film: FilmSource, *, first_wire: int | None = None, direction: str = "columns") -> WireIndicator | None:
    """The wires of an indicator, or None where nothing lies as they do.

    first_wire: number of the thickest wire of the set, as its lead letters say (10 of "10 FE DIN"); without it the
    smallest visible wire is counted, not named. direction: "columns" for wires across a seam that runs along the rows,
    "rows" for the other. Raises ValueError where the pixel pitch is not known, ImageError for a damaged film.
    """
    if film.pixel_pitch_mm is None:
        raise ValueError("wires are told by their distance in mm; the pixel pitch of this film is not known")
    if first_wire is not None and not 1 <= first_wire <= len(DIAMETERS_MM):
        raise ValueError(f"a set that begins with wire {first_wire}; allowed are 1 to {len(DIAMETERS_MM)}")
    pitch = film.pixel_pitch_mm
    rows = _profiles(film, max(_PARTS, round(_BAND_MM / pitch)), along_rows=direction == "rows")
    if rows.shape[0] < 3 * _PARTS or rows.shape[1] * pitch < 2 * _SPACING_MM[1]:
        return None
    # A wire is where less radiation came through.
    signs = {"film": (1.0,), "detector": (-1.0,)}.get(film.polarity, (1.0, -1.0))
    best: _Found | None = None
    for slope in _SLOPES:
        contrast = _high_pass(_sheared(rows, slope, pitch), pitch)
        for sign in signs:
            for found in _sets_of_wires(sign * contrast, pitch, float(slope), brighter=sign > 0):
                if best is None or found.score > best.score:
                    best = found
    return None if best is None else _indicator(best, first_wire, swap=direction == "rows")


@dataclass(frozen=True)
class _Found:
    """Lines that lie as wires do, the strongest first; x and y as if wires ran along columns."""

    wires: tuple[Wire, ...]
    spacing_mm: float
    brighter: bool
    slope: float

    @property
    def score(self) -> float:
        """Grows with the number of lines, with their contrast over noise and with their length, up to 30 mm."""
        return sum(min(wire.cnr, 12.0) * min(wire.length_mm, 30.0) / 30 for wire in self.wires)


def _profiles(film: FilmSource, band: int, *, along_rows: bool) -> NDArray[np.float32]:
    """(8 bands, width): means of an eighth of a band of 5 mm each, over the whole width; one band is read at a time."""
    height, width = film.shape[::-1] if along_rows else film.shape
    part = band // _PARTS
    found = []
    for top in range(0, height - part * _PARTS + 1, part * _PARTS):
        lines = part * _PARTS
        pixels = film.read(0, top, width, lines).T if along_rows else film.read(top, 0, lines, width)
        found.append(pixels.reshape(_PARTS, part, width).mean(axis=1, dtype=np.float32))
    return np.concatenate(found) if found else np.empty((0, width), np.float32)


def _sheared(rows: NDArray[np.float32], slope: float, pitch: float) -> NDArray[np.float32]:
    """(bands, width): means of whole bands after each eighth was moved so that a line of this slope stands upright."""
    part = _BAND_MM / pitch / _PARTS
    middle = (len(rows) - 1) / 2
    moved = np.empty_like(rows)
    for number, row in enumerate(rows):
        moved[number] = np.roll(row, -round(slope * (number - middle) * part))
    bands: NDArray[np.float32] = moved.reshape(-1, _PARTS, rows.shape[1]).mean(axis=1)
    return bands


def _high_pass(bands: NDArray[np.float32], pitch: float) -> NDArray[np.float32]:
    """What is narrower than 1.6 mm, smoothed to 0.06 mm."""
    import cv2

    wide = max(3, round(1.6 / pitch) | 1)
    smooth = cv2.blur(bands, (wide, 1))
    return np.asarray(cv2.GaussianBlur(bands - smooth, (0, 0), sigmaX=max(0.5, 0.06 / pitch), sigmaY=1e-6), np.float32)


def _sets_of_wires(contrast: NDArray[np.float32], pitch: float, slope: float, *, brighter: bool) -> Iterator[_Found]:
    """Rows of lines that lie as wires do: evenly apart, each weaker than the one before, the first two 15 mm or more.

    Lead letters are as high as 10 mm and do not grow weaker from one to the next.
    """
    import cv2

    # The mean deviation of a normal distribution is 0.8 of its standard deviation. Within 8 mm, so that a lead letter's
    # strokes drown each other; a wire adds a tenth of its own contrast.
    wide = max(3, round(8 / pitch) | 1)
    cnr = contrast / np.maximum(1.25 * cv2.blur(np.abs(contrast), (wide, 1)), 1e-3)
    three = np.sort(np.stack([cnr[:-2], cnr[1:-1], cnr[2:]]), axis=0)[1]
    edge = round(_EDGE_MM / pitch)
    three[:, :edge], three[:, -edge:] = 0, 0
    peaks = _peaks(three, round(2 / pitch))
    for start in range(len(peaks)):
        chain = _chain_from(peaks, start, pitch)
        for count in range(len(chain), 1, -1):
            wires = [_wire(contrast, cnr, column, band, pitch, slope) for column, band in chain[:count]]
            spacing = (chain[count - 1][0] - chain[0][0]) * pitch / (count - 1)
            ordered = wires if wires[0].contrast >= wires[-1].contrast else wires[::-1]
            weaker = all(b.contrast < 1.1 * a.contrast for a, b in pairwise(ordered))
            if weaker and min(wire.length_mm for wire in ordered[:2]) >= _LEAST_LENGTH_MM:
                yield _Found(tuple(ordered), spacing, brighter, slope)
                break


def _peaks(three: NDArray[np.float32], apart: int) -> list[tuple[int, int]]:
    """(column, band) of local maxima over the columns, at least ``apart`` from each other."""
    best = three.max(axis=0)
    order = np.flatnonzero(best >= _PEAK)
    taken: list[int] = []
    for column in order[np.argsort(-best[order])][:400]:
        if all(abs(int(column) - other) >= apart for other in taken):
            taken.append(int(column))
    return [(column, int(three[:, column].argmax())) for column in sorted(taken)]


def _chain_from(peaks: list[tuple[int, int]], start: int, pitch: float) -> list[tuple[int, int]]:
    """Peaks from one on, each a wire's distance after the last, in bands that overlap."""
    low, high = (mm / pitch for mm in _SPACING_MM)
    chain = [peaks[start]]
    for column, band in peaks[start + 1 :]:
        step = column - chain[-1][0]
        if len(chain) > 1:
            spacing = (chain[-1][0] - chain[0][0]) / (len(chain) - 1)
            low, high = spacing * 0.83, spacing * 1.17
        if low <= step <= high and abs(band - chain[-1][1]) <= 6:
            chain.append((column, band))
        if len(chain) == _WIRES_A_SET:
            break
    return chain


def _wire(
    contrast: NDArray[np.float32], cnr: NDArray[np.float32], column: int, band: int, pitch: float, slope: float
) -> Wire:
    """band: the first of three. The line is followed up and down while it stands out."""
    reach = max(1, round(0.2 / pitch))
    window = slice(max(0, column - reach), column + reach + 1)
    ratio, step = cnr[:, window].max(axis=1), contrast[:, window].max(axis=1)
    first = last = band + 1
    while first > 0 and ratio[first - 1] >= _SEEN:
        first -= 1
    while last < len(ratio) - 1 and ratio[last + 1] >= _SEEN:
        last += 1
    lines, seen = _BAND_MM / pitch, slice(first, last + 1)
    y = (first + last + 1) / 2 * lines
    x = column + slope * (y - len(ratio) * lines / 2)
    return Wire(float(x), y, float(np.median(step[seen])), float(np.median(ratio[seen])), (last - first + 1) * _BAND_MM)


def _indicator(found: _Found, first: int | None, *, swap: bool) -> WireIndicator:
    wires = tuple(replace(wire, x=wire.y, y=wire.x) for wire in found.wires) if swap else found.wires
    ratios = [after.contrast / before.contrast for before, after in pairwise(wires)]
    evidence: tuple[str, ...] = (
        f"{len(wires)} parallel lines, {found.spacing_mm:.2f} mm apart (wires lie about 5 mm apart)",
        f"contrast from one to the next {', '.join(f'{ratio:.2f}' for ratio in ratios)} (wires: about 0.8)",
        f"contrast over noise {', '.join(f'{wire.cnr:.1f}' for wire in wires)}",
        f"length {', '.join(f'{wire.length_mm:.0f}' for wire in wires)} mm",
    )
    if len(wires) == 2:
        evidence += ("two lines alone are weak evidence",)
    visible = sum(wire.length_mm >= _VISIBLE_MM for wire in wires)
    smallest = None if first is None else min(first + visible - 1, len(DIAMETERS_MM))
    return WireIndicator(
        wires, found.spacing_mm, found.brighter, found.slope, smallest, _sentence(visible, smallest, first), evidence
    )


def _sentence(visible: int, smallest: int | None, first: int | None) -> str:
    count = f"{visible} wire{'s' if visible > 1 else ''} likely visible over 10 mm"
    if smallest is None or first is None:
        return f"{count}; which ones depends on the set (its lead letters): confirm on the film"
    return (
        f"{count}: with a set that begins with wire {first} the smallest is likely W {smallest} "
        f"({DIAMETERS_MM[smallest - 1]:g} mm); confirm on the film"
    )
