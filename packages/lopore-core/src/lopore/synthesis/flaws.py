"""Voids in the weld: how they look along the beam, and how they are spread over a seam."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .physics import Field
from .seam import centre_line_mm
from .spec import FilmSpec, Flaw, FlawKind


def _axis(length_mm: float, step_mm: float) -> NDArray[np.float32]:
    half = math.ceil(length_mm / step_mm / 2) + 2
    return ((np.arange(-half, half) + 0.5) * step_mm).astype(np.float32)


def _rough(rng: np.random.Generator, count: int, knots: int) -> NDArray[np.float32]:
    """Random walk without drift: ``count`` values of about unit size, changing over ``count / knots`` steps."""
    values = np.interp(np.linspace(0, knots - 1, count), np.arange(knots), rng.standard_normal(knots))
    return np.asarray(values, dtype=np.float32)


def _ellipsoid(flaw: Flaw, step: float) -> Field:
    length, width, depth = flaw.size_mm
    along, across = _axis(length, step), _axis(width, step)
    squared = (2 * along / length)[None, :] ** 2 + (2 * across / width)[:, None] ** 2
    return np.asarray(depth * np.sqrt(np.maximum(1.0 - squared, 0.0)), dtype=np.float32)


def _trace(across: Field, path: Field, half_width: Field, step: float) -> Field:
    """1 inside a gap that follows ``path``, falling to 0 over one step at its sides."""
    inside = (half_width[None, :] - np.abs(across[:, None] - path[None, :])) / np.float32(step) + np.float32(0.5)
    return np.asarray(np.clip(inside, 0.0, 1.0), dtype=np.float32)


def _ends(along: Field, length: float, taper: float) -> Field:
    return np.clip((length / 2 - np.abs(along)) / taper, 0.0, 1.0).astype(np.float32)


def _gap(flaw: Flaw, step: float, rng: np.random.Generator) -> Field:
    """Lack of penetration (upright sides) or of fusion (one side leans along the groove's face)."""
    length, width, _ = flaw.size_mm
    along, across = _axis(length, step), _axis(2.5 * width + 0.6, step)
    knots = max(4, round(length / 1.2))
    path = 0.06 * width * _rough(rng, along.size, knots) + 0.04 * _rough(rng, along.size, max(3, knots // 8))
    opening = np.clip(0.8 + 0.2 * _rough(rng, along.size, knots), 0.3, 1.2)
    deep = np.clip(0.6 + 0.3 * _rough(rng, along.size, knots), 0.15, 1.0) * _ends(along, length, min(0.5, length / 4))
    void = _trace(across, path, opening * np.float32(width / 2), step) * deep[None, :]
    if flaw.kind == "lack_of_fusion":
        lean = (across[:, None] - path[None, :]) / np.float32(width) + np.float32(0.6)
        void *= np.clip(lean, 0.15, 1.0)
    return np.asarray(void, dtype=np.float32)


def _slag(flaw: Flaw, step: float, rng: np.random.Generator) -> Field:
    length, width, _ = flaw.size_mm
    along, across = _axis(length, step), _axis(1.8 * width + 0.4, step)
    knots = max(4, round(length / 0.8))
    envelope = np.sqrt(np.maximum(1.0 - (2 * along / length) ** 2, 0.0))
    half = np.maximum(width / 2 * envelope * np.clip(0.8 + 0.25 * _rough(rng, along.size, knots), 0.2, 1.3), 1e-3)
    path = 0.15 * width * _rough(rng, along.size, max(3, knots // 2))
    distance = (across[:, None] - path[None, :]) / half[None, :].astype(np.float32)
    return np.asarray(np.maximum(1.0 - distance * distance, 0.0), dtype=np.float32)


def _crack(flaw: Flaw, step: float, rng: np.random.Generator) -> Field:
    length, width, _ = flaw.size_mm
    along, across = _axis(length, step), _axis(0.36 * length + 1.0, step)
    path = sum(
        (0.035 * length / 2**octave * _rough(rng, along.size, 4 * 2**octave) for octave in range(4)),
        np.zeros(along.size, np.float32),
    )
    half = (width / 2 * np.clip(0.7 + 0.4 * _rough(rng, along.size, 12), 0.15, 1.5)).astype(np.float32)
    taper = _ends(along, length, length / 3)
    void = _trace(across, path, half * (0.3 + 0.7 * taper), step) * np.sqrt(taper)[None, :]
    for _ in range(int(rng.integers(0, 4))):
        start, slope = rng.uniform(-0.4, 0.2) * length, rng.choice([-1, 1]) * rng.uniform(0.15, 0.5)
        run = along - np.float32(start)
        reach = rng.uniform(0.1, 0.3) * length
        alive = np.clip(np.minimum(run / 0.1, (reach - run) / reach), 0.0, 1.0).astype(np.float32)
        branch = path + np.float32(slope) * np.maximum(run, 0).astype(np.float32)
        void = np.maximum(void, _trace(across, branch, 0.5 * half, step) * (0.6 * alive)[None, :])
    return np.asarray(void, dtype=np.float32)


def _soft(flaw: Flaw, step: float, rng: np.random.Generator) -> Field:
    """Undercut, root concavity or excess penetration: a hollow or ridge that fades to its sides and ends."""
    length, width, _ = flaw.size_mm
    along, across = _axis(length, step), _axis(2.2 * width, step)
    knots = max(4, round(length / max(width, 1.0)))
    path = 0.08 * width * _rough(rng, along.size, knots)
    half = width / 2 * np.clip(0.9 + 0.2 * _rough(rng, along.size, knots), 0.4, 1.4)
    height = np.clip(0.7 + 0.3 * _rough(rng, along.size, knots), 0.15, 1.2) * _ends(along, length, length / 3)
    distance = (across[:, None] - path[None, :]) / half[None, :].astype(np.float32)
    profile = np.maximum(1.0 - distance * distance, 0.0)
    if flaw.kind == "undercut":  # steep towards the seam, slow towards the plate
        profile *= np.clip(0.75 - 0.5 * distance, 0.1, 1.0)
    return np.asarray(profile * height[None, :], dtype=np.float32)


def _worm(flaw: Flaw, step: float) -> Field:
    """A tapered tube: an escaping gas bubble, wider where it began."""
    length, width, depth = flaw.size_mm
    along, across = _axis(length, step), _axis(width, step)
    share = np.clip(along / length + 0.5, 0.0, 1.0)
    half = np.maximum(width / 2 * np.sqrt(np.maximum(share * (1 - share) * 4, 0.0)) * (1.0 - 0.6 * share), 1e-3)
    squared = (across[:, None] / half[None, :].astype(np.float32)) ** 2
    tube = np.sqrt(np.maximum(1.0 - squared, 0.0)) * half[None, :]
    return np.asarray(tube * (depth / max(float(tube.max()), 1e-6)), dtype=np.float32)


_DRAWERS = {
    "slag_inclusion": _slag, "crack": _crack, "undercut": _soft, "root_concavity": _soft, "excess_penetration": _soft,
}  # fmt: skip


def void_drawing(flaw: Flaw, step_mm: float) -> Field:
    """Length of the flaw along the beam in mm, (rows across, columns along) float32, ``step_mm`` a pixel, flaw centred.

    Its largest value is the flaw's depth.
    """
    if flaw.iso_6520 == "2016":
        return _worm(flaw, step_mm)
    if flaw.kind in ("pore", "tungsten_inclusion"):
        return _ellipsoid(flaw, step_mm)
    rng = np.random.default_rng(flaw.shape_seed)
    draw = _DRAWERS.get(flaw.kind, _gap)
    void = draw(flaw, step_mm, rng)
    return np.asarray(void * np.float32(flaw.size_mm[2] / max(float(void.max()), 1e-6)), dtype=np.float32)


def seam_angle(spec: FilmSpec, along: float) -> float:
    """Direction of the seam at a place along it, in degrees out of its axis."""
    ahead, back = (centre_line_mm(spec.seam, np.array([along + d]))[0] for d in (2.0, -2.0))
    return math.degrees(math.atan2(float(ahead - back), 4.0))


def place_on_seam(spec: FilmSpec, along: float, across_share: float) -> tuple[float, float]:
    """A place in mm from one along the seam and one across it, in half widths of the cap."""
    centre = float(centre_line_mm(spec.seam, np.array([along]))[0])
    return along, centre + across_share * spec.seam.width_mm / 2


def _reach_mm(spec: FilmSpec) -> float:
    """Half the length of seam in which flaws are laid; views that are shifted by a tenth still show all of it."""
    angle = math.radians(spec.angle_deg)
    extents = (spec.size[1] / max(abs(math.cos(angle)), 1e-6), spec.size[0] / max(abs(math.sin(angle)), 1e-6))
    return 0.36 * min(extents) * spec.pixel_pitch_mm


def _one_pore(spec: FilmSpec, position: tuple[float, float], diameter: float, rng: np.random.Generator) -> Flaw:
    depth = min(diameter * rng.uniform(0.65, 1.0), 0.8 * spec.plate_thickness_mm)
    return Flaw(
        kind="pore",
        centre_mm=position,
        size_mm=(diameter, diameter * rng.uniform(0.65, 1.0), depth),
        angle_deg=rng.uniform(0, 180),
    )


def _pores(spec: FilmSpec, rng: np.random.Generator) -> tuple[Flaw, ...]:
    """Single, clustered, linear or uniformly spread (ISO 6520-1: 2011, 2013, 2014, 2012)."""
    reach = _reach_mm(spec)
    middle = spec.start_mm + rng.uniform(-0.8, 0.8) * reach
    share = rng.uniform(-0.6, 0.6)
    largest = float(np.clip(math.exp(rng.normal(math.log(1.9), 0.4)), 1.2, 5.0))
    pattern = rng.choice(["single", "cluster", "linear", "uniform"], p=[0.4, 0.25, 0.2, 0.15])
    count = {"single": int(rng.integers(1, 4)), "cluster": int(rng.integers(6, 30)), "linear": int(rng.integers(3, 10)),
             "uniform": int(rng.integers(4, 14))}[str(pattern)]  # fmt: skip
    spacing = rng.uniform(1.5, 5.0)
    pores = []
    for index in range(count):
        diameter = largest if index == 0 else largest * rng.uniform(0.3, 1.0)
        if pattern == "cluster":
            along, across = middle + rng.normal(0, 3.0), share + rng.normal(0, 2.0) * 2 / spec.seam.width_mm
        elif pattern == "linear":
            along, across = middle + (index - count / 2) * spacing * rng.uniform(0.8, 1.2), share + rng.normal(0, 0.02)
        else:
            along, across = spec.start_mm + rng.uniform(-1, 1) * reach, rng.uniform(-0.7, 0.7)
        along = float(np.clip(along, spec.start_mm - reach, spec.start_mm + reach))
        pores.append(_one_pore(spec, place_on_seam(spec, along, float(np.clip(across, -0.85, 0.85))), diameter, rng))
    return tuple(pores)


def _line_of_gaps(spec: FilmSpec, kind: FlawKind, share: float, width: float, depth: float,
                  rng: np.random.Generator) -> tuple[Flaw, ...]:  # fmt: skip
    """A continuous or intermittent line along the seam, in pieces short enough to follow its bends."""
    reach = _reach_mm(spec)
    length = rng.uniform(0.35, 2.6) * reach
    first = spec.start_mm + rng.uniform(-0.9 * reach, 0.9 * reach - min(length, 1.8 * reach))
    intermittent = rng.random() < 0.5
    gaps: list[Flaw] = []
    position, end = first, first + length
    while position < end:
        piece = min(rng.uniform(3.0, 14.0), max(end - position, 2.0))
        # Pieces of an unbroken line overlap by their tapered ends.
        size = (piece + (0.0 if intermittent else 0.5), width * rng.uniform(0.8, 1.2), depth * rng.uniform(0.75, 1.0))
        centre = position + piece / 2
        gaps.append(Flaw(kind=kind, centre_mm=place_on_seam(spec, centre, share), size_mm=size,
                         angle_deg=seam_angle(spec, centre), shape_seed=int(rng.integers(2**31))))  # fmt: skip
        position += piece + (rng.uniform(0.8, 5.0) if intermittent else 0.0)
    return tuple(gaps)


def _depth(spec: FilmSpec, low: float, high: float, rng: np.random.Generator) -> float:
    return float(spec.plate_thickness_mm * math.exp(rng.uniform(math.log(low), math.log(high))))


def _lack_of_penetration(spec: FilmSpec, rng: np.random.Generator) -> tuple[Flaw, ...]:
    width = math.exp(rng.uniform(math.log(0.3), math.log(1.0)))
    share = spec.seam.root_offset + rng.normal(0, 0.02)
    return _line_of_gaps(spec, "lack_of_penetration", share, width, _depth(spec, 0.11, 0.35, rng), rng)


def _lack_of_fusion(spec: FilmSpec, rng: np.random.Generator) -> tuple[Flaw, ...]:
    share = rng.choice([-1, 1]) * rng.uniform(0.45, 0.85)
    return _line_of_gaps(spec, "lack_of_fusion", share, rng.uniform(0.4, 1.4), _depth(spec, 0.08, 0.25, rng), rng)


def _inclusions(spec: FilmSpec, kind: FlawKind, length: tuple[float, float], width: tuple[float, float],
                rng: np.random.Generator) -> tuple[Flaw, ...]:  # fmt: skip
    reach = _reach_mm(spec)
    # A long one would wander or slant out of a narrow weld.
    longest = max(min(length[1], 1.4 * spec.seam.width_mm), length[0])
    found = []
    for _ in range(int(rng.integers(1, 4))):
        along = spec.start_mm + rng.uniform(-0.7, 0.7) * reach
        size = (rng.uniform(length[0], longest), rng.uniform(*width), _depth(spec, 0.06, 0.25, rng))
        found.append(Flaw(kind=kind, centre_mm=place_on_seam(spec, along, rng.uniform(-0.45, 0.45)), size_mm=size,
                          angle_deg=rng.normal(0, 8), shape_seed=int(rng.integers(2**31))))  # fmt: skip
    return tuple(found)


def _tungsten(spec: FilmSpec, rng: np.random.Generator) -> tuple[Flaw, ...]:
    """Splinters of the electrode: small, dense, sharply bounded."""
    reach = _reach_mm(spec)
    found = []
    for index in range(int(rng.integers(1, 7))):
        size = rng.uniform(1.0, 2.0) if index == 0 else rng.uniform(0.3, 1.5)
        along, share = spec.start_mm + rng.uniform(-1, 1) * reach, rng.uniform(-0.6, 0.6)
        found.append(Flaw(kind="tungsten_inclusion", centre_mm=place_on_seam(spec, along, share),
                          size_mm=(size, size * rng.uniform(0.5, 1.0), 0.5 * size * rng.uniform(0.4, 1.0)),
                          angle_deg=rng.uniform(0, 180)))  # fmt: skip
    return tuple(found)


def draw_flaws(kind: FlawKind, spec: FilmSpec, rng: np.random.Generator) -> tuple[Flaw, ...]:
    """Flaws of one kind spread over the part of the seam that ``spec`` shows, from plain to barely visible.

    Every one has its centre well inside the image as long as the seam runs through it.
    """
    if kind == "pore":
        return _pores(spec, rng)
    if kind == "lack_of_penetration":
        return _lack_of_penetration(spec, rng)
    if kind == "lack_of_fusion":
        return _lack_of_fusion(spec, rng)
    if kind == "tungsten_inclusion":
        return _tungsten(spec, rng)
    if kind == "undercut":
        share = rng.choice([-1, 1]) * rng.uniform(0.95, 1.05)
        return _line_of_gaps(spec, kind, share, rng.uniform(0.6, 1.6), _depth(spec, 0.05, 0.15, rng), rng)
    if kind in ("root_concavity", "excess_penetration"):
        width = max(0.8, 0.3 * spec.seam.width_mm * rng.uniform(0.6, 1.0))
        return _line_of_gaps(spec, kind, spec.seam.root_offset, width, _depth(spec, 0.08, 0.2, rng), rng)
    if kind == "slag_inclusion":
        return _inclusions(spec, kind, (2.0, 12.0), (0.5, 2.0), rng)
    return _inclusions(spec, kind, (4.0, 30.0), (0.2, 0.7), rng)
