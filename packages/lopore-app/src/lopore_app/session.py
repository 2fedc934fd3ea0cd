"""From an upload to a decision and a heat map; no Streamlit in here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Affine, Pixels
from lopore.enhance import Chain
from lopore.explain import HeatMap, choose_explainer, explain, explainers_for
from lopore.model import BrokenModel, ModelFolder, ModelRecord, OpenModel, find_models
from lopore.overlay import blend, for_screen, natural_limits
from lopore.predict import Decision, Prediction, decide, describe_prediction, prepare_radiograph, score_pictures
from lopore.preprocess import Preprocessing, read_for, resize, round_to
from lopore.radiograph import Radiograph, read_radiograph, write_radiograph

SCREEN_SIDE = 900


@dataclass(frozen=True)
class Shelf:
    """Models that can be opened, and folders that cannot with their reasons."""

    models: tuple[ModelFolder, ...]
    broken: tuple[BrokenModel, ...]

    @classmethod
    def look(cls) -> Shelf:
        """What lies in the model folders now, the newest first."""
        found = list(find_models())
        usable = [item for item in found if isinstance(item, ModelFolder)]
        usable.sort(key=lambda model: model.record.created, reverse=True)
        return cls(tuple(usable), tuple(item for item in found if isinstance(item, BrokenModel)))


@dataclass(frozen=True)
class Film:
    """An uploaded picture, decoded once.

    radiograph: as the model reads it. full: every pixel, for the eye; another one only where the model lets a JPEG's
    decoder shrink the picture.
    """

    name: str
    radiograph: Radiograph
    full: Radiograph


@dataclass(frozen=True)
class Answer:
    """What one model says of one film after one chain."""

    prediction: Prediction
    enhanced: Pixels
    heat: HeatMap | None
    milliseconds: dict[str, float]


def read_film(name: str, content: bytes, plan: Preprocessing) -> Film:
    """Decode an upload as a model's record asks; ImageError in one line where it is no picture that lopore reads."""
    radiograph = read_for(plan, content, name=name)
    scaled = radiograph.pixels.shape[:2] != radiograph.original_shape
    full = read_radiograph(content, channels=plan.channels, name=name) if scaled else radiograph
    return Film(name, radiograph, full)


def with_threshold(record: ModelRecord, value: float) -> ModelRecord:
    """The record with the reviewer's threshold in place of the model's own."""
    point = record.threshold.model_copy(update={"value": value, "rule": "set by the reviewer", "per_class": {}})
    return record.model_copy(update={"threshold": point})


def answer(
    model: OpenModel, film: Film, chain: Chain, *, threshold: float | None = None, explainer: str | None = None
) -> Answer:
    """Enhance, predict and, where an explainer is named, explain the class that was answered (or scores highest).

    The heat map lies on the enhanced picture, which is what the network was given.
    """
    times: dict[str, float] = {}
    record = model.record if threshold is None else with_threshold(model.record, threshold)
    enhanced = _timed(times, "enhance", lambda: chain.apply(film.full.pixels)[0])
    given = enhanced if film.full is film.radiograph else chain.apply(film.radiograph.pixels)[0]
    scale = Affine(xx=enhanced.shape[1] / given.shape[1], yy=enhanced.shape[0] / given.shape[0])
    shown = replace(film.radiograph, pixels=given, original_shape=enhanced.shape[:2], to_original=scale)
    prepared = _timed(times, "preprocess", lambda: prepare_radiograph(model.record, shown))
    row = _timed(times, "predict", lambda: score_pictures(model, [prepared.pixels])[0])
    prediction = describe_prediction(model, film.radiograph, row, chain)
    prediction = prediction.model_copy(update={"decision": decide(record, row)})
    heat = None
    if explainer is not None:
        name = explained_class(prediction)
        chosen = choose_explainer(model, explainer)
        heat = _timed(times, "explain", lambda: explain(model, prepared, class_name=name, explainer=chosen))
    return Answer(prediction, enhanced, heat, times)


def explained_class(prediction: Prediction) -> str:
    """The class whose evidence is shown: the one answered, else the one that scores highest."""
    labels = prediction.decision.labels
    return labels[0] if labels else max(prediction.scores, key=lambda name: prediction.scores[name])


def _timed(times: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    result = work()
    times[name] = (time.perf_counter() - began) * 1000
    return result


def fitting_explainers(model: OpenModel) -> list[str]:
    """Names of the explainers for this model, Grad-CAM first."""
    return sorted(explainers_for(model), key=lambda name: (name != "grad-cam", name))


def screen(
    pixels: Pixels, heat: HeatMap | None = None, opacity: float = 0.5, colour_map: str = "inferno"
) -> NDArray[Any]:
    """(h, w, 3) uint8 of at most 900 px a side for the page; the download keeps the full picture."""
    factor = min(1.0, SCREEN_SIDE / max(pixels.shape[:2]))
    size = max(1, round(pixels.shape[0] * factor)), max(1, round(pixels.shape[1] * factor))
    picture = for_screen(pixels)
    if factor < 1:
        picture = round_to(resize(picture, size), np.dtype(np.uint8))
    if heat is None:
        return picture
    limits = natural_limits(heat.values, heat.scale)
    values = np.nan_to_num(heat.values)
    values = resize(values, size) if values.shape != size else values
    return blend(picture, values, opacity=opacity, limits=limits, colour_map=colour_map)


def enhanced_file(found: Answer) -> bytes:
    """The enhanced picture as PNG in its own depth."""
    return write_radiograph(found.enhanced, None)


def decision_text(decision: Decision) -> str:
    """The decision in words for a person."""
    return decision.text.replace("_", " ")


def log_file(answers: Sequence[Answer], model: OpenModel) -> str:
    """The prediction log: one JSON object a film with inputs, chain, scores, decision, times and versions."""
    record = model.record
    return json.dumps(
        {
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "notice": "Demonstration with a human in the loop; no certification.",
            "model": {
                "name": record.name,
                "version": record.version,
                "runtime": model.predictor.name,
                "format": model.format,
                "preprocessing": record.preprocessing_fingerprint,
                "leaks": record.leaks.leaks,
                "versions": record.versions,
            },
            "predictions": [
                {
                    **found.prediction.model_dump(mode="json"),
                    "explainer": found.heat.explainer if found.heat else None,
                    "explained_class": found.heat.class_name if found.heat else None,
                    "milliseconds": {name: round(value, 2) for name, value in found.milliseconds.items()},
                }
                for found in answers
            ],
        },
        indent=2,
    )
