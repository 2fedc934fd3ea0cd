"""What is known of a film's quality before anybody decides: grey range, noise, wires, pitch, coverage of the weld.

Screen and report say the same lines. No Streamlit in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lopore.indications.film_inspection import WeldBand
from lopore.indications.weld_position import find_weld
from lopore.reading.film_source import FilmSource
from lopore.reading.image_quality import ImageQuality, assess
from lopore.reading.wire_indicator import WireIndicator, find_wires
from lopore_app.film.film_review import FilmReview, Ignored, WireStatement

Line = tuple[str, str]
"""What is stated, and the statement."""


@dataclass(frozen=True)
class FilmQuality:
    """wires: a proposal, None where nothing lies as wires do or the pitch is not known. weld: None where none was
    found."""

    image: ImageQuality
    wires: WireIndicator | None
    weld: WeldBand | None


def measure_quality(source: FilmSource) -> FilmQuality:
    """Survey of a whole film. Raises ImageError for a damaged one."""
    wires = find_wires(source) if source.pixel_pitch_mm is not None else None
    return FilmQuality(assess(source), wires, find_weld(source))


def quality_lines(source: FilmSource, quality: FilmQuality, review: FilmReview | None) -> tuple[Line, ...]:
    """Every statement with its source, in the order in which a reader asks."""
    greys, noise = quality.image.greys, quality.image.noise
    top = int(np.iinfo(source.dtype).max)
    lines: list[Line] = [
        ("Grey", f"{greys.usual[0]} to {greys.usual[1]} of 0 to {top} ({greys.range_used:.1%}), {greys.levels} in use"),
    ]
    if noise is None:
        lines.append(("SNR", "not measured: no part of the film is even enough"))
    else:
        lines.append(("SNR", f"{noise.ratio:.0f}, where the film is most even"))
        if noise.normalised is None:
            lines.append(("SNRn", "not known without the pixel pitch"))
        else:
            lines.append(("SNRn", f"{noise.normalised:.0f} at {noise.resolution_um:.0f} µm; {noise.resolution_source}"))
    lines.append(("Wires", wires_line(quality.wires, source.pixel_pitch_mm, review.wire if review else None)))
    pitch = source.pixel_pitch_mm
    lines.append(
        ("Pitch", "not known: sizes are in pixels" if pitch is None else f"{pitch:.4g} mm, {source.pitch_source}")
    )
    ignored = review.ignored if review is not None else ()
    lines.append(("Weld", coverage_line(quality.weld, ignored, source.shape, pitch)))
    return (*lines, *(("Note", note) for note in quality.image.notes))


def wires_line(found: WireIndicator | None, pitch: float | None, said: WireStatement | None) -> str:
    """What a person says of the wires; else what was found, as a proposal."""
    if said is not None:
        who = f"{said.reviewer.name} ({said.reviewer.level})" if said.reviewer.level else said.reviewer.name
        return f"W{said.number} is the thinnest that is seen, says {who or 'a reader without a name'}, {said.when[:10]}"
    if pitch is None:
        return "not looked for: the pixel pitch is not known"
    return f"proposal: {found.likely}" if found is not None else "none found, none stated"


def coverage_line(
    weld: WeldBand | None, ignored: Sequence[Ignored], shape: tuple[int, int], pitch: float | None
) -> str:
    """How much of the film's length shows a weld that is judged. shape: (height, width) of the film in px."""
    if weld is None or not weld.upper:
        return "no weld was found on the film; coverage is not known"
    lies = shape[1] >= shape[0]  # a weld is looked for along the film, from end to end
    judged = np.ones(max(shape), bool)
    for one in ignored:
        low, high = _across(weld, one, lies)
        if one.box[1 if lies else 0] < high and one.box[3 if lies else 2] > low:  # it hides part of the weld
            first, last = (one.box[0], one.box[2]) if lies else (one.box[1], one.box[3])
            judged[max(0, int(first)) : max(0, round(last))] = False
    seen, of_all = int(judged.sum()), judged.size
    length = [f"{count * pitch:.1f} mm" if pitch else f"{count} px" for count in (seen, of_all)]
    return f"{length[0]} of {length[1]} are looked at ({seen / of_all:.0%}); {weld.evidence}"


def _across(weld: WeldBand, one: Ignored, lies: bool) -> tuple[float, float]:
    """Where the weld lies, across itself, at the middle of a region."""
    at = (one.box[0] + one.box[2]) / 2 if lies else (one.box[1] + one.box[3]) / 2
    first, second = (0, 1) if lies else (1, 0)
    borders = []
    for line in (weld.upper, weld.lower):
        points = sorted(line, key=lambda point: point[first])
        borders.append(float(np.interp(at, [p[first] for p in points], [p[second] for p in points])))
    return min(borders), max(borders)
