"""How welds, exposures, scans and what lies on a film are spread over the films that a shop has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from lopore.synthesis.spec import FilmSpec, Markings, Seam

LETTERS = "ABCDEFGHKLMNPRSTUVWXYZ"


class WholeFilmSettings(BaseModel):
    """What is asked of a made film; None: drawn from its usual range."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    length_mm: float = Field(200.0, ge=30, le=500)
    height_mm: float | None = Field(None, ge=12, le=200, description="Across the seam; default: 42 to 60 mm")
    pixel_pitch_mm: float = Field(0.1, ge=0.03, le=0.25)
    receptor: str = Field("film", pattern="^(film|detector)$")
    bit_depth: int | None = Field(8, description="8 or 16; None: either", ge=8, le=16, multiple_of=8)
    sound_share: float = Field(0.15, ge=0, le=1, description="Share of films without an imperfection")


def spread(rng: np.random.Generator, low: float, high: float) -> float:
    """Even on a logarithmic scale."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def sample_spec(settings: WholeFilmSettings, rng: np.random.Generator) -> FilmSpec:
    """Weld, exposure and scan of one film."""
    pitch = settings.pixel_pitch_mm
    height = settings.height_mm or rng.uniform(42.0, 60.0)
    plate = spread(rng, 4.0, 40.0)
    energy = float(np.clip((75.0 + 4.5 * plate) * rng.uniform(0.85, 1.3), 60, 400))
    rows, columns = max(64, round(height / pitch)), max(64, round(settings.length_mm / pitch))
    seam = sample_seam(rng, plate, height)
    room = max(0.0, height / 2 - 0.5 * seam.width_mm)
    curved = rng.random() < 0.2
    blur = {"geometric_unsharpness_mm": spread(rng, 0.05, 0.5), "inherent_unsharpness_mm": rng.uniform(0.1, 0.35)}
    return FilmSpec(
        size=(rows, columns),
        pixel_pitch_mm=pitch,
        plate_thickness_mm=plate,
        energy_kev=energy,
        receptor="film" if settings.receptor == "film" else "detector",
        bit_depth=8 if (settings.bit_depth or rng.choice([8, 16])) == 8 else 16,
        scatter_ratio=rng.uniform(0.5, 2.5),
        **blur,
        **_noise(pitch, rng),
        plate_density=rng.uniform(1.8, 5.0),
        black_margin=rng.uniform(0.0, 0.2),
        white_margin=rng.uniform(0.05, 0.4),
        fall_off=rng.uniform(0.25, 0.6) if curved else rng.uniform(0.0, 0.2),
        unevenness=spread(rng, 0.003, 0.04),
        hot_spot=(rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.7)),
        angle_deg=float(np.clip(rng.normal(0, 0.8), -2.5, 2.5)) + (180.0 if rng.random() < 0.5 else 0.0),
        mirrored=bool(rng.random() < 0.2),
        start_mm=rng.uniform(-200, 200),
        offset_mm=float(np.clip(rng.normal(0, 0.15 * height), -room, room)),
        seam=seam,
        markings=_markings(rng, plate),
    )


def _noise(pitch: float, rng: np.random.Generator) -> dict[str, Any]:
    """Grain as scanned films show it: at 0.1 mm a neighbour correlates at 0.1 to 0.4, the one after it not at all."""
    area = (pitch / 0.1) ** 2
    return {
        "quanta": spread(rng, 4000, 60000) * area,
        "grain": spread(rng, 0.006, 0.022) / pitch * 0.1,
        "grain_size_mm": math.hypot(0.02, pitch * rng.uniform(0.3, 0.55)),
        "electronic_noise": spread(rng, 0.002, 0.008),
    }


def sample_seam(rng: np.random.Generator, plate: float, height: float) -> Seam:
    """From a smooth machine weld to a hand weld of rough beads; one in twelve is ground flat."""
    width = min(spread(rng, 7.0, 26.0), 0.7 * height)
    ground = rng.random() < 0.08
    cap = plate * rng.uniform(0.002, 0.02) if ground else plate * rng.uniform(0.12, 0.4) ** 1.2
    hand = spread(rng, 0.1, 2.2)
    beads = rng.random() < 0.4
    halo = rng.random() < 0.5
    return Seam(
        seed=int(rng.integers(2**31)),
        width_mm=width,
        cap_mm=cap,
        roundness=int(rng.choice([2, 4, 8], p=[0.4, 0.4, 0.2])),
        root_mm=plate * rng.uniform(0.0, 0.2),
        root_share=rng.uniform(0.15, 0.6),
        root_offset=float(np.clip(rng.normal(0, 0.1), -0.5, 0.5)),
        passes=int(rng.choice([1, 2, 3, 4], p=[0.6, 0.18, 0.15, 0.07])),
        groove_mm=cap * rng.uniform(0.05, 0.35),
        ripple_mm=min(0.07 * hand * rng.uniform(0.2, 1.8), 0.16) * cap,
        ripple_pitch_mm=spread(rng, 0.8, 6.0),
        chevron=float(rng.choice([-1, 1])) * rng.uniform(0.3, 4.0),
        lumps_mm=cap * float(np.clip(0.07 * hand * rng.uniform(0.6, 1.8), 0.01, 0.22)),
        edge_mm=width * float(np.clip(0.025 * hand * rng.uniform(0.4, 1.5), 0, 0.07)),
        wander_mm=width * rng.uniform(0.0, 0.05),
        curvature_per_m=float(np.clip(rng.normal(0, 0.3), -1, 1)),
        undercut_mm=cap * rng.uniform(0.0, 0.08),
        bead_mm=cap * spread(rng, 0.05, 0.5) if beads else 0.0,
        bead_pitch_mm=spread(rng, 2.5, 14.0),
        halo_mm=cap * rng.uniform(-0.15, 0.6) if halo else 0.0,
        halo_share=rng.uniform(1.25, 2.4),
        plate_texture_mm=plate * spread(rng, 0.00005, 0.002),
        plate_step_mm=0.0 if rng.random() < 0.7 else plate * rng.uniform(-0.08, 0.08),
    )


def text(rng: np.random.Generator) -> str:
    """What lead letters say: a shop's mark, a film number, a date's figures."""
    letters = "".join(rng.choice(list(LETTERS), int(rng.integers(1, 4))))
    digits = str(int(rng.integers(1, 10 ** int(rng.integers(1, 4)))))
    forms = (letters + digits, letters, digits, f"{letters} {digits}", f"{letters}-{digits}", " ".join(letters))
    return forms[int(rng.integers(len(forms)))]


def _markings(rng: np.random.Generator, plate: float) -> Markings:
    thickest = int(np.clip(round(16 - 5 * math.log10(plate / 3) + rng.normal(0, 1)), 6, 13)) - 3
    return Markings(
        letters=tuple(text(rng) for _ in range(int(rng.integers(0, 5)))),
        letter_height_mm=rng.uniform(4.5, 10.0),
        lead_mm=rng.uniform(0.8, 2.0),
        lead_scatter=rng.uniform(0.7, 1.0),
        arrow=bool(rng.random() < 0.1),
        first_wire=thickest if rng.random() < 0.6 else None,
        wire_count=int(rng.integers(4, 8)),
        spatter=int(rng.integers(1, 20)) if rng.random() < 0.3 else 0,
        scratches=int(rng.integers(1, 10)) if rng.random() < 0.6 else 0,
        dust=int(rng.integers(1, 30)) if rng.random() < 0.6 else 0,
        film_edge=bool(rng.random() < 0.25),
    )
