"""The viewer's panes: original and enhanced, or one pane an explainer, at the film's own depth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.errors import LoporeError
from lopore.inference.explain import HeatMap
from lopore.preprocessing.enhancement_chain import Chain
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.session import InspectionSession
from lopore_app.inspection.view import View, component_state
from lopore_app.models.opening import chain_key
from lopore_app.review.prediction_log import name_on_a_page
from lopore_app.viewer.component import carry, film_viewer
from lopore_app.viewer.heat_scale import limits_of, tops_of, unit
from lopore_app.viewer.outlines import colours
from lopore_app.viewer.pixels import (
    OVERVIEW_PIXELS,
    Blob,
    Region,
    along,
    auto_window,
    cut,
    levels,
    parse_line,
    smaller,
)

VIEWER = "viewer"
MOST_NUMBERS = 60
"""More numbers than these would hide the film."""


@dataclass(frozen=True)
class Pane:
    """One image. slot: names its pixels in the browser. to_original: from its pixels to the original film's.

    same: whether its pixels are the original's.
    """

    slot: str
    title: str
    pixels: Pixels
    to_original: Affine
    key: tuple[str, ...]
    same: bool = False
    heat: HeatMap | None = None
    scale: tuple[float, float] = (0.0, 1.0)
    note: str = ""


def panes(session: InspectionSession, view: View, heats: list[HeatMap], eye: Chain) -> list[Pane]:
    """The original, and beside it what the chain makes of it, with heat on it; one pane for each of several maps."""
    assert view.film is not None
    sha = view.upload.key
    first = Pane("original", "Original", view.film.full.pixels, Affine(), ("original", sha, str(session.plan.channels)))
    if view.enhanced is None or not (view.chain.steps or heats or eye.steps):
        return [first]  # twice the same image would only be half as large
    back = view.enhanced.motion.inverse()
    key: tuple[str, ...] = ("enhanced", sha, str(session.plan.channels), chain_key(view.chain))
    title, note = ("Enhanced" if view.chain.steps else "Original with heat map"), ""
    pixels = view.enhanced.pixels
    if eye.steps:
        try:
            seen = session.enhanced(view.film, Chain((*view.chain.steps, *eye.steps)))
        except LoporeError as error:
            note = str(error)[:200]
        else:
            pixels, key = seen.pixels, (*key, chain_key(eye))
            title, note = eye.steps[0].enhancer.name, "For the eye only; the network is not given this"
    given = Pane("enhanced", title, pixels, back, key, note=note, same=pixels is first.pixels)
    tops, after = tops_of(st.session_state), chain_key(view.chain)
    hot = [replace(given, heat=heat, scale=limits_of(tops, session.model_key, heat, after)) for heat in heats]
    if len(hot) > 1:
        hot = [replace(pane, title=heat.explainer) for pane, heat in zip(hot, heats, strict=True)]
    return [first, *(hot or [given])]


def show_images(session: InspectionSession, view: View, heats: list[HeatMap], eye: Chain, around: int) -> None:
    """The viewer, and what is new of the pixels. around: pixels of the page above and below it."""
    if view.film is None:
        return
    film, shown = view.upload.key, panes(session, view, heats, eye)
    regions = Region.asked(component_state(VIEWER, "region"), film)
    with st.container(gap=None, key="image"):
        blobs: dict[str, Blob] = {}
        drawn = [described(session.memory, film, pane, regions, blobs) for pane in shown]
        height, width = view.film.full.pixels.shape[:2]
        data = {
            "film": film,
            "owner": view.upload.sha256,
            "name": name_on_a_page(view.upload.name, 60),
            "width": width,
            "height": height,
            "pitch": view.film.full.pixel_pitch_mm,
            "panes": drawn,
            "marks": marks(view),
            "profile": profile(shown[:2], parse_line(component_state(VIEWER, "line"), film)),
            "around": around,
        }
        # The viewer comes first: at one place in the page for ever, it is never taken down and built up again.
        film_viewer(data, VIEWER)
        for slot, blob in blobs.items():
            carry(slot, blob.identity, blob.content)


def marks(view: View) -> dict[str, Any] | None:
    """Lines around what a segmentation model found, and numbers beside them; None for other models."""
    regions = view.answer.regions if view.answer is not None else None
    if view.answer is None or regions is None:
        return None
    ink = colours(tuple(view.answer.prediction.scores))
    lines = [
        {"colour": ink[line.class_name], "points": [round(value, 2) for point in line.points for value in point]}
        for line in regions.lines
    ]
    tags = [
        {"text": str(number), "x": found.box[2], "y": found.box[1], "colour": ink[found.class_name]}
        for number, found in enumerate(regions.seen.found[:MOST_NUMBERS], start=1)
    ]
    return {"lines": lines, "tags": tags}


def described(
    memory: Memory,
    film: str,
    pane: Pane,
    regions: Sequence[Region],
    blobs: dict[str, Blob],
    *,
    window: Callable[[Pixels], tuple[float, float]] = auto_window,
) -> dict[str, Any]:
    """What the viewer needs to know of a pane; its pixels go into ``blobs`` by slot. window: its grey values at
    first."""
    key = "overview", window.__name__, *pane.key
    blob, limits = memory.get(key, lambda: _overview(pane.pixels, window), lambda it: len(it[0].content))
    move = pane.to_original
    facts: dict[str, Any] = {
        "film": film,
        "slot": pane.slot,
        "id": blob.identity,
        "title": pane.title,
        "note": pane.note,
        "same": pane.same,
        "width": pane.pixels.shape[1],
        "height": pane.pixels.shape[0],
        "to": [move.xx, move.xy, move.x0, move.yx, move.yy, move.y0],
        "auto": limits,
        **blob.facts,
    }
    blobs[pane.slot] = blob
    full_width = blob.facts["w"] == pane.pixels.shape[1]
    facts["tiles"] = [] if full_width else [tile for one in regions if (tile := _tile(pane, one, blobs)) is not None]
    if pane.heat is not None:
        facts["heat"] = _heat(pane.heat, pane.scale, blobs)
    return facts


def _tile(pane: Pane, region: Region, blobs: dict[str, Blob]) -> dict[str, Any] | None:
    """The film's own pixels of a region; None where the image lies elsewhere."""
    part = cut(pane.pixels, pane.to_original, region)
    if part is None:
        return None
    slot = f"{pane.slot}/tile/{region.slot}"
    blobs[slot] = blob = Blob.of(part[0])
    x0, y0, x1, y1 = part[1]
    return {"slot": slot, "id": blob.identity, "x0": x0, "y0": y0, "x1": x1, "y1": y1, **blob.facts}


def _overview(pixels: Pixels, window: Callable[[Pixels], tuple[float, float]]) -> tuple[Blob, tuple[float, float]]:
    return Blob.of(smaller(pixels, OVERVIEW_PIXELS)), window(pixels)


def _heat(heat: HeatMap, limits: tuple[float, float], blobs: dict[str, Blob]) -> dict[str, Any]:
    slot = f"heat/{heat.explainer}"
    blobs[slot] = blob = Blob.of(levels(heat.values, limits))
    name = heat.class_name.replace("_", " ")
    return {
        "slot": slot,
        "id": blob.identity,
        "low": limits[0],
        "high": limits[1],
        "label": f"{heat.explainer} for {name}",
        "unit": unit(heat),
        **blob.facts,
    }


def profile(shown: list[Pane], line: tuple[float, float, float, float] | None) -> dict[str, Any] | None:
    """Grey values along the line that was drawn, of each image at its full resolution."""
    if line is None:
        return None
    other = [pane for pane in shown if not pane.same]
    series = [{"title": pane.title, "values": along(pane.pixels, pane.to_original, line)} for pane in other]
    return {"series": [item for item in series if len(item["values"]) > 1]}
