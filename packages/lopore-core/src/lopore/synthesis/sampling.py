"""How welds, exposures and marks are spread over a data set; nothing here knows the class of a film."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lopore.errors import ConfigError
from lopore.messages import did_you_mean

from .film import make_film
from .flaws import draw_flaws
from .spec import MASK_CLASSES, NO_DEFECT, FilmSpec, Flaw, Markings, Seam, SyntheticFilm

_STREAM_FILM, _STREAM_FLAWS, _STREAM_VIEW, _STREAM_NOISE = range(4)
_CHARACTERS = "ABCDEFGHKLMNPRSTUVWXYZ"


def _spread(rng: np.random.Generator, low: float, high: float) -> float:
    """Even on a logarithmic scale."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _sample_seam(rng: np.random.Generator, plate: float, view_mm: float) -> Seam:
    width = float(np.clip(_spread(rng, 0.13, 0.5), 0.13, 0.5)) * view_mm
    hand = _spread(rng, 0.15, 1.6)
    cap = plate * rng.uniform(0.12, 0.34)
    return Seam(
        seed=int(rng.integers(2**31)),
        width_mm=width,
        cap_mm=cap,
        roundness=int(rng.choice([2, 4, 8], p=[0.35, 0.4, 0.25])),
        root_mm=plate * rng.uniform(0.0, 0.18),
        root_share=rng.uniform(0.2, 0.6),
        root_offset=rng.normal(0, 0.08),
        passes=int(rng.choice([1, 2, 3], p=[0.65, 0.2, 0.15])),
        groove_mm=cap * rng.uniform(0.05, 0.3),
        ripple_mm=float(np.clip(0.07 * hand * rng.uniform(0.2, 1.8), 0, 0.14)) * cap,
        ripple_pitch_mm=_spread(rng, 0.07, 0.35) * width,
        chevron=float(rng.choice([-1, 1])) * rng.uniform(0.5, 3.0),
        lumps_mm=cap * float(np.clip(0.07 * hand * rng.uniform(0.6, 1.8), 0.01, 0.14)),
        edge_mm=width * float(np.clip(0.025 * hand * rng.uniform(0.4, 1.5), 0, 0.06)),
        wander_mm=width * rng.uniform(0.0, 0.04),
        curvature_per_m=rng.normal(0, 0.6),
        undercut_mm=cap * rng.uniform(0.0, 0.08),
        halo_mm=0.0 if rng.random() < 0.45 else cap * rng.uniform(-0.12, 0.4),
        halo_share=rng.uniform(1.25, 2.4),
        plate_texture_mm=plate * rng.uniform(0.0005, 0.004),
        plate_step_mm=0.0 if rng.random() < 0.75 else plate * rng.uniform(-0.04, 0.04),
    )


def _section_mm(size: tuple[int, int], pitch: float) -> float:
    """The length that welds and shifts are measured by: the shorter side, or 80 mm of a larger film."""
    return min(min(size) * pitch, 80.0)


def _elongated(size: tuple[int, int]) -> bool:
    return max(size) >= 1.5 * min(size)


def _sample_film_spec(given: FilmSpec, rng: np.random.Generator) -> FilmSpec:
    """What all exposures of one film share; size and pitch are the given ones where they were given."""
    plate = _spread(rng, 5.0, 20.0)
    usual_pitch = _spread(rng, 0.07, 0.13)
    pitch = given.pixel_pitch_mm if "pixel_pitch_mm" in given.model_fields_set else usual_pitch
    energy = float(np.clip((75.0 + 4.5 * plate) * rng.uniform(0.85, 1.25), 60, 300))
    return FilmSpec(
        size=given.size,
        pixel_pitch_mm=pitch,
        plate_thickness_mm=plate,
        energy_kev=energy,
        scatter_ratio=rng.uniform(0.6, 1.8),
        geometric_unsharpness_mm=rng.uniform(0.05, 0.4),
        inherent_unsharpness_mm=rng.uniform(0.1, 0.3),
        grain=_spread(rng, 0.004, 0.013),
        grain_size_mm=pitch * rng.uniform(0.8, 1.8),
        seam=_sample_seam(rng, plate, _section_mm(given.size, pitch)),
    )


def _sample_text(rng: np.random.Generator) -> str:
    letters = "".join(rng.choice(list(_CHARACTERS), int(rng.integers(1, 4))))
    digits = str(int(rng.integers(1, 10 ** int(rng.integers(1, 4)))))
    form = rng.random()
    if form < 0.3:
        return letters + digits
    if form < 0.5:
        return letters
    if form < 0.7:
        return digits
    if form < 0.85:
        return f"{int(rng.choice([1, 6, 10, 13]))} FE {rng.choice(['EN', 'DIN', str(int(rng.integers(10, 20)))])}"
    return f"{letters} {digits}"


