"""From a spec and flaws to a radiograph: attenuation, scatter, unsharpness, noise, density curve, scan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.errors import ConfigError

from .flaws import void_drawing
from .markings import Patch, lead_marks, mark_film, steel_marks
from .physics import (
    Field,
    density_of,
    density_slope,
    flaw_contrast,
    lead_attenuation_per_mm,
    tungsten_attenuation_per_mm,
)
from .seam import seam_thickness
from .spec import MASK_CLASSES, FilmSpec, Flaw, FlawKind, FlawTruth, SyntheticFilm
from .stamping import lay, local_to_px

_SEAM_STEP_PX = 2
_SLOW_STEP_PX = 16
# Of a flaw's largest depth: what is shallower is not marked.
_MASK_SHARE = 0.03
_DETECTOR_FULL_SCALE = 3.0
_FILM_FULL_SCALE = 5.0


@dataclass(frozen=True, slots=True)
class _Streams:
    """One source of chance a purpose, so that flaws never shift noise or letters."""

    exposure: np.random.Generator
    marks: np.random.Generator
    noise: np.random.Generator
    scan: np.random.Generator

    @classmethod
    def from_one(cls, rng: np.random.Generator) -> _Streams:
        return cls(*(np.random.default_rng(int(seed)) for seed in rng.integers(0, 2**63, size=4)))


def _checked(spec: FilmSpec) -> FilmSpec:
    if min(spec.size) < 64 or max(spec.size) > 20_000:
        raise ConfigError(f"a film of {spec.size[0]} x {spec.size[1]} px cannot be made; give 64 to 20000 px a side")
    return spec


def _primary(spec: FilmSpec) -> Field:
    """Unscattered intensity behind plate and seam; the bare plate is 1."""
    import cv2

    rows, columns = spec.size
    to_mm = spec.mm_to_px().inverse()
    corners = np.array([to_mm(x, y) for x in (0, columns) for y in (0, rows)])
    step = _SEAM_STEP_PX * spec.pixel_pitch_mm
    low, high = corners.min(axis=0) - 3 * step, corners.max(axis=0) + 3 * step
    along, across = (np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True))
    metal = seam_thickness(spec, along, across)
    metal *= np.float32(-spec.attenuation_per_mm)
    laid = lay(metal, Affine(step, 0, float(low[0]), 0, step, float(low[1])).then(spec.mm_to_px()), spec.size)
    if laid is None or laid[1].shape != spec.size:
        raise ConfigError(f"the seam at angle {spec.angle_deg} does not cover the image; mend size and pixel_pitch_mm")
    return np.asarray(cv2.exp(laid[1]), dtype=np.float32)


def gain_per_mm(kind: FlawKind, spec: FilmSpec) -> float:
    """Logarithm of the primary intensity's rise for each mm of a flaw; negative where it is metal."""
    if kind == "tungsten_inclusion":
        return spec.attenuation_per_mm - tungsten_attenuation_per_mm(spec.energy_kev)
    return -spec.attenuation_per_mm if kind == "excess_penetration" else spec.attenuation_per_mm


def _lay_flaws(
    primary: Field, spec: FilmSpec, flaws: Sequence[Flaw]
) -> tuple[NDArray[np.uint8], tuple[FlawTruth, ...]]:
    """Let more through where there are voids, in place; the mask, and what lies in the image."""
    mask = np.zeros(spec.size, np.uint8)
    truths = []
    step, to_px = spec.pixel_pitch_mm / 2, spec.mm_to_px()
    for flaw in flaws:
        void = void_drawing(flaw, step)
        laid = lay(void, local_to_px(to_px, flaw.centre_mm, flaw.angle_deg, void.shape, step), spec.size)
        if laid is None:
            continue
        area, depth = laid
        gain = gain_per_mm(flaw.kind, spec)
        primary[area] *= np.exp(np.float32(gain) * depth)
        inside = depth > _MASK_SHARE * flaw.size_mm[2]
        if not inside.any():
            continue
        mask[area][inside] = MASK_CLASSES.index(flaw.kind)
        rows, columns = np.nonzero(inside.any(axis=1))[0], np.nonzero(inside.any(axis=0))[0]
        top, left = area[0].start, area[1].start
        box = (left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1)
        contrast = flaw_contrast(flaw.size_mm[2], gain, spec.scatter_ratio)
        truths.append(FlawTruth(flaw=flaw, centre_px=to_px(*flaw.centre_mm), box_px=box, contrast=contrast))
    return mask, tuple(truths)


