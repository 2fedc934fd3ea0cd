"""From a radiograph to a network's input, by the preprocessing record; the same everywhere."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import PixelBatch, Pixels
from lopore.errors import ConfigError, ModelError
from lopore.record.preprocessing import Preprocessing, Window

from .geometry import Geometry
from .geometry import fit_to_input as fit_to_input
from .lookup_tables import apply_table, histogram

if TYPE_CHECKING:
    from lopore.reading.radiograph import Radiograph

    from .enhancement_chain import Chain


def to_depth(radiograph: Radiograph, record: Preprocessing) -> Pixels:
    """Grey values of the file brought to the record's depth through its window; the one declared narrowing.

    'full' maps the type's whole range: 8 to 16 bit times 257; 16 to 8 bit is refused (ConfigError), since it would
    erase what a film's narrow band holds: choose a percentile, fixed or tags window.
    """
    pixels = radiograph.pixels
    target = np.dtype(np.uint8 if record.depth == 8 else np.uint16)
    if record.window.mode == "full":
        if pixels.dtype == target:
            return pixels
        if target == np.uint16:
            return pixels.astype(np.uint16) * np.uint16(257)
        raise ConfigError(
            f"{radiograph.source.name} has 16 bits and the model takes 8: a plain cut would erase faint defects; such "
            "films need a model trained with preprocessing.window.mode percentile, fixed or tags, or with depth 16"
        )
    low, high = _window_limits(radiograph, record.window)
    return stretch_between(pixels, low, high, target)


def _window_limits(radiograph: Radiograph, window: Window) -> tuple[float, float]:
    if window.mode == "fixed":
        return window.low, window.high
    if window.mode == "tags" and radiograph.window is not None:
        return radiograph.window
    return percentile_limits(radiograph.pixels, window.low, window.high)


def percentile_limits(pixels: Pixels, low: float, high: float) -> tuple[float, float]:
    """Grey values at two percentiles, exact, by the histogram of uint8 or uint16; high is above low by at least 1."""
    return percentiles_of(histogram(pixels), low, high)


def percentiles_of(counts: NDArray[np.int64], low: float, high: float) -> tuple[float, float]:
    """``percentile_limits`` of pixels whose grey values were counted, (256,) or (65 536,)."""
    cumulated = np.cumsum(counts)
    total = int(cumulated[-1])
    first, last = (-(-total * share.numerator // share.denominator) for share in map(share_of, (low, high)))
    bottom, top = (int(np.searchsorted(cumulated, rank, side="left")) for rank in (max(first, 1), last))
    return float(bottom), float(max(top, bottom + 1))


@lru_cache
def share_of(percent: float) -> Fraction:
    """A percentile as it is written, 99.9 as 999/1000: ranks are then whole numbers in every runtime."""
    return Fraction(str(percent)) / 100


def stretch_between(pixels: Pixels, low: float, high: float, target: np.dtype[Any]) -> Pixels:
    """Grey values low..high spread over the whole of ``target`` (uint8 or uint16) by one table; beyond is clipped."""
    return apply_table(pixels, stretch_table(pixels.dtype, low, high, target))


def stretch_table(source: np.dtype[Any], low: float, high: float, target: np.dtype[Any]) -> Pixels:
    """The table of ``stretch_between`` for grey values of ``source``."""
    levels = np.arange(int(np.iinfo(source).max) + 1, dtype=np.float64)
    scaled = (levels - low) / (high - low) * np.iinfo(target).max
    table: Pixels = np.rint(np.clip(scaled, 0, np.iinfo(target).max)).astype(target)
    return table


def read_for(record: Preprocessing, source: Path | bytes, **options: Any) -> Radiograph:
    """``read_radiograph`` with the channels and decoder scaling that the record asks for."""
    from lopore.reading.radiograph import read_radiograph

    reduce_to = record.size if record.decoder_scaling else None
    return read_radiograph(source, channels=record.channels, reduce_to=reduce_to, **options)


def preprocess(radiograph: Radiograph, record: Preprocessing) -> tuple[Pixels, Geometry]:
    """What the network sees of one radiograph, and where that lies on it.

    Returns (h, w, C) uint8 or uint16 of the record's size, channels and depth, and the Geometry.
    Raises ConfigError where the radiograph's channels or depth do not fit the record.
    """
    pixels = to_depth(radiograph, record)
    move = radiograph.to_original.inverse()
    if record.enhance:
        pixels, motion = _chain(json.dumps(record.enhance)).apply(pixels)
        move = move.then(motion)
    placed, placing = fit_to_input(pixels, record.resize, record.size)
    placed = _with_channels(placed, record.channels, radiograph.source.name)
    return placed, Geometry(radiograph.original_shape, record.size, move.then(placing))


@lru_cache(maxsize=64)
def _chain(steps: str) -> Chain:
    from .enhancement_chain import Chain

    return Chain.parse(json.loads(steps), for_model=True)


def _with_channels(pixels: Pixels, channels: int, name: str) -> Pixels:
    if channels == 3:
        return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.ndim == 3:
        raise ConfigError(f"{name} was read in colour and the model takes grey; read it with channels=1")
    return pixels[:, :, None]


def check_batch(batch: PixelBatch, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
    """ModelError where a batch is not (N, H, W, C) of ``shape`` and ``dtype``: for a network that would take others.

    A convolution takes any size, and normalisation any depth: the answer would be a number that means nothing.
    """
    if batch.ndim != 4 or batch.shape[1:] != shape or batch.dtype != dtype:
        raise ModelError(
            f"the model takes pixels {dtype} (N, {', '.join(map(str, shape))}), not {batch.dtype} {batch.shape}"
        )


def to_batch(images: list[Pixels]) -> PixelBatch:
    """(N, H, W, C) from preprocessed images of one record."""
    return np.stack(images)
