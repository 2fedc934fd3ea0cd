"""Named chains, as data: what to try first on a film."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

Chain = tuple[Mapping[str, Any], ...]


def _chain(*steps: dict[str, Any]) -> Chain:
    return tuple(MappingProxyType(step) for step in steps)


FILM_WINDOW = {"name": "stretch", "low": 0.5, "high": 99.5}
"""First in every chain: on a 16-bit film that uses 250 of 65 536 grey values nothing else shows anything."""
CLAHE = {"name": "clahe", "clip_limit": 2.0, "tiles": 8}

PRESETS: Mapping[str, Chain] = MappingProxyType(
    {
        "Film window": _chain(FILM_WINDOW),
        "Detector seen as film": _chain(FILM_WINDOW, {"name": "invert"}),
        "Film window + CLAHE": _chain(FILM_WINDOW, CLAHE),
        "CLAHE + Denoise": _chain(FILM_WINDOW, CLAHE, {"name": "non-local-means", "strength": 6.0}),
        "CLAHE + Median (fast)": _chain(FILM_WINDOW, CLAHE, {"name": "median", "radius": 1}),
        "Sharpen + Gamma": _chain(
            FILM_WINDOW, {"name": "unsharp-mask", "sigma": 1.5, "amount": 1.5}, {"name": "gamma", "gamma": 0.7}
        ),
        "Flatten + CLAHE": _chain(FILM_WINDOW, {"name": "flatten", "sigma": 40.0}, FILM_WINDOW, CLAHE),
        "Fine pores": _chain(
            FILM_WINDOW,
            {"name": "median", "radius": 1},
            {"name": "flatten", "sigma": 15.0},
            {"name": "stretch", "low": 1.0, "high": 99.0},
            {"name": "unsharp-mask", "sigma": 2.0, "amount": 1.0},
        ),
        "Root line": _chain(
            FILM_WINDOW,
            {"name": "bilateral", "radius": 4, "sigma_grey": 15.0, "sigma_space": 3.0},
            {"name": "flatten", "sigma": 30.0},
            {"name": "stretch", "low": 1.0, "high": 99.0},
        ),
    }
)
"""Title -> steps; each title is offered by the enhancer that its first step names."""


def led_by(name: str) -> dict[str, Chain]:
    """The presets whose first step is the enhancer ``name``."""
    return {title: steps for title, steps in PRESETS.items() if steps[0]["name"] == name}
