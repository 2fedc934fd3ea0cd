"""The images of a record, made again from its upload when somebody asks for them. No Streamlit in here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels
from lopore.errors import ImageError, LoporeError
from lopore.inference.explain import HeatMap, choose_explainer, explain
from lopore.inference.overlay import blend, draw_overlay, for_screen
from lopore.inference.predict import prepare
from lopore.messages import score_text
from lopore.models.opening import OpenModel
from lopore.preprocessing.enhancement_chain import Chain
from lopore.preprocessing.resampling import resize, resize_grey
from lopore.reading.encode import write_radiograph
from lopore.reading.radiograph import Radiograph, read_radiograph
from lopore.record.folder import ModelFolder
from lopore_app.models.opening import chain_key, model_key, open_folder
from lopore_app.review.records import Entry
from lopore_app.viewer.heat_scale import Limits, Tops, limits_of, scale_text, unit
from lopore_app.viewer.outlines import draw
from lopore_app.wording import words


@dataclass(frozen=True)
class RecordImages:
    """original and enhanced: every pixel, in the film's depth.

    heat: on the original; None where nothing explains. limits: ends of its colour scale.
    """

    original: Pixels
    enhanced: Pixels
    heat: HeatMap | None
    limits: Limits = (0.0, 1.0)


def model_of(entry: Entry) -> OpenModel:
    """The model that answered, opened once for all; ModelError where it is gone or was changed since."""
    return open_folder(ModelFolder.read(Path(entry.model_path)), entry.prediction.runtime or None)


def upload_of(entry: Entry) -> bytes:
    """The film's bytes; ImageError where they were dropped to bound the session's memory."""
    if entry.content is None:
        raise ImageError(f"{entry.film} is no longer in this session's memory; upload it again to see its images")
    return entry.content


def film_of(entry: Entry, channels: Literal[1, 3] = 1) -> Radiograph:
    """The upload, read again with every pixel."""
    return read_radiograph(upload_of(entry), channels=channels, name=entry.film, page=entry.prediction.page)


def images_of(entry: Entry, *, explained: bool = True, tops: Tops | None = None) -> RecordImages:
    """The film before and after its chain, and what drove the call.

    explained: with the heat map of the entry's explainer and class, where it has one and its model still opens.
    tops: the session's colour scales; without them each map has its own.
    """
    content = upload_of(entry)
    chain = Chain.parse([dict(step) for step in entry.chain])
    model = model_of(entry) if explained and entry.explainer else None
    film = film_of(entry, 3 if model and model.record.preprocessing.channels == 3 else 1)
    heat, limits = None, (0.0, 1.0)
    if model is not None and entry.explained_class:
        prepared = prepare(model.record, content, chain=chain, name=entry.film, page=entry.prediction.page)
        explainer = choose_explainer(model, entry.explainer)
        heat = explain(model, prepared, class_name=entry.explained_class, explainer=explainer)
        limits = limits_of({} if tops is None else tops, model_key(model), heat, chain_key(chain))
    return RecordImages(film.pixels, chain.apply(film.pixels)[0], heat, limits)


def thumbnail(
    pixels: Pixels, side: int, heat: HeatMap | None = None, limits: Limits = (0.0, 1.0), opacity: float = 0.6
) -> NDArray[np.uint8]:
    """(h, w, 3) uint8 of at most ``side`` px, with the heat over it between the ends of a colour scale."""
    factor = min(1.0, side / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[0] * factor)), max(1, round(pixels.shape[1] * factor))
    image: NDArray[Any] = for_screen(pixels)
    if factor < 1:
        image = resize_grey(image, size)
    if heat is None:
        return np.asarray(image, np.uint8)
    values = resize(np.nan_to_num(heat.values), size)
    return blend(image, values, opacity=opacity, limits=limits)


def evidence(entry: Entry, found: RecordImages, side: int) -> tuple[NDArray[np.uint8], str]:
    """What stands beside the film, and its caption: heat or outlines on the film, else what the network was given."""
    if found.heat is None and not entry.outlines:
        return thumbnail(found.enhanced, side), "as given to the network"
    drawn, summary = thumbnail(found.original, side, found.heat, found.limits), []
    if found.heat is not None:
        summary.append(scale_text(found.heat, found.limits))
    if entry.outlines:
        drawn = draw(drawn, entry.outlines, found.original.shape[:2], entry.classes)
        summary.append("outlines of what was found")
    return drawn, "; ".join(summary)


def enhanced_png(found: RecordImages) -> bytes:
    """The film after its chain as PNG in its own depth."""
    return write_radiograph(found.enhanced, None)


def overlay_png(entry: Entry, found: RecordImages) -> bytes | None:
    """The original with outlines or heat, caption and scale bar as PNG; None where there are neither."""
    original = found.original
    if entry.outlines:
        original = draw(for_screen(original), entry.outlines, original.shape[:2], entry.classes)
    if found.heat is None:
        return write_radiograph(original, None) if entry.outlines else None
    heat = found.heat
    title = f"{words(heat.class_name)} {score_text(entry.prediction.decision.score)}, {heat.explainer}, {unit(heat)}"
    return write_radiograph(draw_overlay(original, heat.values, limits=found.limits, title=title), None)


def images_or_reason(entry: Entry, tops: Tops | None = None) -> RecordImages | str:
    """``images_of``, then without the heat map, else one line that says why there are none."""
    try:
        return images_of(entry, tops=tops)
    except LoporeError as error:
        reason = str(error)
    try:
        return images_of(entry, explained=False)
    except LoporeError:
        return reason
