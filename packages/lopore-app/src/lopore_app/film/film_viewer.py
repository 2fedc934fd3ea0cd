"""The whole film in the viewer, with heat and marks on it; a tall film lies flat."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.indications.film_inspection import FilmInspection
from lopore.inference.explain import HeatMap
from lopore.preprocessing.pipeline import percentile_limits
from lopore_app.film.areas import AreaStatistics
from lopore_app.film.film_review import FilmReview
from lopore_app.film.film_work import FilmWork
from lopore_app.film.judged_parts import JudgedParts
from lopore_app.film.two_films import Overlay
from lopore_app.film.uploaded_film import is_tall, laid_flat, to_shown
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.panes import Pane, described, profile
from lopore_app.inspection.upload import Upload
from lopore_app.inspection.view import component_state
from lopore_app.review.prediction_log import name_on_a_page
from lopore_app.viewer.component import carry, film_viewer
from lopore_app.viewer.pixels import Blob, Region, parse_line

FILM_VIEWER = "film_viewer"
HEAT_PIXELS = 650_000
AROUND = 250
"""Pixels of the page that the viewer leaves to table and panel."""


def film_key(upload: Upload) -> str:
    """The film's name between page and browser."""
    return f"film/{upload.key}"


def desk_key(upload: Upload, reviewer: str) -> str:
    """The review between page and browser: what one reader did is never taken for another's."""
    return f"{film_key(upload)}/{reviewer}"


@dataclass(frozen=True)
class OtherFilm:
    """A film beside the one that is read. shown: its pixels as they are shown. overlay: onto the first as shown."""

    key: str
    name: str
    shown: Pixels
    shape: tuple[int, ...]
    overlay: Overlay
    review: FilmReview | None

    def pane(self) -> Pane:
        """The pane that shows it."""
        return Pane("beside", self.name, self.shown, self.overlay.to_first, ("film", self.key))

    def drawn(self) -> list[dict[str, Any]]:
        """Its marks at their places on the first film as it is shown."""
        assert self.review is not None
        move = to_shown(self.shape).then(self.overlay.to_first)
        return [_drawn(self.review, at, move) for at in range(len(self.review.marks))]


def _film_pane(memory: Memory, upload: Upload, pixels: Pixels, work: FilmWork, heat: str) -> Pane:
    shown = memory.get(
        ("flat", upload.key), lambda: laid_flat(pixels), lambda it: int(it.nbytes) if it is not pixels else 0
    )
    found = work.found
    values = heat_map(found, heat, pixels.shape) if heat and found is not None and found.map is not None else None
    return Pane("film", "Film", shown, Affine(), ("film", upload.key), heat=values)


def show_film(
    memory: Memory,
    upload: Upload,
    pixels: Pixels,
    pitch: float | None,
    work: FilmWork,
    heat: str,
    *,
    classes: Sequence[str] = (),
    stored: bool = False,
    areas: Sequence[AreaStatistics] = (),
    reviewer: str = "",
    beside: OtherFilm | None = None,
) -> None:
    """The viewer with everything on it. heat: class whose probabilities are drawn, empty for none."""
    move, film = to_shown(pixels.shape), film_key(upload)
    panes = [_film_pane(memory, upload, pixels, work, heat), *([] if beside is None else [beside.pane()])]
    desk = {**desk_data(desk_key(upload, reviewer), work, move), "classes": list(classes), "kept": stored}
    if beside is not None:
        desk["beside"] = [] if beside.review is None else beside.drawn()
    blobs: dict[str, Blob] = {}
    regions = Region.asked(component_state(FILM_VIEWER, "region"), film)
    data = {
        "film": film,
        "owner": upload.sha256,
        "name": name_on_a_page(upload.name, 60),
        "width": panes[0].pixels.shape[1],
        "height": panes[0].pixels.shape[0],
        "pitch": pitch,
        "panes": [described(memory, film, each, regions, blobs, window=film_window) for each in panes],
        "marks": None,
        "profile": profile(panes, parse_line(component_state(FILM_VIEWER, "line"), film)),
        "areas": [_area(number, one, move) for number, one in enumerate(areas, start=1)],
        "around": AROUND,
        "desk": desk,
    }
    with st.container(gap=None, key="film"):
        film_viewer(data, FILM_VIEWER)
        for slot, blob in blobs.items():
            carry(slot, blob.identity, blob.content)


def film_window(pixels: Pixels) -> tuple[float, float]:
    """Grey values shown as black and white at first: the 0.1 and 99.9 percentiles, whatever the depth."""
    return percentile_limits(pixels, 0.1, 99.9)


def _area(number: int, one: AreaStatistics, move: Affine) -> dict[str, Any]:
    snr = "" if one.snr is None else f", SNR {one.snr:.0f}"
    return {"points": _box(one.box, move), "text": f"B{number}: {one.mean:.0f} ± {one.sigma:.1f}{snr}"}


def desk_data(film: str, work: FilmWork, move: Affine) -> dict[str, Any]:
    """The marks as the viewer draws them: places on the film as it is shown."""
    review = work.review
    marks = [] if review is None else [_drawn(review, at, move) for at in range(len(review.marks))]
    boxes = [] if review is None else [one.box for one in review.ignored]
    return {
        "film": film,
        "taken": work.taken,
        "served": work.served,
        "selected": work.selected,
        "marks": marks,
        "ignored": [{"box": _box(box, move)} for box in boxes],
        "state": state_of(work),
        "locked": review is None,
    }


def state_of(work: FilmWork) -> str:
    """What is known of the film as a whole: while a run goes on, only what it judged so far."""
    if work.run is not None and work.run.running:
        return "running"
    return "waiting" if work.found is None else "judged" if work.found.judged else "unjudged"


def carry_parts(upload: Upload, parts: JudgedParts | None, move: Affine) -> None:
    """Tell the strip under the film how far a run is. move: to places on the film as it is shown."""
    said = {
        "film": film_key(upload),
        "judged": None if parts is None else _box(parts.judged, move),
        "places": [] if parts is None else [_box(place, move) for place in parts.places],
    }
    text = json.dumps(said).encode()
    carry("film/parts", hashlib.blake2b(text, digest_size=8).hexdigest(), text)


def _drawn(review: FilmReview, at: int, move: Affine) -> dict[str, Any]:
    mark = review.marks[at]
    line = mark.indication.contour
    if len(line) < 3:
        left, top, right, bottom = mark.indication.box
        line = ((left, top), (right, top), (right, bottom), (left, bottom))
    points = [round(value, 1) for point in line for value in move(*point)]
    return {
        "number": mark.number,
        "verdict": mark.verdict,
        "drawn": mark.origin == "drawn",
        "points": points,
        "box": _box(mark.indication.box, move),
    }


def _box(box: tuple[float, float, float, float], move: Affine) -> list[float]:
    xs, ys = zip(move(box[0], box[1]), move(box[2], box[3]), strict=True)
    return [min(xs), min(ys), max(xs), max(ys)]


def heat_map(found: FilmInspection, class_name: str, shape: tuple[int, ...]) -> HeatMap:
    """Probabilities of one class over the film as it is shown, (h, w) float32 of at most ``HEAT_PIXELS``."""
    assert found.map is not None
    height, width = found.map.facts.shape
    step = max(1, int(np.ceil((height * width / HEAT_PIXELS) ** 0.5)))
    index = found.map.classes.index(class_name)
    values = found.map.read(index, 0, 0, height, width, step)
    flat = np.ascontiguousarray(np.rot90(values)) if is_tall(shape) else values
    return HeatMap(flat, class_name, "probability", "probability")
