"""What X-rays, films and detectors do: attenuation, contrast, unsharpness, scatter and the density curve.

Lengths in mm, energies in keV, intensities relative to what reaches the receptor behind the bare plate.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Field: TypeAlias = NDArray[np.float32]
"""``(H, W)`` float32, one value a pixel."""

# mu/rho in cm2/g from NIST, "Tables of X-Ray Mass Attenuation Coefficients" (NISTIR 5632, Hubbell and Seltzer), with
# coherent scatter, iron, lead and tungsten. K edges (lead 88 keV, tungsten 69.5 keV) lie between two entries, which
# makes a bridge.
_ENERGY_KEV = (40.0, 50.0, 60.0, 80.0, 100.0, 150.0, 200.0, 300.0, 400.0, 500.0, 600.0, 800.0, 1000.0, 1250.0)
# fmt: off
_IRON = (3.63, 1.958, 1.205, 0.5952, 0.3717, 0.1964, 0.1460, 0.1099, 0.0940, 0.08414, 0.07704, 0.06699, 0.05995, 0.0535)
_LEAD = (14.36, 8.041, 5.021, 2.419, 5.549, 2.014, 0.9985, 0.4031, 0.2323, 0.1614, 0.1248, 0.08870, 0.07102, 0.05876)
_TUNGSTEN = (10.67, 5.949, 3.713, 7.81, 4.438, 1.581, 0.7844, 0.3238, 0.1925, 0.1378, 0.1093, 0.08066, 0.06618, 0.05577)
# fmt: on
_IRON_G_CM3 = 7.874
_LEAD_G_CM3 = 11.35
_TUNGSTEN_G_CM3 = 19.3

FOG_DENSITY = 0.25
"""Base and fog of an unexposed film; ISO 11699-1 films are at or below 0.3."""
SATURATION_DENSITY = 7.0
"""Where the density curve ends; direct-exposure film is nearly linear up to half of it."""


def _per_mm(energy_kev: float, mass_attenuation: tuple[float, ...], density: float) -> float:
    logarithm = float(np.interp(math.log(energy_kev), np.log(_ENERGY_KEV), np.log(mass_attenuation)))
    return math.exp(logarithm) * density / 10.0


def iron_attenuation_per_mm(energy_kev: float) -> float:
    """Linear attenuation coefficient of iron in 1/mm for 40 to 1250 keV, interpolated on logarithmic axes.

    A tube's spectrum is stood for by one effective energy.
    Source: NIST mass attenuation coefficients times 7.874 g/cm3.
    """
    return _per_mm(energy_kev, _IRON, _IRON_G_CM3)


def lead_attenuation_per_mm(energy_kev: float) -> float:
    """Linear attenuation coefficient of lead in 1/mm for 40 to 1250 keV; see ``iron_attenuation_per_mm``."""
    return _per_mm(energy_kev, _LEAD, _LEAD_G_CM3)


def tungsten_attenuation_per_mm(energy_kev: float) -> float:
    """Linear attenuation coefficient of tungsten in 1/mm for 40 to 1250 keV; see ``iron_attenuation_per_mm``."""
    return _per_mm(energy_kev, _TUNGSTEN, _TUNGSTEN_G_CM3)


def flaw_contrast(void_mm: float, attenuation_per_mm: float, scatter_ratio: float) -> float:
    """Relative rise of intensity behind a void, ``(exp(mu * h) - 1) / (1 + k)`` with k = scatter over primary."""
    return math.expm1(attenuation_per_mm * void_mm) / (1.0 + scatter_ratio)


def total_unsharpness_mm(geometric_mm: float, inherent_mm: float) -> float:
    """Geometric (focal spot times magnification minus one) and inherent unsharpness, added as squares."""
    return math.hypot(geometric_mm, inherent_mm)


def blur_sigma_mm(unsharpness_mm: float) -> float:
    """The Gaussian that stands for an unsharpness U: its transfer falls to 20 % where wires of spacing U merge.

    A duplex pair is unresolved below 20 % dip (ISO 19232-5) and U is twice the basic spatial resolution, so
    ``exp(-2 pi^2 sigma^2 / U^2) = 0.2``.
    """
    return unsharpness_mm * math.sqrt(math.log(5.0) / 2.0) / math.pi


def wire_diameter_mm(number: int) -> float:
    """Diameter of image quality wire W1 (3.20 mm) to W19 (0.05 mm): every tenth step divides by ten (ISO 19232-1)."""
    return 3.2 * math.pow(10.0, -(number - 1) / 10.0)


def _curve_rate(plate_density: float) -> float:
    return -math.log1p(-(plate_density - FOG_DENSITY) / SATURATION_DENSITY)


def density_of(intensity: Field, plate_density: float) -> Field:
    """Optical density of a film from relative intensity; the bare plate (intensity 1) gives ``plate_density``.

    intensity: (H, W) float32, 0 or more; not modified.
    Direct-exposure film has density in proportion to dose until its grains run out:
    ``D = fog + S * (1 - exp(-rate * E))``.
    """
    import cv2

    curve: Field = np.asarray(cv2.exp(intensity * np.float32(-_curve_rate(plate_density))), dtype=np.float32)
    curve *= np.float32(-SATURATION_DENSITY)
    curve += np.float32(FOG_DENSITY + SATURATION_DENSITY)
    return curve


def density_slope(density: Field, plate_density: float) -> Field:
    """Slope of the density curve, density per relative intensity, from densities that lie on it."""
    rate = _curve_rate(plate_density)
    return np.asarray(
        np.float32(rate * (FOG_DENSITY + SATURATION_DENSITY)) - np.float32(rate) * density, dtype=np.float32
    )


def intensity_of(density: Field, plate_density: float) -> Field:
    """The inverse of ``density_of``; densities at or over saturation give infinity."""
    left = np.maximum(1.0 - (density - np.float32(FOG_DENSITY)) / np.float32(SATURATION_DENSITY), 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(left) / -_curve_rate(plate_density), dtype=np.float32)
