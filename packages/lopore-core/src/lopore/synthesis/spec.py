"""What a synthetic film is made from, as data: the seam, the exposure, the marks on it and the flaws in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from lopore.affine import Affine
from lopore.arrays import Pixels

from .lettering import CHARACTERS
from .physics import blur_sigma_mm, iron_attenuation_per_mm, total_unsharpness_mm

FlawKind: TypeAlias = Literal[
    "pore", "lack_of_penetration", "lack_of_fusion", "slag_inclusion", "crack",
    "tungsten_inclusion", "undercut", "root_concavity", "excess_penetration",
]  # fmt: skip
Receptor: TypeAlias = Literal["film", "detector"]

NO_DEFECT = "no_defect"
ISO_6520_NUMBERS: dict[str, str] = {
    "crack": "100",
    "pore": "2011",
    "slag_inclusion": "301",
    "tungsten_inclusion": "304",
    "lack_of_fusion": "401",
    "lack_of_penetration": "402",
    "undercut": "501",
    "excess_penetration": "504",
    "root_concavity": "515",
}
"""Reference numbers of ISO 6520-1 for the kinds of flaw drawn here."""
MASK_CLASSES: tuple[str, ...] = (
    NO_DEFECT,
    "pore",
    "lack_of_penetration",
    "lack_of_fusion",
    "slag_inclusion",
    "crack",
    "tungsten_inclusion",
    "undercut",
    "root_concavity",
    "excess_penetration",
)
"""The class that each value of a mask stands for, 0 first."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Seam(_Part):
    """The weld: cap and root above the plate, and how evenly the welder worked. Shapes follow from ``seed``."""

    seed: int = Field(0, ge=0, description="Decides every random shape of the seam")
    width_mm: float = Field(16.0, gt=0, description="Width of the cap")
    cap_mm: float = Field(1.8, ge=0, description="Height of the cap over the plate")
    roundness: Literal[2, 4, 8] = Field(4, description="Exponent of the cap's profile: 2 is a parabola, 8 nearly flat")
    root_mm: float = Field(0.6, ge=0, description="Height of the root on the far side")
    root_share: float = Field(0.35, gt=0, le=1, description="Width of the root over that of the cap")
    root_offset: float = Field(0.0, ge=-0.6, le=0.6, description="Root's place across the cap, in half widths")
    passes: int = Field(1, ge=1, le=4, description="Beads side by side in the cap")
    groove_mm: float = Field(0.2, ge=0, description="Depth between two such beads")
    ripple_mm: float = Field(0.12, ge=0, description="Height of the ripples")
    ripple_pitch_mm: float = Field(2.0, gt=0)
    chevron: float = Field(0.8, description="How far ripples lag behind at the toes, in pitches")
    lumps_mm: float = Field(0.2, ge=0, description="Unevenness of the deposit")
    edge_mm: float = Field(0.4, ge=0, description="Wander of each toe")
    wander_mm: float = Field(0.3, ge=0, description="Wander of the centre line")
    curvature_per_m: float = Field(0.0, ge=-10, le=10)
    undercut_mm: float = Field(0.1, ge=0, description="Groove along the toes")
    bead_mm: float = Field(0.0, ge=0, description="Height of beads that lie on each other like scales")
    bead_pitch_mm: float = Field(6.0, gt=0, description="Length of one such bead")
    halo_mm: float = Field(0.0, ge=-3, description="A second, wider layer or a backing strip")
    halo_share: float = Field(1.7, gt=1, description="Its width over that of the cap")
    plate_texture_mm: float = Field(0.03, ge=0, description="Unevenness of the plate")
    plate_step_mm: float = Field(0.0, description="How much thicker the plate is on one side of the seam")


class Markings(_Part):
    """Everything on a radiograph that is neither weld nor flaw; the same for every class."""

    letters: tuple[str, ...] = Field((), description="Lead marks, one plaque each: capital letters, digits, spaces")
    letter_height_mm: float = Field(7.0, gt=0)
    lead_mm: float = Field(1.5, gt=0, description="Thickness of the lead")
    lead_scatter: float = Field(0.7, ge=0, le=1, description="Part of the scatter that reaches the film beneath lead")
    arrow: bool = False
    first_wire: int | None = Field(
        None, ge=1, le=19, description="Thickest wire of the IQI, W1 to W19; none by default"
    )
    wire_count: int = Field(7, ge=1, le=7)
    spatter: int = Field(0, ge=0, le=200, description="Drops of weld metal on the plate")
    scratches: int = Field(0, ge=0, le=50)
    dust: int = Field(0, ge=0, le=500)
    film_edge: bool = Field(False, description="The scan runs over one edge of the film")

    @field_validator("letters")
    @classmethod
    def _known(cls, letters: tuple[str, ...]) -> tuple[str, ...]:
        for text in letters:
            if not text or not CHARACTERS.issuperset(text):
                raise ValueError(f"lead letters {text!r} are not on offer; use A to Z, 0 to 9, '-' and spaces")
        return letters


