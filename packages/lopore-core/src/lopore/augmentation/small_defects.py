"""Planted small defects, to measure what an augmentation does to them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels
from lopore.config.augmentation import Recipe

from .augmenter import Augmenter
from .recipe import chosen_steps

GRAIN = 3.0
CONTRAST = 18.0


def _texture(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """A seam lighter than its plate on a slanting exposure, with grain: (H, W) float32 grey values."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    seam = np.exp(-(((rows / size[0] - 0.5) / 0.2) ** 2)) * rng.uniform(20, 60)
    slope = (columns / size[1] - 0.5) * rng.uniform(-50, 50)
    grain = rng.normal(0, GRAIN, size)
    return np.asarray(rng.uniform(70, 150) + seam + slope + grain, np.float32)


def _defect(size: tuple[int, int], px: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Coverage 0..1 of one disc (pore) or one straight gap, anti-aliased, anywhere in the image."""
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    y, x = rng.uniform(px, size[0] - px), rng.uniform(px, size[1] - px)
    if rng.random() < 0.5:
        distance = np.hypot(rows - y, columns - x)
        return np.asarray(np.clip(px / 2 + 0.5 - distance, 0, 1), np.float32)
    angle = rng.uniform(0, np.pi)
    along = (rows - y) * np.sin(angle) + (columns - x) * np.cos(angle)
    across = np.abs((columns - x) * np.sin(angle) - (rows - y) * np.cos(angle))
    width = max(px / 3, 1.0)
    return np.asarray(np.clip(width / 2 + 0.5 - across, 0, 1) * np.clip(2 * px + 0.5 - np.abs(along), 0, 1), np.float32)


def _contrast(with_defect: Pixels, without: Pixels, area: int) -> float:
    """Mean difference over the ``area`` pixels where the defect shows most."""
    difference = np.abs(with_defect.astype(np.float32) - without.astype(np.float32)).reshape(-1)
    return float(np.partition(difference, -area)[-area:].mean())


def _grain_of(pixels: Pixels) -> float:
    """Noise of an image from neighbours' second differences, in grey values (Immerkaer, CVIU 64, 1996)."""
    values = pixels[:, :, 0].astype(np.float32)
    rows = values[:-2] - 2 * values[1:-1] + values[2:]
    mask = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(np.sqrt(np.pi / 2) / 6 * np.abs(mask).mean())


def lost_share(
    augment: Callable[..., tuple[Pixels, object]], size: tuple[int, int], defect_px: float, draws: int, seed: int
) -> float:
    """Share of planted defects whose contrast-to-noise falls under half, over ``draws`` made films.

    Noise counts at least as much as before: smoothing grain away makes no defect easier to see.
    """
    rng = np.random.default_rng(seed)
    lost = 0
    for draw in range(draws):
        texture, coverage = _texture(size, rng), _defect(size, defect_px, rng)
        without = np.clip(np.rint(texture), 0, 255).astype(np.uint8)[:, :, None]
        planted = np.clip(np.rint(texture - CONTRAST * coverage), 0, 255).astype(np.uint8)[:, :, None]
        area = max(1, int((coverage > 0.5).sum()))
        seen = augment(planted, epoch=0, index=draw)[0], augment(without, epoch=0, index=draw)[0]
        before = _contrast(planted, without, area) / _grain_of(without)
        after = _contrast(*seen, area) / max(_grain_of(without), _grain_of(seen[1]))
        lost += after < before / 2
    return lost / draws


def destroys_small_defects(
    recipe: Recipe, size: tuple[int, int], *, defect_px: float = 4.0, draws: int = 32, seed: int = 0
) -> list[str]:
    """One warning line for each step of a recipe that wipes out small defects; empty where all is well.

    Plants pores (discs of ``defect_px``) and gaps (lines of a third of it) in made film textures, sends them with and
    without the defect through each step alone, and compares contrast-to-noise before and after.
    A step is named when more than a quarter of the defects lose over half of it, or leave the image.
    """
    shrink = max(1.0, max(size) / 192)  # a defect counts in pixels, so a small film tells as much as a large one
    film = round(size[0] / shrink), round(size[1] / shrink)
    defect = min(defect_px, min(film) / 8)
    warnings = []
    for one in chosen_steps(recipe):
        lost = lost_share(Augmenter([one.always()], film, seed), film, defect, draws, seed)
        if lost > 0.25:
            warnings.append(
                f"{one.step.name}: {lost:.0%} of planted {defect_px:g} px defects lose over half of their contrast-to-"
                f"noise when it is applied (to {one.params.probability:.0%} of the images); narrow its range or switch "
                "it off"
            )
    return warnings
