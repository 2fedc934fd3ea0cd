"""Image quality of a film: signal to noise, contrast to noise, and what a report says of its grey values.

Signal is what grows with dose: grey of a detector, the distance of grey from the brightest value for a film that is
bright where little radiation came. A film scanner's grey is taken as proportional to dose; where it is not, ratios are
those of the grey values alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .film_source import FilmSource
from .grey_survey import GreySurvey, survey_greys
from .line_marks import LineMark, find_lines

REFERENCE_UM = 88.6
"""Side of the square that equals a round aperture of 100 um. Source: ASTM E2446; ISO 17636-2."""
_LINE = 20
_LEAST_LINES = 55
# Expected standard deviation of 20 normal values over the true one.
_C4 = math.sqrt(2 / (_LINE - 1)) * math.exp(math.lgamma(_LINE / 2) - math.lgamma((_LINE - 1) / 2))


@dataclass(frozen=True)
class Region:
    """A part of a film in pixels: rows y0 to y1 and columns x0 to x1, the ends excluded."""

    x0: int
    y0: int
    x1: int
    y1: int

    def read(self, film: FilmSource) -> NDArray[np.unsignedinteger]:
        """Its grey values. Raises ValueError where it is not on the film."""
        return film.read(self.y0, self.x0, self.y1 - self.y0, self.x1 - self.x0)


@dataclass(frozen=True)
class SignalToNoise:
    """signal and noise in grey values, their ratio, and the normalised ratio with the resolution that it was made with.

    normalised: ``ratio`` times 88.6 um over ``resolution_um``; None where the resolution is not known.
    resolution_source: where the basic spatial resolution came from. lines: how many lines of 20 pixels were taken.
    """

    signal: float
    noise: float
    ratio: float
    normalised: float | None
    resolution_um: float | None
    resolution_source: str | None
    lines: int
    notes: tuple[str, ...] = ()


def signal_of(pixels: NDArray[np.unsignedinteger], film: FilmSource) -> NDArray[np.float64]:
    """Grey values as signal: growing with dose."""
    values = pixels.astype(np.float64)
    return (float((1 << min(16, _bits(film))) - 1) - values) if film.polarity == "film" else values


def _bits(film: FilmSource) -> int:
    return film.file_depth if film.file_depth >= 8 else 8


def signal_to_noise(
    film: FilmSource,
    region: Region,
    *,
    resolution_um: float | None = None,
    resolution_source: str = "given by the user",
) -> SignalToNoise:
    """SNR of a homogeneous region: median of the means over median of the deviations of lines of 20 pixels.

    Lines are short, so that a slope of the film is no noise; the deviation of 20 values is corrected for its bias.
    resolution_um: basic spatial resolution SRb, half the unsharpness that a duplex wire shows. Without it the pixel
    pitch is taken: SRb is not smaller, so the normalised ratio is an upper bound, and it is said.
    Raises ValueError for a region under 20 x 55 pixels. Source: ISO 17636-2 (region), ASTM E2446 (88.6 um).
    """
    pixels = region.read(film)
    if min(pixels.shape) < _LINE or max(pixels.shape) < _LEAST_LINES:
        raise ValueError(f"a region of {pixels.shape[1]} x {pixels.shape[0]} px; needed are 20 x 55 px or more")
    lines = _lines(signal_of(pixels, film))
    noise = float(np.median(lines.std(axis=1, ddof=1))) / _C4
    signal = float(np.median(lines.mean(axis=1)))
    notes: tuple[str, ...] = ()
    if film.polarity == "unknown":
        notes += ("the file does not say whether bright is more or less radiation; grey is taken as growing with dose",)
    if resolution_um is None and film.pixel_pitch_mm is not None:
        resolution_um = film.pixel_pitch_mm * 1000
        resolution_source = f"pixel pitch ({film.pitch_source}); SRb is not smaller, so SNRn is at most this"
    ratio = signal / noise if noise > 0 else math.inf
    if not math.isfinite(ratio):
        notes += ("no noise at all: the region is of one grey, or smoothed",)
    return SignalToNoise(
        signal, noise, ratio, None if resolution_um is None else ratio * REFERENCE_UM / resolution_um, resolution_um,
        None if resolution_um is None else resolution_source, len(lines), notes,
    )  # fmt: skip


def _lines(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 20): the region cut into lines along its longer side's rows; rests are left out."""
    across = values if values.shape[1] >= _LINE else values.T
    count = across.shape[1] // _LINE
    return across[:, : count * _LINE].reshape(-1, _LINE)


@dataclass(frozen=True)
class ContrastToNoise:
    """contrast: mean signal of a region less that of its surroundings, in grey values; noise of the surroundings."""

    contrast: float
    noise: float
    ratio: float


