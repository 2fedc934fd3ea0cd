"""Where an enhancer moves pixels: planted marks have to land where its motion says, or stay put without one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.contracts import Enhancer, Params
from lopore.errors import LoporeError

from .check import require
from .images import DTYPES, HEIGHT, PLANT_RADIUS, PLANTS, WIDTH, plant
from .parameters import variations

SCALES = (1 / PLANT_RADIUS, 8.0)
"""Smaller, a mark is less than a pixel; larger, the images grow too big to try."""


def motion_moves_planted_marks(enhancer: Enhancer) -> None:
    """A planted mark lands where the declared motion says, within a pixel, for defaults, bounds and choices."""
    motion = enhancer.motion
    assert motion is not None  # asked only where one is declared
    seen = 0
    for said, params in variations(enhancer.params):
        try:
            move = motion((HEIGHT, WIDTH), params)
        except (ValueError, LoporeError):
            continue
        require(isinstance(move, Affine), f"{said}: motion gave {type(move).__name__}, not an Affine")
        if SCALES[0] < min(_scales(move)) and max(_scales(move)) <= SCALES[1]:
            for colour in (False, True):
                seen += _marks_seen(enhancer, params, move, said, DTYPES[0], colour)
    require(seen > 0, "no planted mark is to be seen in any of its images, so its motion cannot be judged")


def planted_marks_stay(enhancer: Enhancer) -> None:
    """It declares no motion, so a planted mark stays where it is."""
    for dtype in DTYPES:
        _marks_seen(enhancer, enhancer.params(), Affine(), "the defaults", dtype, False)


def _scales(move: Affine) -> tuple[float, float]:
    return math.hypot(move.xx, move.yx), math.hypot(move.xy, move.yy)


def _marks_seen(enhancer: Enhancer, params: Params, move: Affine, said: str, dtype: np.dtype[Any], colour: bool) -> int:
    """Compare where both marks are found with where ``move`` takes them; returns how many lay in the image."""
    places = [(x * WIDTH, y * HEIGHT) for x, y in PLANTS]
    planted = [_in_colour(plant(dtype, centre), colour) for centre in places]
    try:
        results = [enhancer.apply(image, params) for image in planted]
    except (ValueError, LoporeError):
        return 0
    change = np.abs(_grey(results[0]) - _grey(results[1]))
    if not change.max() > 0:
        return 0
    goals = [move(*centre) for centre in places]
    inside = [_is_inside(goal, change.shape, PLANT_RADIUS * max(_scales(move))) for goal in goals]
    for goal, lies_inside in zip(goals, inside, strict=True):
        if lies_inside:
            found = _centre_near(change, goal, goals)
            _compare(found, goal, said, move)
    return sum(inside)


def _in_colour(image: Pixels, colour: bool) -> Pixels:
    return np.repeat(image[..., None], 3, axis=-1) if colour else image


def _grey(image: Pixels) -> NDArray[np.float64]:
    values = image.astype(np.float64)
    return values if values.ndim == 2 else np.asarray(values.mean(axis=2))


def _is_inside(goal: tuple[float, float], shape: tuple[int, ...], margin: float) -> bool:
    return margin < goal[0] < shape[1] - margin and margin < goal[1] < shape[0] - margin


def _centre_near(
    change: NDArray[np.float64], goal: tuple[float, float], goals: list[tuple[float, float]]
) -> tuple[float, float] | None:
    """Centre of the strong changes that lie nearer to ``goal`` than to any other; None where there are none."""
    rows, columns = np.nonzero(change > 0.5 * change.max())
    x, y = columns + 0.5, rows + 0.5
    distance = {other: np.hypot(x - other[0], y - other[1]) for other in goals}
    nearest = np.min(list(distance.values()), axis=0)
    mine = distance[goal] <= nearest
    return (float(x[mine].mean()), float(y[mine].mean())) if mine.any() else None


def _compare(found: tuple[float, float] | None, goal: tuple[float, float], said: str, move: Affine) -> None:
    where = f"({goal[0]:.1f}, {goal[1]:.1f})"
    if found is None:
        raise AssertionError(f"{said}: the mark that {move} takes to {where} is not there")
    off = math.hypot(found[0] - goal[0], found[1] - goal[1])
    require(
        off <= max(1.0, *_scales(move)),
        f"{said}: the mark is at ({found[0]:.1f}, {found[1]:.1f}), {off:.1f} px from {where}, where its motion puts it",
    )
