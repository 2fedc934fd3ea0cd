"""How far each enhancement looks: a part of a film with so many pixels around it gives the pixels of the whole film.

What is not listed needs the whole film, or its statistics (``survey``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import parameters as p

GAUSSIAN_TAPS = 8
"""OpenCV's kernel of a Gaussian spans at most so many sigmas: 4 to each side for 16 bit, 3 for 8 bit."""


def _radius(params: Any) -> int:
    return int(params.radius)


def _gaussian(params: p.Gaussian | p.UnsharpMask) -> int:
    return round(params.sigma * GAUSSIAN_TAPS / 2) + 1


def _non_local(params: p.NonLocalMeans) -> int:
    return params.patch_radius + params.search_radius


def _local_contrast(params: p.LocalContrast) -> int:
    from .local_contrast import local_contrast_reach  # OpenCV is imported there

    return local_contrast_reach(**vars(params))


def _contrast_to_noise(params: p.ContrastToNoise) -> int:
    from .contrast_to_noise import contrast_to_noise_reach  # OpenCV is imported there

    return contrast_to_noise_reach(**vars(params))


REACH: Mapping[str, Callable[[Any], int]] = {
    "greyscale": lambda params: 0,
    "median": _radius,
    "mean": _radius,
    "minimum": _radius,
    "maximum": _radius,
    "gaussian": _gaussian,
    "unsharp-mask": _gaussian,
    "local-contrast": _local_contrast,
    "contrast-to-noise": _contrast_to_noise,
    "sharpness": lambda params: 1,
    "non-local-means": _non_local,
}
"""Enhancer's name to ``(params) -> pixels``."""