def contrast_to_noise(film: FilmSource, region: Region, surroundings: Region) -> ContrastToNoise:
    """CNR between two regions: the difference of their median signals over the noise of the surroundings.

    Raises ValueError where the surroundings are smaller than 20 x 20 pixels.
    """
    background = signal_of(surroundings.read(film), film)
    if min(background.shape) < _LINE:
        raise ValueError(
            f"surroundings of {background.shape[1]} x {background.shape[0]} px; needed are 20 x 20 or more"
        )
    noise = float(np.median(_lines(background).std(axis=1, ddof=1))) / _C4
    contrast = float(np.median(signal_of(region.read(film), film)) - np.median(background))
    return ContrastToNoise(contrast, noise, abs(contrast) / noise if noise > 0 else math.inf)


@dataclass(frozen=True)
class AlongSeam:
    """One stretch of the film: its first column, SNR within the seam and beside it, CNR of the seam against beside."""

    x0: int
    seam: SignalToNoise
    beside: SignalToNoise
    contrast: ContrastToNoise


def quality_along(
    film: FilmSource, seam: tuple[int, int], beside: tuple[int, int], *, stretch: int = 500
) -> tuple[AlongSeam, ...]:
    """SNR and CNR in stretches along a film whose seam runs along its rows.

    seam, beside: first row and the row after the last one, of the seam and of plain metal. stretch: columns of each.
    Raises ValueError where these are not on the film or too small.
    """
    found = []
    for x0 in range(0, film.shape[1] - stretch + 1, stretch):
        first, second = (Region(x0, rows[0], x0 + stretch, rows[1]) for rows in (seam, beside))
        found.append(
            AlongSeam(
                x0,
                signal_to_noise(film, first),
                signal_to_noise(film, second),
                contrast_to_noise(film, first, second),
            )
        )
    return tuple(found)


def quietest_region(film: FilmSource, greys: GreySurvey, *, side: int = 128) -> Region | None:
    """A square of usual, even grey: the one whose blocks of 16 px differ least for its signal.

    Lead, masked borders and what is clipped lie outside of the middle greys, between which it is looked for. For a
    report that nobody chose a region for; None where there is none.
    """
    height, width = film.shape
    best: tuple[float, Region] | None = None
    top = int(np.iinfo(film.dtype).max)
    for y in range(0, height - side + 1, side):
        row = film.read(y, 0, side, width)
        for x in range(0, width - side + 1, side):
            pixels = row[:, x : x + side]
            mean = float(pixels.mean())
            if not greys.middle[0] <= mean <= greys.middle[1] or pixels.min() == 0 or pixels.max() == top:
                continue
            means = signal_of(pixels, film).reshape(side // 16, 16, side // 16, 16).mean(axis=(1, 3))
            unevenness = float(means.std() / max(means.mean(), 1.0))
            if best is None or unevenness < best[0]:
                best = unevenness, Region(x, y, x + side, y + side)
    return best[1] if best else None


@dataclass(frozen=True)
class ImageQuality:
    """What a report says of a film: its grey values, SNR in a region, long thin lines, and notes for a person."""

    greys: GreySurvey
    region: Region | None
    noise: SignalToNoise | None
    lines: tuple[LineMark, ...]
    notes: tuple[str, ...]


def assess(film: FilmSource, *, region: Region | None = None, resolution_um: float | None = None) -> ImageQuality:
    """Survey a film, and measure SNR in ``region``, by default the quietest one. Raises ImageError, ValueError."""
    greys = survey_greys(film)
    chosen = region or quietest_region(film, greys)
    noise = signal_to_noise(film, chosen, resolution_um=resolution_um) if chosen else None
    lines = find_lines(film)
    notes = tuple(_notes(greys, lines))
    if region is None and chosen is not None:
        area = f"columns {chosen.x0} to {chosen.x1}, rows {chosen.y0} to {chosen.y1}"
        notes += (f"SNR was measured where the film is most even: {area}",)
    return ImageQuality(greys, chosen, noise, lines, notes)


def _notes(greys: GreySurvey, lines: tuple[LineMark, ...]) -> list[str]:
    notes = []
    for value, share in greys.clipped_at:
        notes.append(f"{share:.2%} of the pixels lie at grey {value}, as clipped ones do: what was there is lost")
    if greys.levels < 64:
        notes.append(f"only {greys.levels} grey values are in use between {greys.usual[0]} and {greys.usual[1]}")
    if greys.dead_pixels:
        notes.append(f"{greys.dead_pixels} single pixels stand out from all around them: dead pixels or specks of dust")
    for name, places in (("columns", greys.dead_columns), ("rows", greys.dead_rows)):
        if places:
            shown = ", ".join(map(str, places[:8])) + (" ..." if len(places) > 8 else "")
            notes.append(f"{len(places)} {name} stand out across the film ({shown}): dead lines or scanner streaks")
    sharp = sum(line.sharp for line in lines)
    if sharp:
        notes.append(f"{sharp} long thin lines are sharper than radiation draws: likely scratches, hairs or streaks")
    return notes
