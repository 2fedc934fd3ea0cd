"""One whole film: weld, imperfections, lead, exposure, scan and handling, and the truth in mm."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels
from lopore.errors import ConfigError
from lopore.synthesis.film import make_film
from lopore.synthesis.physics import Field
from lopore.synthesis.spec import FilmSpec, Flaw, FlawTruth

from .flaw_recipe import draw_film_flaws
from .handling import draw_panel_faults, draw_traces
from .lead_plates import lead_plates
from .recipe import WholeFilmSettings, sample_spec
from .visibility import Visibility


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeIndication:
    """One imperfection of a made film, measured from the film's upper left corner.

    kind: class name as in ``MASK_CLASSES``. iso_6520: reference number. x_mm, y_mm: its centre.
    length_mm, width_mm, depth_mm: of the flaw itself, depth along the beam. box_px: (left, top, right, bottom) of its
    part of the mask, right and bottom exclusive. cnr: contrast over the noise of a pixel. detectability: contrast over
    noise times the root of the pixels that a reader adds up; nobody sees less than about 5.
    """

    kind: str
    iso_6520: str
    x_mm: float
    y_mm: float
    length_mm: float
    width_mm: float
    depth_mm: float
    box_px: tuple[int, int, int, int]
    cnr: float
    detectability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFilm:
    """A made film.

    pixels: (H, W) uint8 or uint16. mask: (H, W) uint8, index into ``MASK_CLASSES``. indications: what lies on it. spec:
    how it was made.
    """

    pixels: Pixels
    mask: NDArray[np.uint8]
    indications: tuple[MadeIndication, ...]
    spec: FilmSpec


def whole_film(seed: int, settings: WholeFilmSettings | None = None, **changes: Any) -> WholeFilm:
    """The made film number ``seed``: equal seeds and settings give equal pixels.

    settings: what is fixed; changes: its fields by name, such as ``pixel_pitch_mm=0.05``.
    Raises ConfigError for a setting that does not exist or is out of range.
    """
    settings = checked_settings(settings, **changes)
    streams = [np.random.default_rng([seed, number]) for number in range(4)]
    spec = sample_spec(settings, streams[0])
    sound = streams[1].random() < settings.sound_share
    flaws = () if sound else draw_film_flaws(spec, streams[1])
    lead = list(lead_plates(spec, streams[2]))
    film = make_film(spec, flaws, streams[3], lead=lead, traces=_traces(spec))
    visibility = Visibility.of(spec)
    return WholeFilm(
        pixels=film.pixels,
        mask=film.mask,
        indications=tuple(_indication(truth, visibility) for truth in film.flaws),
        spec=spec,
    )


def checked_settings(settings: WholeFilmSettings | None, **changes: Any) -> WholeFilmSettings:
    """Settings with changes; ConfigError in one line for one that cannot be."""
    from pydantic import ValidationError

    given = {} if settings is None else settings.model_dump()
    try:
        return WholeFilmSettings.model_validate(given | changes)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"whole film setting {name} = {first['input']!r}: {first['msg']}; see WholeFilmSettings for what it takes"
        ) from None


def _traces(spec: FilmSpec) -> Any:
    if spec.receptor == "film":
        return partial(_film_traces, spec.pixel_pitch_mm)
    return draw_panel_faults


def _film_traces(pitch: float, values: Field, window: tuple[float, float], rng: np.random.Generator) -> None:
    draw_traces(values, window, rng, pitch_mm=pitch)


def _indication(truth: FlawTruth, visibility: Visibility) -> MadeIndication:
    flaw: Flaw = truth.flaw
    pitch = visibility.spec.pixel_pitch_mm
    return MadeIndication(
        kind=flaw.kind,
        iso_6520=flaw.iso_6520,
        x_mm=truth.centre_px[0] * pitch,
        y_mm=truth.centre_px[1] * pitch,
        length_mm=flaw.size_mm[0],
        width_mm=flaw.size_mm[1],
        depth_mm=flaw.size_mm[2],
        box_px=truth.box_px,
        cnr=visibility.cnr(flaw),
        detectability=visibility.detectability(flaw),
    )
