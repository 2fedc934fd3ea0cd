"""How well a reader sees a flaw: its contrast over the film's noise, and over how many pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lopore.synthesis.film import gain_per_mm
from lopore.synthesis.physics import Field, density_of, density_slope
from lopore.synthesis.seam import seam_thickness
from lopore.synthesis.spec import FilmSpec, Flaw

_ALONG_MM, _ACROSS_MM = 2.0, 0.5
_SUMMED_MM = 2.0
"""Length along which the eye adds up a line."""


@dataclass(frozen=True)
class Visibility:
    """Signal and noise over the seam, for one exposure."""

    spec: FilmSpec
    corner_mm: tuple[float, float]
    primary: Field

    @classmethod
    def of(cls, spec: FilmSpec) -> Visibility:
        """Evaluated on a coarse grid over all that the image shows of a seam along its x axis."""
        half = np.array([spec.size[1], spec.size[0]]) * spec.pixel_pitch_mm / 2 + 5.0
        along = np.arange(spec.start_mm - half[0], spec.start_mm + half[0], _ALONG_MM)
        reach = half[1] + abs(spec.offset_mm)
        across = np.arange(-reach, reach, _ACROSS_MM)
        metal = seam_thickness(spec, along, across)
        primary = np.asarray(np.exp(np.float32(-spec.attenuation_per_mm) * metal), np.float32)
        return cls(spec, (float(along[0]), float(across[0])), primary)

    def cnr(self, flaw: Flaw) -> float:
        """Largest difference of grey that a flaw causes over the noise of a pixel, after unsharpness; 0 or more."""
        spec = self.spec
        primary = self._primary_at(*flaw.centre_mm)
        share = 1.0 / (1.0 + spec.scatter_ratio)
        lit = primary * share + (1.0 - share) * min(1.0, 0.5 * (1.0 + primary))
        rise = math.expm1(gain_per_mm(flaw.kind, spec) * flaw.size_mm[2]) * primary * share
        signal, noise = self._signal_and_noise(lit, lit + rise)
        return signal * self._share_left(flaw) / noise

    def detectability(self, flaw: Flaw) -> float:
        """CNR times the root of the pixels that a reader adds up (Rose, JOSA 38, 1948); 5 is the limit of seeing."""
        length, width = (math.hypot(side, 2.0 * self._blur_mm()) for side in flaw.size_mm[:2])
        area = min(length, max(_SUMMED_MM, width)) * min(width, 4.0)
        return self.cnr(flaw) * math.sqrt(max(area / self.spec.pixel_pitch_mm**2, 1.0))

    def _primary_at(self, along_mm: float, across_mm: float) -> float:
        column = round((along_mm - self.corner_mm[0]) / _ALONG_MM)
        row = round((across_mm - self.corner_mm[1]) / _ACROSS_MM)
        rows, columns = self.primary.shape
        return float(self.primary[min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)])

    def _signal_and_noise(self, before: float, after: float) -> tuple[float, float]:
        spec = self.spec
        if spec.receptor == "detector":
            noise = math.sqrt(before / spec.quanta + spec.electronic_noise**2)
            return abs(after - before), max(noise, 1e-9)
        lit = np.array([[before, max(after, 0.0)]], np.float32)
        density = density_of(lit, spec.plate_density)
        slope = float(density_slope(density, spec.plate_density)[0, 0])
        variance = slope**2 * before / spec.quanta + float(density[0, 0]) * spec.grain**2
        return abs(float(density[0, 1] - density[0, 0])), math.sqrt(max(variance, 1e-12))

    def _blur_mm(self) -> float:
        return max(self.spec.blur_sigma_px, 0.3) * self.spec.pixel_pitch_mm

    def _share_left(self, flaw: Flaw) -> float:
        """The share of a flaw's contrast that unsharpness leaves at its middle."""
        blur = self._blur_mm() * math.sqrt(2.0) * 2.0
        return math.erf(flaw.size_mm[0] / blur) * math.erf(flaw.size_mm[1] / blur)
