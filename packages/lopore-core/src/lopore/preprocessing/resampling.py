"""The one antialiased resize: triangle-filter weights as small matrix products, exact at any size and depth."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels

# Short bands waste few zero weights. OpenBLAS computes products of up to 2^18 multiplications in the calling thread;
# larger ones wait for its pool, which costs milliseconds where worker threads or other programs keep the cores busy.
_BAND = 8
_ONE_THREAD = 2**18
# Grey values that each thread keeps room for: 2 MiB, the second cache of a core.
_KEPT = 2**19
_own = threading.local()


@lru_cache(maxsize=256)
def _triangle_bands(length: int, start: float, extent: float, out: int) -> tuple[tuple[int, int, int, Any], ...]:
    """Weights of an antialiased linear resize of ``[start, start + extent)`` of a line to ``out`` samples, in bands.

    Each band is (first output, first input, last input, weights (outputs, inputs) float32); rows sum to 1. The filter
    is a triangle of half-width max(1, extent / out): Pillow's BILINEAR, PyTorch's ``antialias=True``.
    """
    scale = extent / out
    support = max(scale, 1.0)
    centres = start + (np.arange(out) + 0.5) * scale
    first = np.maximum((centres - support + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + support + 0.5).astype(np.int64), length)
    bands = []
    for begin in range(0, out, _BAND):
        end = min(begin + _BAND, out)
        low, high = int(first[begin]), int(last[end - 1])
        places = np.arange(low, high) + 0.5
        weights = np.maximum(1.0 - np.abs(places[None, :] - centres[begin:end, None]) / support, 0.0)
        valid = (places[None, :] >= first[begin:end, None]) & (places[None, :] < last[begin:end, None])
        weights *= valid
        weights /= weights.sum(axis=1, keepdims=True)
        bands.append((begin, low, high, weights.astype(np.float32)))
    return tuple(bands)


def resize(
    pixels: Pixels, size: tuple[int, int], box: tuple[float, float, float, float] | None = None
) -> NDArray[np.float32]:
    """Antialiased bilinear resize, the one that every part of lopore uses.

    pixels: (H, W) or (H, W, C), any depth. size: (height, width). box: (x0, y0, x1, y1) of the source, default all.
    Returns float32 on the same scale, not rounded. Same filter as Pillow BILINEAR, ``torch.nn.functional.interpolate``
    with ``antialias=True`` and ONNX Resize with ``antialias=1, exclude_outside=1`` (without the latter ONNX repeats the
    border, which differs by up to 20 of 255 there).
    """
    import cv2  # its transpose and split take a seventh of numpy's time

    if pixels.ndim == 3:
        planes = [resize(plane, size, box) for plane in cv2.split(pixels)]
        return np.asarray(cv2.merge(planes), np.float32).reshape(*size, -1)
    height, width = pixels.shape
    if box is None:
        down_beat, across_beat = _beat(height, size[0]), _beat(width, size[1])
        if down_beat and across_beat:
            turned = cv2.transpose(_repeated_rows(pixels, down_beat))
            return np.asarray(cv2.transpose(_repeated_rows(turned, across_beat)), np.float32)
    x0, y0, x1, y1 = box or (0.0, 0.0, float(width), float(height))
    down = _weighted_rows(pixels, _triangle_bands(height, y0, y1 - y0, size[0]))
    return _weighted_columns(down, _triangle_bands(width, x0, x1 - x0, size[1]))


@dataclass(frozen=True)
class _Beat:
    """A resize whose weights repeat: every ``step`` inputs give ``len(middle)`` outputs, ``count`` times.

    The weights reach ``reach`` inputs over the step on either side; ``first`` and ``last`` are those at the borders.
    """

    count: int
    step: int
    reach: int
    first: NDArray[np.float32]
    middle: NDArray[np.float32]
    last: NDArray[np.float32]


@lru_cache(maxsize=256)
def _beat(length: int, out: int) -> _Beat | None:
    """The repeating weights of a whole line (640 to 224: 20 inputs to 7 outputs), or None where there are none."""
    common, widest = math.gcd(length, out), int(max(length / out, 1.0)) + 2
    for several in (several for several in range(1, common + 1) if common % several == 0):
        step, outputs, count = length // common * several, out // common * several, common // several
        if step >= widest and outputs >= 4:
            break
    else:
        return None
    if count < 4 or outputs > 16 or outputs * (step + 2 * widest) * 64 > _ONE_THREAD:
        return None
    weights = np.zeros((out, length), np.float32)
    for begin, low, high, band in _triangle_bands(length, 0.0, float(length), out):
        weights[begin : begin + len(band), low:high] = band
    used = np.flatnonzero(weights[outputs : 2 * outputs].any(axis=0))
    reach = max(step - int(used[0]), int(used[-1]) + 1 - 2 * step)
    return _Beat(
        count,
        step,
        reach,
        first=weights[:outputs, : step + reach].copy(),
        middle=weights[outputs : 2 * outputs, step - reach : 2 * step + reach].copy(),
        last=weights[-outputs:, -(step + reach) :].copy(),
    )


def _as_float(block: NDArray[Any]) -> NDArray[np.float32]:
    """The block as float32, in memory that this thread keeps: fresh pages cost more than the conversion."""
    if block.dtype == np.float32:
        return block
    if block.size > _KEPT:
        return block.astype(np.float32)
    if not hasattr(_own, "memory"):
        _own.memory = np.empty(_KEPT, np.float32)
    held: NDArray[np.float32] = _own.memory[: block.size].reshape(block.shape)
    held[...] = block
    return held


def _repeated_rows(lines: NDArray[Any], beat: _Beat) -> NDArray[np.float32]:
    """``_weighted_rows`` in three calls: (out, N) float32 from (length, N)."""
    outputs, columns, step = len(beat.middle), lines.shape[1], beat.step
    result = np.empty((beat.count, outputs, columns), np.float32)
    piece = max(16, min(_ONE_THREAD // beat.middle.size, _KEPT // len(lines)))
    for left in range(0, columns, piece):
        block, part = _as_float(lines[:, left : left + piece]), result[:, :, left : left + piece]
        np.matmul(beat.first, block[: step + beat.reach], out=part[0])
        np.matmul(beat.last, block[-(step + beat.reach) :], out=part[-1])
        shape = beat.count - 2, beat.middle.shape[1], block.shape[1]
        strides = step * block.strides[0], *block.strides
        windows = np.lib.stride_tricks.as_strided(block[step - beat.reach :], shape, strides, writeable=False)
        np.matmul(beat.middle, windows, out=part[1:-1])
    return result.reshape(-1, columns)


def _weighted_rows(lines: NDArray[Any], bands: tuple[tuple[int, int, int, Any], ...]) -> NDArray[np.float32]:
    """One output row for each row of the bands' weights: (out, N) float32 from (length, N)."""
    count = lines.shape[1]
    result = np.empty((bands[-1][0] + len(bands[-1][3]), count), np.float32)
    for begin, low, high, weights in bands:
        piece = max(16, _ONE_THREAD // weights.size)
        for left in range(0, count, piece):
            block = lines[low:high, left : left + piece].astype(np.float32, copy=False)
            np.matmul(weights, block, out=result[begin : begin + len(weights), left : left + piece])
    return result


def _weighted_columns(rows: NDArray[np.float32], bands: tuple[tuple[int, int, int, Any], ...]) -> NDArray[np.float32]:
    """One output column for each row of the bands' weights: (N, out) float32 from (N, length)."""
    result = np.empty((len(rows), bands[-1][0] + len(bands[-1][3])), np.float32)
    for begin, low, high, weights in bands:
        piece = max(16, _ONE_THREAD // weights.size)
        for top in range(0, len(rows), piece):
            block = rows[top : top + piece, low:high]
            result[top : top + piece, begin : begin + len(weights)] = block @ weights.T
    return result
