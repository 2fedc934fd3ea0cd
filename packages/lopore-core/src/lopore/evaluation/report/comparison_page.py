"""The page of a comparison: figures with their differences, McNemar's test, the images on which two models differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.errors import LoporeError
from lopore.html_page import image_address, render_page
from lopore.indications import film_images
from lopore.inference.decisions import decide
from lopore.inference.predict import prepare
from lopore.messages import counted, plain
from lopore.reading.windows import open_film

if TYPE_CHECKING:
    from lopore.data.manifest_row import Row
    from lopore.evaluation.model_comparison import ModelComparison
    from lopore.metrics.paired import McNemar, PairedFigure
    from lopore.models.opening import OpenModel

_SIDE, _FILM_SIDE = 320, 1280
_OUTLINES = (86, 180, 233), (230, 159, 0)
"""Of the first model's indications on a whole film, blue, and of the second's, orange."""


def comparison_page(found: ModelComparison, models: Sequence[OpenModel], *, images: int) -> str:
    """A whole page as text. images: at most so many disagreements are shown, the largest first."""
    compared = found.comparison
    wanted = _largest_first(found)[:images]
    return render_page(
        Path(__file__).parent / "comparison_page.html",
        titles=found.titles,
        lead=f"{counted(compared.images, 'image')} of {counted(compared.groups, 'group')}, answered by both. "
        f"Intervals: 95 %, {compared.resamples} resamples of whole groups.",
        notes=found.notes,
        figures=[(name.replace("_", " "), _shown(one)) for name, one in compared.figures.items()],
        answers=answers_text(compared.answers, found.titles),
        shown=[_figure(found, models, row) for row in wanted],
        whole_films=found.evaluations[0].whole_films,
        shown_text=_shown_text(found, len(wanted)),
    )


def _shown_text(found: ModelComparison, shown: int) -> str:
    differ = counted(len(found.comparison.disagreements), "image")
    text = f"{shown} of {differ}, the largest difference of scores first."
    if any(one.marks for one in found.evaluations):
        text += f" Indications on whole films: blue of {found.titles[0]}, orange of {found.titles[1]}."
    return text


def answers_text(found: McNemar, titles: tuple[str, str]) -> str:
    """McNemar's test in two sentences."""
    alone = f"{titles[0]} alone is right on {counted(found.first_alone, 'group')}, {titles[1]} on {found.second_alone}"
    verdict = "more than chance makes" if found.p < 0.05 else "no more than chance makes"
    test = f"McNemar, exact, p = {found.p:.3g}"
    return f"Of {counted(found.films, 'group')}, {alone}. That difference is {verdict} ({test})."


def _shown(one: PairedFigure) -> dict[str, Any]:
    def text(value: float | None) -> str:
        return "not defined" if value is None else f"{value:.3f}"

    return {
        "first_text": text(one.first),
        "second_text": text(one.second),
        "difference": one.difference,
        "differs": one.differs,
    }


def _largest_first(found: ModelComparison) -> list[int]:
    first, second = (one.scores[list(rows)] for one, rows in zip(found.evaluations, found.rows, strict=True))
    apart = np.abs(first - second).max(axis=1)
    return sorted(found.comparison.disagreements, key=lambda row: -float(apart[row]))


def _figure(found: ModelComparison, models: Sequence[OpenModel], row: int) -> dict[str, str]:
    item = found.manifest.rows[row]
    answers = []
    for model, one, rows in zip(models, found.evaluations, found.rows, strict=True):
        decision = decide(model.record, one.scores[rows[row]])
        answers.append(f"{plain(decision.text, 80)} ({decision.score:.3f})")
    return {
        "path": plain(item.path, 120),
        "truth": plain(" + ".join(item.labels), 120),
        "first": answers[0],
        "second": answers[1],
        **_shown_image(found, models[0], item),
    }


def _shown_image(found: ModelComparison, model: OpenModel, item: Row) -> dict[str, str]:
    """The address of an image, empty with a reason where the file cannot be read any more."""
    path = found.manifest.file(item)
    try:
        image = _film(found, item) if found.evaluations[0].whole_films else _network_input(model, path)
    except (LoporeError, OSError) as error:
        return {"image": "", "note": plain(error, 200)}
    return {"image": image_address(image), "note": ""}


def _film(found: ModelComparison, item: Row) -> NDArray[np.uint8]:
    """A whole film of at most 1280 px a side, with the indications of both models where they were counted."""
    with open_film(found.manifest.file(item)) as source:
        view = film_images.overview(source, _FILM_SIDE)
    marks = [
        [mark for film in one.marks if film.path == item.path for mark in film.indications] for one in found.evaluations
    ]
    return film_images.outlined(view, list(zip(marks, _OUTLINES, strict=True)))


def _network_input(model: OpenModel, path: Path) -> NDArray[np.uint8]:
    """The network's input, at most 320 px a side."""
    import cv2

    pixels = prepare(model.record, path).pixels[:, :, 0]
    eight = pixels if pixels.dtype == np.uint8 else np.asarray(pixels >> 8, np.uint8)
    factor = min(1.0, _SIDE / max(eight.shape))
    size = (max(1, round(eight.shape[1] * factor)), max(1, round(eight.shape[0] * factor)))
    return np.asarray(cv2.resize(eight, size, interpolation=cv2.INTER_AREA), np.uint8)
