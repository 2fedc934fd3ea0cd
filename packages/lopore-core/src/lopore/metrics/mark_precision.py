"""Average precision of indications that were matched with masks: of their outlines and of their boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .average_precision import AveragePrecision, ImageOverlaps, average_precision, box_overlaps
from .bootstrap import Floats
from .matching import FilmMatches


def mark_precision(
    films: Sequence[Sequence[FilmMatches]], groups: NDArray[np.int64], *, seed: int = 0
) -> tuple[AveragePrecision, AveragePrecision]:
    """AP of masks and of boxes by COCO's rules.

    films: of each the matches of every class, always in one order. groups: (F,) whole numbers from 0. A call that is
    no hit and not false either (near a mark, or where nothing is known) counts neither way, as on a crowd.
    """
    ids = np.asarray(groups).tolist()
    both = (
        [[_entry(number, film, kind(film)) for number, film in enumerate(classes)] for classes in films]
        for kind in (_by_outline, _by_box)
    )
    masks, boxes = (average_precision(images, ids, seed=seed) for images in both)
    return masks, boxes


def _entry(number: int, film: FilmMatches, overlaps: Floats) -> ImageOverlaps:
    """With one more column for what counts neither way."""
    excused = np.array([[float(not call.false and not call.hits)] for call in film.calls]).reshape(-1, 1)
    crowd = np.arange(len(film.marks) + 1) == len(film.marks)
    scores = np.array([call.score for call in film.calls], np.float64)
    return ImageOverlaps(str(number), scores, np.column_stack([overlaps, excused]), crowd)


def _by_outline(film: FilmMatches) -> Floats:
    column_of = {mark.id: column for column, mark in enumerate(film.marks)}
    found = np.zeros((len(film.calls), len(film.marks)))
    for row, call in enumerate(film.calls):
        for mark, share in zip(call.hits, call.overlaps, strict=True):
            found[row, column_of[mark]] = share
    return found


def _by_box(film: FilmMatches) -> Floats:
    calls = _boxes([call.box for call in film.calls])
    return box_overlaps(calls, _boxes([mark.box for mark in film.marks]), np.zeros(len(film.marks), np.bool_))


def _boxes(boxes: Sequence[tuple[float, float, float, float] | None]) -> Floats:
    """(N, 4) as x, y, width, height."""
    table = np.array([box for box in boxes if box is not None], np.float64).reshape(-1, 4)
    return np.column_stack([table[:, :2], table[:, 2:] - table[:, :2]])
