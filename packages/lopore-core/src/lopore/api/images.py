"""Arrays and paths as radiographs and films."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lopore.arrays import Pixels
from lopore.errors import ImageError
from lopore.preprocessing.pipeline import read_for
from lopore.reading.radiograph import Radiograph, Source
from lopore.record.preprocessing import Preprocessing

if TYPE_CHECKING:
    from lopore.reading.film_source import FilmSource

GREY_WEIGHTS = (0.299, 0.587, 0.114)
"""Of red, green and blue in grey (ITU-R BT.601), as the image reader has them."""


def checked_array(pixels: Any) -> Pixels:
    """The array itself; ImageError for a shape or type that is no image."""
    array = np.asarray(pixels)
    if array.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"the array is {array.dtype}; give uint8 or uint16 grey values as the file holds them")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or 0 in array.shape:
        raise ImageError(f"the array has shape {array.shape}; (H, W) or (H, W, 3) RGB is needed")
    return array


def radiograph_of(
    image: Any, record: Preprocessing, *, mm_per_pixel: float | None = None, page: int | None = None
) -> Radiograph:
    """A radiograph with the channels that the record asks for, from a path or an array."""
    if isinstance(image, str | Path):
        radiograph = read_for(record, Path(image), page=page)
        if mm_per_pixel is None:
            return radiograph
        return replace(radiograph, pixel_pitch_mm=mm_per_pixel, pitch_source="given by the user")
    array = _with_channels(checked_array(image), record.channels)
    depth = array.dtype.itemsize * 8
    digest = hashlib.sha256(f"{array.shape} {array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
    return Radiograph(
        pixels=array,
        source=Source("array", None, digest.hexdigest(), "array", 1, 1, depth),
        original_shape=(array.shape[0], array.shape[1]),
        pixel_pitch_mm=mm_per_pixel,
        pitch_source=None if mm_per_pixel is None else "given by the user",
    )


def _with_channels(array: Pixels, channels: int) -> Pixels:
    if channels == 3:
        return array if array.ndim == 3 else np.repeat(array[:, :, None], 3, axis=2)
    if array.ndim == 2:
        return array
    return np.asarray(np.rint(array @ np.array(GREY_WEIGHTS)), array.dtype)


def film_of(
    film: Any, *, mm_per_pixel: float | None = None, page: int | None = None
) -> AbstractContextManager[FilmSource]:
    """A film that is read in windows, from a path or an array."""
    from contextlib import closing

    from lopore.reading.film_source import ArrayFilm
    from lopore.reading.windows import open_film

    if isinstance(film, str | Path):
        return closing(open_film(Path(film), page=page, mm_per_pixel=mm_per_pixel))
    array = _with_channels(checked_array(film), 1)
    given = None if mm_per_pixel is None else "given by the user"
    return closing(ArrayFilm(array, pixel_pitch_mm=mm_per_pixel, pitch_source=given))
