"""Confidence over the range of one parameter: does the call hang on a knob? No Streamlit in here."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import numpy as np

from lopore.errors import ConfigError
from lopore.inference.predict import Prepared
from lopore.preprocessing.enhancement_chain import Chain
from lopore_app.inspection.controls import dial
from lopore_app.inspection.edited_chain import EditedChain
from lopore_app.inspection.films import Enhanced, Film
from lopore_app.inspection.session import InspectionSession

POINTS = 11
SECONDS = 0.6
"""No new point is begun after this; a slow chain gets a coarser curve, and it says so."""


@dataclass(frozen=True)
class ResponseCurve:
    """Scores of every class over a parameter's range. complete: every point that was wanted is there.

    values: (P,) rising. scores: (P, K).
    """

    step: int
    name: str
    values: tuple[float, ...]
    scores: tuple[tuple[float, ...], ...]
    complete: bool


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


def key_of(
    session: InspectionSession, film: Film, edited_chain: EditedChain, step: int, name: str
) -> tuple[object, ...]:
    """Equal wherever the curve is: everything but the value that is dialled."""
    facts = []
    for item in edited_chain.active:
        others = {key: value for key, value in item.values.items() if (item.number, key) != (step, name)}
        facts.append((item.name, json.dumps(others, sort_keys=True)))
    where = next((at for at, item in enumerate(edited_chain.active) if item.number == step), -1)
    return "curve", film.upload.key, session.model_key, session.rule, tuple(facts), where, name


def known(session: InspectionSession, film: Film, edited_chain: EditedChain, step: int, name: str) -> bool:
    """Whether ``response`` would answer without work."""
    return session.memory.holds(key_of(session, film, edited_chain, step, name))


def response(
    session: InspectionSession, film: Film, edited_chain: EditedChain, step: int, name: str
) -> ResponseCurve | None:
    """The curve of one parameter of one step; None where it is not dialled over a range or fewer than two values go.

    The steps before it run once; the network is asked once, with all images.
    """
    return session.memory.get(
        key_of(session, film, edited_chain, step, name), lambda: _measure(session, film, edited_chain, step, name)
    )


def _measure(
    session: InspectionSession, film: Film, edited_chain: EditedChain, step: int, name: str
) -> ResponseCurve | None:
    at = next((index for index, item in enumerate(edited_chain.active) if item.number == step), None)
    chain = edited_chain.chain(film.upload.sha256)
    if at is None or session.model is None or film.full is not film.radiograph:
        return None
    field = chain.steps[at].enhancer.params.model_fields.get(name)
    facts = dial(field) if field is not None else None
    if facts is None:
        return None
    before = session.enhanced(film, Chain(chain.steps[:at]))
    values, until = grid(facts), time.monotonic() + SECONDS
    images: dict[int, tuple[Enhanced, Prepared]] = {}
    for index in coarse_first(len(values)):
        if time.monotonic() > until and len(images) >= 3:
            break
        value = int(values[index]) if facts["whole"] else values[index]
        try:
            rest = Chain(edited_chain.with_value(step, name, value).chain(film.upload.sha256).steps[at:])
            pixels, motion = rest.apply(before.pixels)
        except ConfigError:
            continue  # such as a lower percentile over the upper one
        enhanced = Enhanced(pixels, before.motion.then(motion))
        images[index] = enhanced, session.prepared(film, enhanced, pixels)
    if len(images) < 2:
        return None
    order = sorted(images)
    scores = session.tried(film, [images[index] for index in order])
    rows = tuple(tuple(float(score) for score in row) for row in scores)
    return ResponseCurve(step, name, tuple(values[index] for index in order), rows, len(order) == len(values))
