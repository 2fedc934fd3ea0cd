"""Two models on one film: scores, decisions, and whether they look at the same place. No Streamlit in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lopore.arrays import Pixels
from lopore.errors import LoporeError
from lopore.inference.explain import HeatMap, choose_explainer
from lopore.inference.predict import Prediction
from lopore.models.opening import OpenModel
from lopore.preprocessing.enhancement_chain import Chain
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.session import InspectionSession, explained_class
from lopore_app.inspection.upload import Upload
from lopore_app.viewer.outlines import Outline

HOT_SHARE = 0.1


@dataclass(frozen=True)
class ModelOutput:
    """What one model says of a film.

    original: every pixel, of one size whatever size the model reads. heat: evidence for ``shown_class``, on the film;
    None with a ``reason`` where nothing fits. lines: around what a segmentation model found; None for other models.
    """

    prediction: Prediction
    original: Pixels
    heat: HeatMap | None
    shown_class: str
    milliseconds: float
    reason: str = ""
    lines: tuple[Outline, ...] | None = None


def ask(
    model: OpenModel, name: str, content: bytes, *, class_name: str | None = None, memory: Memory | None = None
) -> ModelOutput:
    """One model's answer to a film, with the heat map of ``class_name`` where it knows that class, else of its call.

    It answers as on the page Inspect, without enhancement, by its own threshold. memory: the session's, so that
    nothing is worked out twice. Raises LoporeError where the film cannot be read or the model cannot take it.
    """
    session = InspectionSession(memory or Memory(), model)
    film = session.film(Upload.of(name, content))
    answer = session.answer(film, Chain())
    shown = class_name if class_name in model.record.classes and class_name else explained_class(answer.prediction)
    heat, reason = None, ""
    try:
        heat = session.heat(film, Chain(), choose_explainer(model).name, shown)
    except LoporeError as error:
        reason = str(error)
    lines = answer.regions.lines if answer.regions is not None else None
    spent = sum(answer.milliseconds.values())
    return ModelOutput(answer.prediction, film.full.pixels, heat, shown, spent, reason, lines)


def score_table(first: Prediction, second: Prediction) -> list[tuple[str, float | None, float | None]]:
    """(class, first score, second score) for the classes of either, None where a model lacks one."""
    names = [*first.scores, *(name for name in second.scores if name not in first.scores)]
    return [(name, first.scores.get(name), second.scores.get(name)) for name in names]


def agreement(first: HeatMap, second: HeatMap) -> float | None:
    """How far the hottest tenths of two maps are the same place, 0 to 1 (their intersection over their union).

    None where one map is flat or the films differ in size. Places are compared, not values: two explainers' scales
    are not the same unit.
    """
    if first.values.shape != second.values.shape:
        return None
    hot = [_hottest(one.values) for one in (first, second)]
    if any(mask is None for mask in hot):
        return None
    one, other = (np.asarray(mask, np.bool_) for mask in hot)
    return float((one & other).sum() / max(1, (one | other).sum()))


def _hottest(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> object:
    known = np.nan_to_num(values)
    if known.max() <= known.min():
        return None
    return (known >= np.quantile(known, 1 - HOT_SHARE)) & (known > known.min())


def verdict(first: ModelOutput, second: ModelOutput) -> str:
    """One line: whether they agree on the call, and by how much the score of the shown class differs."""
    one, other = first.prediction, second.prediction
    same = one.decision.labels == other.decision.labels and one.decision.decided == other.decision.decided
    name = first.shown_class
    pair: Sequence[float | None] = (one.scores.get(name), other.scores.get(name))
    summary = "Both make the same call" if same else "They make different calls"
    if pair[0] is None or pair[1] is None:
        return f"{summary}; they do not know the same classes."
    return f"{summary}; the score of {name.replace('_', ' ')} differs by {abs(pair[0] - pair[1]):.3f}."
