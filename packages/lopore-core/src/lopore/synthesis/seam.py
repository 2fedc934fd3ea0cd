"""The weld's thickness over the bare plate, drawn in seam coordinates on a coarse grid.

Random shapes are tables over a fixed length of seam, so that two exposures of one seam show the same ripples.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .physics import Field
from .spec import FilmSpec, Seam

SEAM_LENGTH_MM = 600.0
"""Length after which the random shapes of a seam come again."""


def smooth_noise(rng: np.random.Generator, place_mm: NDArray[np.float64], scale_mm: float) -> Field:
    """Random function of unit variance at the knots, sampled at places along the seam; ``scale_mm`` between knots."""
    count = max(4, round(SEAM_LENGTH_MM / scale_mm))
    knots = rng.standard_normal(count)
    position = np.mod(place_mm / SEAM_LENGTH_MM, 1.0) * count
    left = position.astype(np.int64) % count
    share = position - np.floor(position)
    share = share * share * (3.0 - 2.0 * share)
    return np.asarray(knots[left] * (1.0 - share) + knots[(left + 1) % count] * share, dtype=np.float32)


def _powered(x: Field, exponent: int) -> Field:
    result = x * x
    while exponent > 2:
        result *= result
        exponent //= 2
    return result


def _cap(
    seam: Seam, across: Field, along: NDArray[np.float64], lumps: Field, rng: np.random.Generator
) -> Field:  # fmt: skip
    """Cap of beads and ripples; ``across`` is (T, S) in half widths of the seam, 0 on its centre line."""
    height = np.maximum(1.0 - _powered(across, seam.roundness), 0.0)
    # Strength, spacing and level vary along the seam as speed and current do; lumps bend each ripple.
    level = 1.0 + 0.12 * smooth_noise(rng, along, 18.0) + 0.05 * smooth_noise(rng, along, 5.0)
    strength = np.clip(0.45 + 0.6 * smooth_noise(rng, along, 8.0), 0.0, 1.6)
    jitter = 0.9 * smooth_noise(rng, along, 5.0 * seam.ripple_pitch_mm)
    jitter += 0.3 * smooth_noise(rng, along, 1.4 * seam.ripple_pitch_mm)
    skew = 0.35 * smooth_noise(rng, along, 25.0)
    phase = (along / seam.ripple_pitch_mm + jitter).astype(np.float32) - seam.chevron * across * (across - skew)
    phase += np.float32(0.16) * lumps
    phase *= np.float32(2.0 * np.pi)
    ripple = np.sin(phase)
    ripple += 0.35 * np.sin(2.0 * phase + 0.8)
    ripple *= np.float32(0.8) + np.float32(0.4) * lumps
    relief = seam.cap_mm * level + (seam.ripple_mm * strength) * ripple
    if seam.passes > 1:
        beads = np.cos(across * np.float32(np.pi * seam.passes) + np.float32(np.pi * (seam.passes % 2)))
        relief -= seam.groove_mm * (0.5 + 0.5 * beads)
    return np.asarray(relief * height, dtype=np.float32)


def _beads(seam: Seam, across: Field, along: NDArray[np.float64], lumps: Field) -> Field:
    """Scales: each bead rises slowly and ends in a crescent step over the one before."""
    rng = np.random.default_rng([seam.seed, 2])
    shift = 0.35 * smooth_noise(rng, along, 2.0 * seam.bead_pitch_mm)
    phase = (along / seam.bead_pitch_mm + shift).astype(np.float32) - np.float32(0.9) * across * across
    phase += np.float32(0.06) * lumps
    share = phase - np.floor(phase)
    strength = np.clip(0.8 + 0.35 * smooth_noise(rng, along, 1.5 * seam.bead_pitch_mm), 0.1, 1.6)
    scale = share * np.minimum((1 - share) * np.float32(9.0), np.float32(1.0))
    return np.asarray(scale * np.maximum(1 - across * across, 0) ** 0.5 * (seam.bead_mm * strength), np.float32)


def _lumps(seam: Seam, along: NDArray[np.float64], rows: int, rng: np.random.Generator) -> Field:
    import cv2

    coarse = np.stack([smooth_noise(rng, along, 4.0) for _ in range(9)])
    fine = np.stack([smooth_noise(rng, along, 1.3) for _ in range(24)])
    size = (along.size, rows)
    lumps: Field = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    lumps += np.float32(0.4) * np.asarray(cv2.resize(fine, size, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    return lumps


def centre_line_mm(seam: Seam, along: NDArray[np.float64]) -> Field:
    """How far the middle of the seam lies off its straight axis, in mm, at places along it."""
    wander = smooth_noise(np.random.default_rng([seam.seed, 1]), along, 35.0)
    return np.asarray(seam.wander_mm * wander + seam.curvature_per_m * 5e-4 * along**2, dtype=np.float32)


def _toe(seam: Seam, along: NDArray[np.float64], rng: np.random.Generator) -> Field:
    """Wander of one toe, and the scallops that some ripples leave on it."""
    wander = 0.7 * smooth_noise(rng, along, 9.0) + 0.35 * smooth_noise(rng, along, 2.5)
    phase = along / (2.0 * seam.ripple_pitch_mm) + 0.8 * smooth_noise(rng, along, 6.0 * seam.ripple_pitch_mm)
    scallop = np.abs(np.sin(np.pi * phase)) * np.clip(smooth_noise(rng, along, 12.0), 0.0, 1.5)
    return np.asarray(seam.edge_mm * wander + 2.0 * seam.ripple_mm * scallop, dtype=np.float32)


def _across(seam: Seam, along: NDArray[np.float64], rows: NDArray[np.float64], rng: np.random.Generator) -> Field:
    """Place across the seam in half widths: each toe wanders on its own, scalloped by the ripples."""
    half = seam.width_mm / 2.0
    centre = centre_line_mm(seam, along)
    toes = [half + _toe(seam, along, rng) for _ in range(2)]
    distance = (rows[:, None] - centre[None, :]).astype(np.float32)
    above, below = (np.float32(1.0) / np.maximum(toe, 0.2 * half).astype(np.float32) for toe in toes)
    return np.asarray(distance * np.where(distance > 0, above, below), dtype=np.float32)


def seam_thickness(spec: FilmSpec, along_mm: NDArray[np.float64], across_mm: NDArray[np.float64]) -> Field:
    """Metal over the bare plate in mm, (len(across_mm), len(along_mm)), at places along and across the seam."""
    seam = spec.seam
    rng = np.random.default_rng(seam.seed)
    across = _across(seam, along_mm, across_mm, rng)
    lumps = _lumps(seam, along_mm, across_mm.size, rng)
    metal = _cap(seam, across, along_mm, lumps, rng)
    square = across * across
    body = np.maximum(1.0 - square, 0.0)
    swelling = 0.15 * smooth_noise(rng, along_mm, 6.0) + 0.06 * smooth_noise(rng, along_mm, 1.8)
    root_width = seam.root_share * (1.0 + swelling)
    root = (across - np.float32(seam.root_offset)) / np.maximum(root_width, 0.05)
    root_body = np.maximum(1.0 - root * root, 0.0)
    root_body *= root_body
    metal += root_body * (seam.root_mm * (1.0 + 0.25 * smooth_noise(rng, along_mm, 14.0)))
    if seam.bead_mm:
        metal += _beads(seam, across, along_mm, lumps)
    metal += lumps * (body * seam.lumps_mm + np.float32(0.3 * seam.plate_texture_mm))
    toe = np.maximum(1.0 - (np.abs(across) - 1.08) ** 2 * 60.0, 0.0)
    metal -= toe * (seam.undercut_mm * np.abs(smooth_noise(rng, along_mm, 7.0)))
    if seam.halo_mm:
        metal += seam.halo_mm * np.maximum(1.0 - _powered(across / np.float32(seam.halo_share), 4), 0.0)
    streaks = seam.plate_texture_mm * (smooth_noise(rng, across_mm, 1.5) + smooth_noise(rng, across_mm, 6.0))
    streaks += np.where(across_mm > 0, seam.plate_step_mm, 0.0).astype(np.float32)
    metal += streaks[:, None]
    return metal
