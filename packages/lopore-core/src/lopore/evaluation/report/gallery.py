"""The worst mistakes of an evaluation, each with its heat map, at thumbnail size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.data.class_names import is_sound
from lopore.errors import LoporeError
from lopore.html_page import image_address
from lopore.inference.explain import choose_explainer, explain
from lopore.inference.overlay import blend, for_screen, natural_limits
from lopore.inference.predict import prepare
from lopore.preprocessing.resampling import resize, resize_grey

from .curves import shown_columns, truth_of

if TYPE_CHECKING:
    from lopore.contracts import Explainer
    from lopore.evaluation.results import Evaluation
    from lopore.models.opening import OpenModel
    from lopore.record.model import ModelRecord

THUMB = 300


@dataclass(frozen=True)
class _Mistake:
    index: int
    column: int
    margin: float


@dataclass(frozen=True)
class _Thumb:
    """A mistake at thumbnail size: image (h, w, 3) uint8, heat (h, w) float32 or None, and what is to be said."""

    image: NDArray[np.uint8] | None
    heat: NDArray[np.float32] | None
    note: str = ""


@dataclass(frozen=True)
class MistakeFigure:
    """One mistake as a page shows it. images: (``data:`` address, description) of the film, plain and with heat."""

    images: tuple[tuple[str, str], ...]
    name: str
    score: float
    decision: str
    truth: str
    path: str
    note: str


@dataclass(frozen=True)
class Gallery:
    """Mistakes of one kind, the worst first."""

    title: str
    what: str
    figures: tuple[MistakeFigure, ...]


def galleries(model: OpenModel, evaluation: Evaluation, images: int) -> list[Gallery]:
    """False positives, false negatives and wrong classes, up to ``images`` of each, the worst first; none for 0.

    A defect of one class that was called another one is a wrong class, neither a false call nor a miss; only a model
    that names one of several defect classes makes such a mistake. Of a model of tiles on whole films there are none:
    its report shows missed and false marks.
    """
    if not images or evaluation.whole_films:
        return []
    false_calls, missed, mistaken = (mistakes[:images] for mistakes in _mistakes(model.record, evaluation))
    try:
        explainer, why = choose_explainer(model), ""
    except LoporeError as error:
        explainer, why = None, str(error)
    thumbs = {mistake: _thumb(model, explainer, evaluation, mistake) for mistake in (*false_calls, *missed, *mistaken)}
    heats = [thumb.heat for thumb in thumbs.values() if thumb.heat is not None]
    scale = explainer.scale if explainer else ""
    limits = natural_limits(np.concatenate([heat.ravel() for heat in heats]), scale) if heats else (0.0, 1.0)
    # One scale for all: stretched one by one, an image without any evidence would look as hot as a sure one.
    heat = f"Heat: {explainer.name}, one scale for all images, 0 to {limits[1]:.3g} ({scale})." if explainer else why
    parts = (
        ("False positives", "A defect was called that is not there; the surest first.", false_calls),
        ("False negatives", "A defect is there and was not called; the lowest score first.", missed),
        ("Wrong class", "A defect was called another defect; the surest first.", mistaken),
    )
    shown = parts if _one_of_several_defects(model.record) else parts[:2]
    return [
        Gallery(title, f"{what} {heat}", tuple(_figure(evaluation, model.record, m, thumbs[m], limits) for m in found))
        for title, what, found in shown
    ]


def _one_of_several_defects(record: ModelRecord) -> bool:
    return record.task == "multiclass" and sum(not is_sound(name) for name in record.classes) > 1


def _mistakes(record: ModelRecord, evaluation: Evaluation) -> tuple[list[_Mistake], list[_Mistake], list[_Mistake]]:
    """False calls, misses, and defects that were called another one."""
    false_calls, missed, mistaken = [], [], []
    single = _one_of_several_defects(record)
    columns = shown_columns(record)
    defects = [column for column in columns if not is_sound(record.classes[column])] or columns
    for column in defects:
        truth = truth_of(evaluation, column)
        for index, score in enumerate(evaluation.scores[:, column]):
            labels = evaluation.decision(record, index).labels
            called = record.classes[column] in labels
            if called == bool(truth[index]):
                continue
            others = labels if truth[index] else evaluation.manifest.rows[index].labels
            if single and any(not is_sound(name) for name in others):
                if called:  # told once, under the class that was called
                    mistaken.append(_Mistake(index, column, -float(score)))
            elif called:
                false_calls.append(_Mistake(index, column, -float(score)))
            else:
                missed.append(_Mistake(index, column, float(score)))
    for kind in (false_calls, missed, mistaken):
        kind.sort(key=lambda one: one.margin)
    return false_calls, missed, mistaken


def _thumb(model: OpenModel, explainer: Explainer | None, evaluation: Evaluation, mistake: _Mistake) -> _Thumb:
    name = model.record.classes[mistake.column]
    try:
        prepared = prepare(model.record, evaluation.manifest.file(evaluation.manifest.rows[mistake.index]))
        pixels = for_screen(prepared.radiograph.pixels)
        scale = THUMB / max(pixels.shape[:2])
        size = max(1, round(pixels.shape[0] * scale)), max(1, round(pixels.shape[1] * scale))
        image = resize_grey(pixels, size)
        if explainer is None:
            return _Thumb(image, None)
        heat = explain(model, prepared, class_name=name, explainer=explainer)
        return _Thumb(image, resize(np.nan_to_num(heat.values), size))
    except LoporeError as error:
        return _Thumb(None, None, str(error))


def _figure(
    evaluation: Evaluation, record: ModelRecord, mistake: _Mistake, thumb: _Thumb, limits: tuple[float, float]
) -> MistakeFigure:
    row = evaluation.manifest.rows[mistake.index]
    images = []
    if thumb.image is not None:
        images.append((image_address(thumb.image), f"radiograph {row.path}"))
        if thumb.heat is not None:
            heated = blend(thumb.image, thumb.heat, opacity=0.6, limits=limits)
            images.append((image_address(heated), "the same with heat"))
    return MistakeFigure(
        images=tuple(images),
        name=record.classes[mistake.column],
        score=float(evaluation.scores[mistake.index, mistake.column]),
        decision=evaluation.decision(record, mistake.index).text,
        truth=" + ".join(row.labels) or "none",
        path=row.path,
        note=thumb.note,
    )