class FilmSpec(_Part):
    """One exposure of one weld, complete but for its flaws; equal specs, flaws and seeds give equal bytes."""

    size: tuple[int, int] = Field((640, 640), description="Height and width in pixels, 64 to 20 000 each")
    pixel_pitch_mm: float = Field(0.1, gt=0)
    plate_thickness_mm: float = Field(10.0, gt=0)
    energy_kev: float = Field(160.0, ge=40, le=1250, description="Effective energy")
    receptor: Receptor = "film"
    bit_depth: Literal[8, 16] = 8
    quanta: float = Field(8000.0, gt=0, description="X-ray quanta used per pixel behind the bare plate: the dose")
    grain: float = Field(0.012, ge=0, description="Film: standard deviation of density 1 from grain and scanner")
    grain_size_mm: float = Field(0.07, ge=0, description="Film: blur of grain and quantum noise as scanned")
    electronic_noise: float = Field(0.002, ge=0, description="Detector: in parts of the plate's signal")
    scatter_ratio: float = Field(1.0, ge=0, description="Scattered over primary intensity behind the bare plate")
    geometric_unsharpness_mm: float = Field(0.2, ge=0)
    inherent_unsharpness_mm: float = Field(0.15, ge=0)
    plate_density: float = Field(3.2, ge=0.5, le=6.5, description="Film: optical density behind the bare plate")
    black_margin: float = Field(0.1, ge=-0.9, le=3, description="Display range beyond the darkest metal")
    white_margin: float = Field(0.1, ge=-0.9, le=3, description="Display range beyond the lightest metal")
    fall_off: float = Field(0.08, ge=0, le=0.9, description="Loss of intensity towards the corners")
    unevenness: float = Field(0.015, ge=0, le=0.3, description="Slow variation of exposure and processing")
    hot_spot: tuple[float, float] = Field((0.5, 0.5), description="Centre of the beam, in parts of height and width")
    angle_deg: float = Field(0.0, description="Direction of the seam in the image, clockwise from the x axis")
    mirrored: bool = Field(False, description="Seen from the back: letters read reversed")
    start_mm: float = Field(0.0, description="Place along the seam at the centre of the image")
    offset_mm: float = Field(0.0, description="Distance of the seam from the centre of the image")
    seam: Seam = Seam()
    markings: Markings = Markings()

    @property
    def attenuation_per_mm(self) -> float:
        """Attenuation coefficient of iron at this energy."""
        return iron_attenuation_per_mm(self.energy_kev)

    @property
    def blur_sigma_px(self) -> float:
        """Standard deviation of the Gaussian for geometric and inherent unsharpness together, in pixels."""
        unsharpness = total_unsharpness_mm(self.geometric_unsharpness_mm, self.inherent_unsharpness_mm)
        return blur_sigma_mm(unsharpness) / self.pixel_pitch_mm

    def mm_to_px(self) -> Affine:
        """From seam coordinates in mm (x along the seam, y across it) to image coordinates in pixels."""
        angle = math.radians(self.angle_deg)
        scale = 1.0 / self.pixel_pitch_mm
        cosine, sine = math.cos(angle) * scale, math.sin(angle) * scale
        sign = -1.0 if self.mirrored else 1.0
        centre = Affine(1, 0, -self.start_mm, 0, 1, self.offset_mm)
        return centre.then(Affine(cosine, -sine * sign, self.size[1] / 2, sine, cosine * sign, self.size[0] / 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One imperfection of the weld, in seam coordinates: a void, or more or denser metal.

    kind: class, named as in ISO 6520-1. ``tungsten_inclusion`` and ``excess_penetration`` are metal, all others voids.
    centre_mm: (along the seam, across it).
    size_mm: (length, width, depth along the beam); pores and tungsten are ellipsoids of these axes, undercut, root
        concavity and excess penetration soft hollows or ridges, the others gaps.
    angle_deg: turn of the length out of the seam's direction.
    shape_seed: decides the roughness of gaps.
    number: of ISO 6520-1 where it is finer than that of the kind, such as 2016 for a worm-hole; empty: the kind's.
    """

    kind: FlawKind
    centre_mm: tuple[float, float]
    size_mm: tuple[float, float, float]
    angle_deg: float = 0.0
    shape_seed: int = 0
    number: str = ""

    @property
    def iso_6520(self) -> str:
        """Reference number of ISO 6520-1."""
        return self.number or ISO_6520_NUMBERS[self.kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlawTruth:
    """One flaw as it lies in an image.

    flaw: what was drawn, in mm.
    centre_px: (x, y), continuous, (0.5, 0.5) the centre of the first pixel.
    box_px: (left, top, right, bottom) of its part of the mask, right and bottom exclusive.
    contrast: largest relative rise of intensity that it causes before unsharpness; negative for metal.
    """

    flaw: Flaw
    centre_px: tuple[float, float]
    box_px: tuple[int, int, int, int]
    contrast: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticFilm:
    """A made radiograph and everything that is true of it.

    pixels: (H, W) uint8 or uint16. Film: light is thick metal, pores are dark. Detector: the other way round.
    mask: (H, W) uint8, index into ``MASK_CLASSES``.
    flaws: those with at least one pixel in the image.
    grey_range: what grey 0 and the largest grey stand for: optical density (film) or relative intensity (detector).
    spec: what it was made from.
    """

    pixels: Pixels
    mask: NDArray[np.uint8]
    flaws: tuple[FlawTruth, ...]
    grey_range: tuple[float, float]
    spec: FilmSpec

    def physical(self) -> NDArray[Any]:
        """Pixels as optical density (film) or relative intensity (detector), float32."""
        low, high = self.grey_range
        return (low + self.pixels.astype(np.float32) * np.float32((high - low) / (2**self.spec.bit_depth - 1))).astype(
            np.float32
        )
