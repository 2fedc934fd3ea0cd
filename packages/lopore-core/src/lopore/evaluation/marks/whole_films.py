"""Whole films through a model of tiles: film scores from the film's map, and its indications."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lopore.errors import DataError, LoporeError
from lopore.indications.inspect_film import marks_of_map, numbered
from lopore.inference.cover_film import CoverOptions, cover_film
from lopore.inference.film_doubts import film_unlike_training
from lopore.inference.predict import Failure, as_text
from lopore.messages import plain
from lopore.preprocessing.film_input import FilmInput
from lopore.reading.radiograph import describe
from lopore.reading.windows import open_film

if TYPE_CHECKING:
    from lopore.data.manifest import Manifest
    from lopore.inference.film_map import FilmMap
    from lopore.models.opening import OpenModel

    from .tally import MarkTally


def has_whole_films(model: OpenModel, films: Manifest) -> bool:
    """Whether the model takes tiles and these images are none."""
    plan = model.record.preprocessing
    if plan.resize != "tile":
        return False
    for row in films.rows:
        shape = row.height, row.width
        if None in shape:
            try:
                facts = describe(films.file(row))
            except (LoporeError, OSError):
                continue
            shape = facts.height, facts.width
        if shape != tuple(plan.size):
            return True
    return False


def answer_whole_films(
    model: OpenModel, films: Manifest, tally: MarkTally, progress: Callable[[int, int], None] | None = None
) -> tuple[dict[int, list[float]], tuple[Failure, ...], set[int]]:
    """Scores by row, the files that gave none, and rows unlike the training films; the indications go to ``tally``.

    The score of a class is the largest probability on the film. DataError for a multiclass model, whose scores of
    tiles make none of a film.
    """
    if model.record.task == "multiclass":
        raise DataError(
            f"{model.folder.title} gives each tile one of its classes, which makes no answer for a whole film; use "
            "`lopore inspect`, or score a manifest of tiles"
        )
    answers: dict[int, list[float]] = {}
    failures: list[Failure] = []
    unlike: set[int] = set()
    for number, row in enumerate(films.rows):
        path = films.file(row)
        try:
            answers[number], odd = _answer(model, path, row.mm_per_pixel, number, tally)
            unlike |= {number} if odd else set()
        except (LoporeError, OSError) as error:
            failures.append(Failure(as_text(path), plain(error)))
        if progress is not None:
            progress(number + 1, len(films.rows))
    return answers, tuple(failures), unlike


def _answer(
    model: OpenModel, path: Path, pitch_mm: float | None, number: int, tally: MarkTally
) -> tuple[list[float], bool]:
    """The film's scores, and whether it is unlike those of training."""
    record = model.record
    exact = tuple({value for each in tally.thresholds for value in each.values()})
    with (
        open_film(path, mm_per_pixel=pitch_mm) as source,
        tempfile.TemporaryDirectory(prefix="lopore-film-") as folder,
    ):
        film = FilmInput(source, record.preprocessing)
        film_map = cover_film(model, film, Path(folder), CoverOptions(), exact=exact)
        found = [
            [mark.in_mm(film.pitch_mm) for mark in numbered(marks_of_map(film_map, each, source.shape))]
            for each in tally.thresholds
        ]
        tally.add(number, found, source.shape, film.pitch_mm)
        odd = bool(film_unlike_training(record, film))
        peaks = {name: _largest(film_map, class_index) for class_index, name in enumerate(film_map.classes)}
    if record.task == "binary":
        (peak,) = peaks.values()
        return [peak if name in peaks else 1 - peak for name in record.classes], odd
    return [peaks.get(name, 0.0) for name in record.classes], odd


def _largest(film_map: FilmMap, class_index: int) -> float:
    codes = film_map.codes(class_index, 0, 0, *film_map.facts.shape)
    return float(film_map.decode(codes.max(keepdims=True)).max())
