"""An upload as a film source, and the turn that lays a tall film flat for the eye. No Streamlit in here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

import numpy as np

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.errors import LoporeError
from lopore.reading.film_source import ArrayFilm
from lopore.reading.radiograph import Radiograph, describe, read_radiograph
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.upload import Upload

TALL = 1.5
"""A film that is this much higher than wide is shown turned by a quarter."""


def read_film(upload: Upload) -> Radiograph:
    """Every grey value of the page that is looked at; ImageError in one line where it cannot be read."""
    return read_radiograph(upload.content, channels=1, name=upload.name, page=upload.page)


def unreadable(memory: Memory, uploads: Iterable[Upload]) -> tuple[str, ...]:
    """What of the dropped files is no film, by its header: name and reason, one line each; asked once a file."""
    said = (memory.get(("header", one.sha256), partial(_reason, one), lambda _: 256) for one in uploads)
    return tuple(reason for reason in said if reason)


def _reason(upload: Upload) -> str:
    try:
        describe(upload.content, name=upload.name)
    except LoporeError as error:
        return str(error)
    return ""


GIVEN = "given by the user"


def film_source(upload: Upload, film: Radiograph, pitch_mm: float | None = None, pitch_from: str = GIVEN) -> ArrayFilm:
    """The film as an inspection reads it, with the identity of its file.

    pitch_mm: instead of the one that the file states. pitch_from: where it comes from, in words.
    """
    pitch = pitch_mm or film.pixel_pitch_mm
    source = ArrayFilm(
        film.pixels,
        name=film.source.name,
        pixel_pitch_mm=pitch,
        pitch_source=None if pitch is None else pitch_from if pitch_mm else f"{film.source.format} file",
        polarity=film.polarity,
        window=film.window,
        notes=film.notes,
    )
    stated = film.source
    source.facts = replace(
        source.facts, format=stated.format, page=stated.page, pages=stated.pages, file_depth=stated.file_depth
    )
    vars(source)["sha256"] = upload.sha256  # of the file, as the command line states it
    return source


def is_tall(shape: tuple[int, ...]) -> bool:
    """Whether a film of (height, width) is shown turned."""
    return shape[0] > TALL * shape[1]


def laid_flat(pixels: Pixels) -> Pixels:
    """The film as it is shown: a tall one a quarter turn to the left; (H, W) or (W, H)."""
    return np.ascontiguousarray(np.rot90(pixels)) if is_tall(pixels.shape) else pixels


def to_shown(shape: tuple[int, ...]) -> Affine:
    """From places on the film to places on the film as it is shown."""
    return Affine(xx=0, xy=1, x0=0, yx=-1, yy=0, y0=float(shape[1])) if is_tall(shape) else Affine()