def _sample_markings(rng: np.random.Generator, plate: float) -> Markings:
    thickest = int(np.clip(round(16 - 5 * math.log10(plate / 3) + rng.normal(0, 1)), 6, 13)) - 3
    return Markings(
        letters=tuple(_sample_text(rng) for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.25, 0.35, 0.3, 0.1])))),
        letter_height_mm=rng.uniform(4.5, 9.0),
        lead_mm=rng.uniform(0.8, 2.0),
        lead_scatter=rng.uniform(0.75, 1.0),
        arrow=bool(rng.random() < 0.08),
        first_wire=thickest if rng.random() < 0.25 else None,
        wire_count=int(rng.integers(3, 8)),
        spatter=int(rng.integers(1, 14)) if rng.random() < 0.3 else 0,
        scratches=int(rng.integers(1, 6)) if rng.random() < 0.45 else 0,
        dust=int(rng.integers(1, 14)) if rng.random() < 0.5 else 0,
        film_edge=bool(rng.random() < 0.15),
    )


def _sample_view(film: FilmSpec, rng: np.random.Generator) -> dict[str, Any]:
    """What one exposure and scan of a film has of its own."""
    view_mm = _section_mm(film.size, film.pixel_pitch_mm)
    elongated = _elongated(film.size)
    turns = int(rng.integers(4))
    if elongated:
        turns = 2 * (turns // 2) + int(film.size[0] > film.size[1])
    oblique = rng.random() < 0.1 and not elongated
    lean = rng.uniform(-40, 40) if oblique else rng.normal(0, 1.2)
    # A slanting seam off the centre would leave the image together with its flaws.
    room = 0.1 * view_mm if oblique else max(0.0, 0.46 * view_mm - film.seam.width_mm / 2)
    sideways = rng.normal(0, 0.05 if oblique else 0.16) * view_mm
    return {
        "quanta": _spread(rng, 12000, 80000),
        "plate_density": rng.uniform(2.2, 4.5),
        "black_margin": rng.uniform(-0.06, 0.35),
        "white_margin": rng.uniform(0.0, 0.3) if rng.random() < 0.5 else rng.uniform(0.3, 0.8),
        "fall_off": rng.uniform(0.0, 0.16),
        "unevenness": _spread(rng, 0.003, 0.02),
        "hot_spot": (rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8)),
        "angle_deg": 90.0 * turns + (0.2 * lean if elongated else lean),
        "mirrored": bool(rng.random() < 0.3),
        "start_mm": rng.uniform(-0.09, 0.09) * view_mm,
        "offset_mm": float(np.clip(sideways, -room, room)),
        "markings": _sample_markings(rng, film.plate_thickness_mm),
    }


def _rng(seed: int, *stream: int) -> np.random.Generator:
    return np.random.default_rng([seed, *stream])


def check_settings(**settings: Any) -> FilmSpec:
    """Fields of ``FilmSpec`` and the defaults of the others; ConfigError in one line for one that cannot be."""
    from pydantic import ValidationError

    try:
        return FilmSpec.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        text = f"film setting {name} = {first['input']!r}: {first['msg']}; see FilmSpec for what it takes"
        raise ConfigError(text) from None


def sample_spec(seed: int, view: int = 0, **overrides: Any) -> FilmSpec:
    """The ``view``-th exposure of weld number ``seed``: the weld and its seam are the same for every view.

    overrides: fields of ``FilmSpec`` to set, such as ``receptor="detector"`` or ``bit_depth=16``.
    Raises ConfigError for a field that does not exist or a value that is out of range.
    """
    film = _sample_film_spec(check_settings(**overrides), _rng(seed, _STREAM_FILM))
    fields = film.model_dump() | _sample_view(film, _rng(seed, _STREAM_VIEW, view)) | overrides
    return check_settings(**fields)


def check_label(label: str) -> str:
    """The label itself; ConfigError where no flaw of that name can be drawn."""
    if label not in MASK_CLASSES:
        near = did_you_mean(label, MASK_CLASSES, most=1)
        raise ConfigError(f"no flaw is called {label!r}; choose from {', '.join(MASK_CLASSES)}{near}")
    return label


def _flaws_of(label: str, seed: int, **overrides: Any) -> tuple[Flaw, ...]:
    """A film's flaws, the same in each of its views: laid around the middle of the section, whatever a view's shift."""
    if label == NO_DEFECT:
        return ()
    spec = sample_spec(seed, 0, **(overrides | {"start_mm": 0.0, "angle_deg": 0.0}))
    along = max(spec.size) if _elongated(spec.size) else min(spec.size)
    spec = spec.model_copy(update={"size": (along, along)})
    return draw_flaws(label, spec, _rng(seed, _STREAM_FLAWS))  # type: ignore[arg-type]


def sample_film(label: str, seed: int, view: int = 0, **overrides: Any) -> SyntheticFilm:
    """A radiograph of class ``label``; everything but its flaws follows from ``seed`` and ``view`` alone.

    label: ``no_defect``, ``pore``, ``lack_of_penetration``, ``lack_of_fusion``, ``slag_inclusion`` or ``crack``.
    seed: number of the weld; ``view``: number of its exposure, with its own place, dose, window, marks and noise.
    overrides: fields of ``FilmSpec``.
    Raises ConfigError for an unknown label or setting.
    """
    flaws = _flaws_of(check_label(label), seed, **overrides)
    return make_film(sample_spec(seed, view, **overrides), flaws, _rng(seed, _STREAM_NOISE, view))
