"""Reasons to trust the marks of a whole film less."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lopore.data.appearance import Appearance
from lopore.data.likeness import middle_of
from lopore.data.relief import relief_of

from .doubts import Doubt, doubts_about_training, source_doubts, unlike_training

if TYPE_CHECKING:
    from lopore.preprocessing.film_input import FilmInput
    from lopore.record.model import ModelRecord

_TILES_LOOKED_AT = 8
"""Along each side, to tell whether a film is like those of training."""


def doubts_about_film(record: ModelRecord, film: FilmInput) -> tuple[Doubt, ...]:
    """What the record, the file and the grey values say against the marks of one film, the gravest first.

    A model of tiles compares the middle of tiles spread over the film with its training films; a record without such
    statistics, or of images that were not cut into tiles, leaves the comparison out.
    """
    found = [
        *doubts_about_training(record),
        *film_unlike_training(record, film),
        *film_turned(record, film),
        *source_doubts(record, film.source.file_depth, film.source.polarity),
    ]
    return tuple(sorted(found, key=lambda doubt: not doubt.blocks))


def film_unlike_training(record: ModelRecord, film: FilmInput) -> tuple[Doubt, ...]:
    """What tells a film, by the middle of tiles spread over it, from the training films of a model of tiles."""
    if record.preprocessing.resize != "tile" or not record.training_grey:
        return ()
    height, width = record.preprocessing.size
    rows, columns = (
        max(1, min(_TILES_LOOKED_AT, length // side)) for length, side in zip(film.shape, (height, width), strict=True)
    )
    tops = np.linspace(0, max(film.shape[0] - height, 0), rows).astype(int)
    lefts = np.linspace(0, max(film.shape[1] - width, 0), columns).astype(int)
    seen = [Appearance.of(film.read(int(top), int(left), height, width)) for top in tops for left in lefts]
    return tuple(unlike_training(record, middle_of(seen)))


def film_turned(record: ModelRecord, film: FilmInput) -> tuple[Doubt, ...]:
    """Whether the film is inverted against those of training, by what its pixels show; nothing is said where a film
    has no plain side, or the record does not know that of its training films."""
    theirs = record.training_relief
    relief = None if theirs is None else relief_of(film)
    if theirs is None or relief is None or not theirs.is_turned(relief):
        return ()
    here, there = ("brighter", "darker") if relief > 0 else ("darker", "brighter")
    text = (
        f"The film looks inverted: most of what stands out on it is {here} than its ground ({relief:+.2f}), on the "
        f"training films {there} ({theirs.low:+.2f} to {theirs.high:+.2f}); turn it with the step invert. "
    )
    return (Doubt(kind="polarity", text=text + theirs.rate_text, blocks=True),)