def _slow_fields(primary: Field, spec: FilmSpec, rng: np.random.Generator) -> tuple[Field, Field, Field]:
    """Primary, scatter and beam strength on a coarse grid; scatter is the primary smeared over the plate's depth."""
    import cv2

    rows, columns = (max(4, -(-length // _SLOW_STEP_PX)) for length in spec.size)
    coarse = cv2.resize(primary, (columns, rows), interpolation=cv2.INTER_AREA)
    reach = max(1.5 * spec.plate_thickness_mm / spec.pixel_pitch_mm / _SLOW_STEP_PX, 1.0)
    scatter = cv2.GaussianBlur(coarse, (0, 0), reach, borderType=cv2.BORDER_REPLICATE)
    y = np.linspace(0, 1, rows, dtype=np.float32)[:, None] - np.float32(spec.hot_spot[0])
    x = np.linspace(0, 1, columns, dtype=np.float32)[None, :] - np.float32(spec.hot_spot[1])
    patches = cv2.resize(rng.standard_normal((4, 4), np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC)
    beam = (1.0 - spec.fall_off * 2.0 * (x * x + y * y)) * (1.0 + spec.unevenness * patches)
    return np.asarray(coarse, np.float32), np.asarray(scatter, np.float32), np.maximum(beam, 0.02).astype(np.float32)


def _grow(coarse: Field, spec: FilmSpec) -> Field:
    import cv2

    grown = cv2.resize(coarse, spec.size[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown, dtype=np.float32)


def _expose(primary: Field, scatter: Field, beam: Field, spec: FilmSpec) -> Field:
    """Primary plus scatter, weakened by the beam's fall-off; 1 behind the bare plate. ``primary`` is used up."""
    share = spec.scatter_ratio / (1.0 + spec.scatter_ratio)
    primary *= _grow(beam * np.float32(1.0 - share), spec)
    primary += _grow(scatter * beam * np.float32(share), spec)
    return primary


def _lay_lead(intensity: Field, spec: FilmSpec, marks: Iterable[Patch]) -> None:
    attenuation = np.float32(-lead_attenuation_per_mm(spec.energy_kev))
    left = np.float32(spec.markings.lead_scatter * spec.scatter_ratio / (1.0 + spec.scatter_ratio))
    for area, lead in marks:
        intensity[area] *= left + (1 - left) * np.exp(attenuation * lead)


def _blur(intensity: Field, sigma_px: float) -> Field:
    import cv2

    if sigma_px < 0.1:
        return intensity
    return np.asarray(cv2.GaussianBlur(intensity, (0, 0), sigma_px, borderType=cv2.BORDER_REPLICATE), dtype=np.float32)


def _noise(size: tuple[int, int], sigma_px: float, rng: np.random.Generator) -> Field:
    """Normal noise of variance 1, smeared over ``sigma_px``."""
    import cv2

    noise = rng.standard_normal(size, np.float32)
    if sigma_px < 0.2:
        return noise
    width = 2 * int(np.ceil(3 * sigma_px)) + 1
    kernel = cv2.getGaussianKernel(width, sigma_px, cv2.CV_32F)
    # Smearing divides the deviation by the root of the kernel's energy, in each direction.
    kernel = kernel / np.sqrt(np.sum(kernel * kernel))
    return np.asarray(cv2.sepFilter2D(noise, cv2.CV_32F, kernel, kernel), dtype=np.float32)


def _develop(intensity: Field, spec: FilmSpec, rng: np.random.Generator) -> Field:
    """Density with quantum noise, through the curve's slope, and grain, whose variance grows with density (Selwyn).

    At thousands of quanta a pixel Poisson's law is a normal one of equal mean and variance.
    """
    import cv2

    density = density_of(intensity, spec.plate_density)
    slope = density_slope(density, spec.plate_density)
    slope *= slope
    slope *= intensity
    variance = cv2.addWeighted(slope, 1.0 / spec.quanta, density, spec.grain**2, 0.0)
    noise = _noise(spec.size, spec.grain_size_mm / spec.pixel_pitch_mm, rng)
    noise *= cv2.sqrt(variance)
    density += noise
    return density


def _read_out(intensity: Field, spec: FilmSpec, rng: np.random.Generator) -> Field:
    """Intensity with quantum noise, the electronics' noise and its lines."""
    import cv2

    variance = cv2.addWeighted(intensity, 1.0 / spec.quanta, intensity, 0.0, spec.electronic_noise**2)
    intensity += _noise(spec.size, 0.0, rng) * cv2.sqrt(variance)
    lines = rng.standard_normal((spec.size[0], 1), np.float32) * np.float32(0.3 * spec.electronic_noise)
    intensity += lines
    return intensity


def _grey_range(coarse: Field, scatter: Field, beam: Field, spec: FilmSpec) -> tuple[float, float]:
    """What black and white stand for: the whole scale for 16 bits, a window on plate and seam for 8.

    Taken from the metal alone, so that neither flaws nor letters move it.
    """
    film = spec.receptor == "film"
    if spec.bit_depth == 16:
        return (_FILM_FULL_SCALE, 0.0) if film else (0.0, _DETECTOR_FULL_SCALE)
    intensity = (coarse + np.float32(spec.scatter_ratio) * scatter) * beam / np.float32(1.0 + spec.scatter_ratio)
    values = density_of(intensity, spec.plate_density) if film else intensity
    low, high = (float(value) for value in np.percentile(values, (1.0, 99.0)))
    span = max(high - low, 0.5 if film else 0.1)
    if film:
        return high + spec.black_margin * span, low - spec.white_margin * span
    return low - spec.black_margin * span, high + spec.white_margin * span


def _scan(values: Field, grey_range: tuple[float, float], bit_depth: int) -> Pixels:
    import cv2

    scale = (2**bit_depth - 1) / (grey_range[1] - grey_range[0])
    depth = cv2.CV_8U if bit_depth == 8 else cv2.CV_16U
    grey: Pixels = cv2.addWeighted(values, scale, values, 0.0, -grey_range[0] * scale, dtype=depth)
    return grey


Traces: TypeAlias = Callable[[Field, tuple[float, float], np.random.Generator], None]
"""Draws into density or intensity (H, W) in place; told what black and white stand for."""


def make_film(
    spec: FilmSpec,
    flaws: Sequence[Flaw],
    rng: np.random.Generator,
    *,
    lead: Iterable[Patch] = (),
    traces: Traces | None = None,
) -> SyntheticFilm:
    """One radiograph of the weld in ``spec`` with the given flaws.

    flaws: in seam coordinates; those outside the image leave no trace and no truth.
    rng: noise, places of marks, unevenness. Equal seeds give equal pixels wherever there is no flaw.
    lead: more lead in mm, besides the letters of ``spec.markings``. traces: what the film or the panel shows besides
    the exposure; drawn last.
    Returns pixels (H, W) uint8 or uint16, mask (H, W) uint8 and the truth.
    Raises ConfigError for a size outside 64 to 20 000 px.
    """
    spec, streams = _checked(spec), _Streams.from_one(rng)
    primary = _primary(spec)
    coarse, scatter, beam = _slow_fields(primary, spec, streams.exposure)
    mask, truths = _lay_flaws(primary, spec, flaws)
    for area, steel in steel_marks(spec, streams.marks):
        primary[area] *= np.exp(np.float32(-spec.attenuation_per_mm) * steel)
    intensity = _expose(primary, scatter, beam, spec)
    _lay_lead(intensity, spec, lead_marks(spec, streams.marks))
    _lay_lead(intensity, spec, lead)
    exposed = _blur(intensity, spec.blur_sigma_px)
    receive = _develop if spec.receptor == "film" else _read_out
    values = receive(exposed, spec, streams.noise)
    grey_range = _grey_range(coarse, scatter, beam, spec)
    if spec.receptor == "film":
        mark_film(values, spec, grey_range, streams.scan)
    if traces is not None:
        traces(values, grey_range, streams.scan)
    pixels = _scan(values, grey_range, spec.bit_depth)
    return SyntheticFilm(pixels=pixels, mask=mask, flaws=truths, grey_range=grey_range, spec=spec)
