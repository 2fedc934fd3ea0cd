"""Grey values remapped: the same curve for every pixel, or one that the image's own histogram makes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Pixels
from lopore.preprocessing.lookup_tables import apply_table, histogram

from .pixels import checked, full_scale, luminance, on_luminance, with_channels_of


def ramp(dtype: np.dtype[Any]) -> Pixels:
    """Every grey value once, in order."""
    return np.arange(full_scale(dtype) + 1, dtype=dtype)


def _shared(table: Pixels) -> Pixels:
    """Locked, for it is kept and handed out again."""
    table.flags.writeable = False
    return table


@lru_cache(maxsize=64)
def linear_table(dtype: np.dtype[Any], scale: float, offset: float) -> Pixels:
    """``scale * value + offset``, rounded and clipped, for every grey value."""
    values = ramp(dtype)
    if not _fits_opencv(dtype, scale, offset):
        return _shared(np.rint(np.clip(scale * values.astype(np.float64) + offset, 0, values[-1])).astype(dtype))
    return _shared(cv2.addWeighted(values, scale, values, 0, offset).reshape(-1))


def _fits_opencv(dtype: np.dtype[Any], scale: float, offset: float) -> bool:
    """OpenCV rounds to 32-bit integers before it clips, so that very steep lines would wrap around."""
    return abs(scale) * full_scale(dtype) + abs(offset) < 2**31


def _linear(image: Pixels, scale: float, offset: float) -> Pixels:
    if image.dtype == np.uint16 and _fits_opencv(image.dtype, scale, offset):
        return cv2.addWeighted(image, scale, image, 0, offset)
    return apply_table(image, linear_table(image.dtype, scale, offset))


def brightness_table(dtype: np.dtype[Any], *, amount: float) -> Pixels:
    return linear_table(np.dtype(dtype), 1.0, amount / 100 * full_scale(dtype))


def brightness(image: Pixels, *, amount: float) -> Pixels:
    """Add ``amount`` percent of full scale (-100 to 100); clipped, never wrapped.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype.
    """
    image = checked(image)
    return _linear(image, 1.0, amount / 100 * full_scale(image.dtype))


def contrast_table(dtype: np.dtype[Any], *, factor: float, pivot: float) -> Pixels:
    return linear_table(np.dtype(dtype), factor, (1 - factor) * pivot / 100 * full_scale(dtype))


def contrast(image: Pixels, *, factor: float, pivot: float) -> Pixels:
    """Spread grey values by ``factor`` about ``pivot`` (percent of full scale), which stays where it is; clipped.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype.
    """
    image = checked(image)
    return _linear(image, factor, (1 - factor) * pivot / 100 * full_scale(image.dtype))


@lru_cache(maxsize=64)
def _gamma_table(dtype: np.dtype[Any], gamma: float) -> Pixels:
    top = full_scale(dtype)
    return _shared(np.rint(top * np.linspace(0, 1, top + 1) ** gamma).astype(dtype))


def gamma_table(dtype: np.dtype[Any], *, gamma: float) -> Pixels:
    return _gamma_table(np.dtype(dtype), gamma)


def gamma(image: Pixels, *, gamma: float) -> Pixels:
    """``full * (value / full) ** gamma``: under 1 opens the dark parts, over 1 the bright ones.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype.
    """
    image = checked(image)
    return apply_table(image, _gamma_table(image.dtype, gamma))


def invert_table(dtype: np.dtype[Any]) -> Pixels:
    return ramp(dtype)[::-1].copy()


def invert(image: Pixels) -> Pixels:
    """Full scale minus the value: film negative to positive and back.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype.
    """
    return cv2.bitwise_not(checked(image))


def greyscale(image: Pixels) -> Pixels:
    """The luminance on every channel: a tinted scan without its tint; grey images come back as they are.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype.
    """
    image = checked(image)
    return image.copy() if image.ndim == 2 else with_channels_of(image, luminance(image))


def _window_line(dtype: np.dtype[Any], level: float, width: float) -> tuple[float, float]:
    scale = full_scale(dtype) / width
    return scale, -scale * (level - width / 2)


def window_table(dtype: np.dtype[Any], *, level: float, width: float) -> Pixels:
    percent = full_scale(dtype) / 100
    return linear_table(np.dtype(dtype), *_window_line(dtype, level * percent, width * percent))


def window(image: Pixels, *, level: float, width: float) -> Pixels:
    """Spread a ``width`` of grey values about ``level``, both in percent of full scale, over the whole; clipped beyond.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype.
    """
    image = checked(image)
    percent = full_scale(image.dtype) / 100
    return _linear(image, *_window_line(image.dtype, level * percent, width * percent))


def window_grey_table(dtype: np.dtype[Any], *, level: float, width: float) -> Pixels:
    return linear_table(np.dtype(dtype), *_window_line(dtype, level, width))


def window_grey(image: Pixels, *, level: float, width: float) -> Pixels:
    """``window`` with level and width as grey values of the file, as a DICOM window is given.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype.
    """
    image = checked(image)
    return _linear(image, *_window_line(image.dtype, level, width))


def stretch(image: Pixels, *, low: float, high: float) -> Pixels:
    """Spread the grey values between two percentiles of the image itself over the full scale; clipped beyond.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified; colour channels are stretched together.
    low, high: percentiles, 0 to 100, low under high, each taken as a grey value that occurs.
    Returns the same shape and dtype; an even image as it is.
    """
    image = checked(image)
    return stretched(image, stretch_line(histogram(image), low, high))


def stretch_line(counts: NDArray[np.int64], low: float, high: float) -> tuple[float, float] | None:
    """(scale, offset) of ``stretch`` for pixels that were counted, (256,) or (65 536,); None for an even image."""
    cumulated = np.cumsum(counts)
    ranks = np.maximum(cumulated[-1] * (np.array([low, high]) / 100), 1)
    bottom, top = (int(value) for value in np.searchsorted(cumulated, ranks))
    if bottom == top:
        return None
    scale = (len(counts) - 1) / (top - bottom)
    return scale, -scale * bottom


def stretched(image: Pixels, line: tuple[float, float] | None) -> Pixels:
    """The image through ``stretch_line``."""
    return image.copy() if line is None else _linear(image, *line)


def equalize(image: Pixels) -> Pixels:
    """Give every grey value an equal share of the pixels (global histogram equalisation).

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified; of colour the luminance is equalised, the tint kept.
    Returns the same shape and dtype; 8 bit equals OpenCV's ``equalizeHist``, 16 bit is its formula on 65 536 bins.
    """
    return on_luminance(checked(image), _equalize_grey)


def _equalize_grey(image: Pixels) -> Pixels:
    if image.dtype == np.uint8:
        return cv2.equalizeHist(image)
    table = equalize_table(histogram(image), image.dtype)
    return image.copy() if table is None else cv2.LUT(image, table)


def equalize_table(counts: NDArray[np.int64], dtype: np.dtype[Any]) -> Pixels | None:
    """The table of ``equalize`` for counted pixels; None for an even image. 8 bit follows OpenCV's float32."""
    first = int(np.flatnonzero(counts)[0])
    above = int(counts.sum()) - int(counts[first])
    if above == 0:
        return None
    others = counts.copy()
    others[first] = 0
    scale = full_scale(dtype) / above
    share = np.cumsum(others) * (np.float32(scale) if dtype == np.uint8 else scale)
    table: Pixels = np.rint(share.astype(np.float32) if dtype == np.uint8 else share).astype(dtype)
    return table
