"""Confidence over the range of one parameter: does the call hang on a knob?"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import numpy as np

from lopore.errors import ConfigError
from lopore.inference.predict import Prepared
from lopore.preprocessing.enhancement_chain import Chain
from lopore_app.session import Desk, Enhanced, Film
from lopore_app.steps import Dialled
from lopore_app.widgets import dial

POINTS = 11
SECONDS = 0.6
"""No new point is begun after this; a slow chain gets a coarser curve, and it says so."""


@dataclass(frozen=True)
class Curve:
    """Scores of every class over a parameter's range. whole: every point that was wanted is there.

    values: (P,) rising. scores: (P, K).
    """

    step: int
    name: str
    values: tuple[float, ...]
    scores: tuple[tuple[float, ...], ...]
    whole: bool


def grid(facts: dict[str, float | bool], points: int = POINTS) -> list[float]:
    """Values over a dial's range, spaced as the dial is."""
    low, high = float(facts["low"]), float(facts["high"])
    values = np.geomspace(low, high, points) if facts["log"] else np.linspace(low, high, points)
    if facts["whole"]:
        return sorted({float(round(value)) for value in values})
    return [min(max(float(f"{value:.6g}"), low), high) for value in values]


def coarse_first(count: int) -> list[int]:
    """Every index under ``count``, the ends and the middle before what lies between."""
    order: list[int] = []
    parts = 1
    while len(order) < count:
        wanted = (round(at * (count - 1) / parts) for at in range(parts + 1))
        order += [at for at in dict.fromkeys(wanted) if at not in order]
        parts *= 2
    return order


def key_of(desk: Desk, film: Film, dialled: Dialled, step: int, name: str) -> tuple[object, ...]:
    """Equal wherever the curve is: everything but the value that is dialled."""
    facts = []
    for item in dialled.active:
        others = {key: value for key, value in item.values.items() if (item.number, key) != (step, name)}
        facts.append((item.name, json.dumps(others, sort_keys=True)))
    where = next((at for at, item in enumerate(dialled.active) if item.number == step), -1)
    return "curve", film.upload.sha256, desk.model_key, desk.rule, tuple(facts), where, name


def known(desk: Desk, film: Film, dialled: Dialled, step: int, name: str) -> bool:
    """Whether ``response`` would answer without work."""
    return desk.memory.holds(key_of(desk, film, dialled, step, name))


def response(desk: Desk, film: Film, dialled: Dialled, step: int, name: str) -> Curve | None:
    """The curve of one parameter of one step; None where it is not dialled over a range or fewer than two values go.

    The steps before it run once; the network is asked once, with all pictures.
    """
    return desk.memory.get(key_of(desk, film, dialled, step, name), lambda: _measure(desk, film, dialled, step, name))


def _measure(desk: Desk, film: Film, dialled: Dialled, step: int, name: str) -> Curve | None:
    at = next((index for index, item in enumerate(dialled.active) if item.number == step), None)
    chain = dialled.chain()
    if at is None or desk.model is None or film.full is not film.radiograph:
        return None
    field = chain.steps[at].enhancer.params.model_fields.get(name)
    facts = dial(field) if field is not None else None
    if facts is None:
        return None
    before = desk.enhanced(film, Chain(chain.steps[:at]))
    values, until = grid(facts), time.monotonic() + SECONDS
    pictures: dict[int, tuple[Enhanced, Prepared]] = {}
    for index in coarse_first(len(values)):
        if time.monotonic() > until and len(pictures) >= 3:
            break
        value = int(values[index]) if facts["whole"] else values[index]
        try:
            rest = Chain(dialled.with_value(step, name, value).chain().steps[at:])
            pixels, motion = rest.apply(before.pixels)
        except ConfigError:
            continue  # such as a lower percentile over the upper one
        enhanced = Enhanced(pixels, before.motion.then(motion))
        pictures[index] = enhanced, desk.prepared(film, enhanced, pixels)
    if len(pictures) < 2:
        return None
    order = sorted(pictures)
    scores = desk.tried(film, [pictures[index] for index in order])
    rows = tuple(tuple(float(score) for score in row) for row in scores)
    return Curve(step, name, tuple(values[index] for index in order), rows, len(order) == len(values))
