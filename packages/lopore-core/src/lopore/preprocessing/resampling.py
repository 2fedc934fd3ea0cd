"""The one antialiased resize: triangle-filter weights as small matrix products, exact at any size and depth."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

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


WEIGHT_PARTS = 4096
"""Weights of whole grey values are whole parts of this, and the mean of a column is kept to ``MEAN_PARTS`` of a level:
8 bits + 12 bits, then 12 bits + 12 bits are sums that float32 holds exactly. Ratios of sizes are simple, so many means
lie next to one half; the order of an inexact sum, which processor, BLAS and runtime choose, would decide them."""
MEAN_PARTS = 16
TIE_SHIFT = -1 / 2048
"""Added before a resized grey value is rounded: means of 16 bit pass what float32 holds, and many end in one half."""

Box = tuple[float | Fraction, float | Fraction, float | Fraction, float | Fraction]


class _Span(NamedTuple):
    """What of a line is seen: from ``twice_start / 2 / unit`` on, ``extent / unit`` pixels."""

    twice_start: int
    extent: int
    unit: int

    @classmethod
    def between(cls, start: float | Fraction, end: float | Fraction) -> _Span:
        first, last = (Fraction(place).limit_denominator(1_000_000) for place in (start, end))
        unit = math.lcm((2 * first).denominator, (last - first).denominator)
        return cls(int(2 * first * unit), int((last - first) * unit), unit)


@lru_cache(maxsize=512)
def _triangle_bands(length: int, span: _Span, out: int, whole: bool) -> tuple[tuple[int, int, int, Any], ...]:
    """Weights of an antialiased linear resize of a line's span to ``out`` samples, in bands.

    Each band is (first output, first input, last input, weights (outputs, inputs) float32). The filter is a triangle of
    half-width max(1, extent / out): Pillow's BILINEAR, PyTorch's ``antialias=True``. Distances are kept times
    ``2 * out * unit``, which makes them whole. Rows sum to 1, or, ``whole``, to ``MEAN_PARTS`` in steps of
    ``MEAN_PARTS / WEIGHT_PARTS``: the rounded running sum, so that nothing is lost.
    """
    pixel = 2 * out * span.unit
    support = 2 * max(span.extent, out * span.unit)
    centres = (2 * np.arange(out, dtype=np.int64) + 1) * span.extent + span.twice_start * out
    first = np.maximum((centres - support - pixel // 2) // pixel + 1, 0)
    last = np.minimum(-((pixel // 2 - centres - support) // pixel), length)
    bands = []
    for begin in range(0, out, _BAND):
        end = min(begin + _BAND, out)
        low, high = int(first[begin]), int(last[end - 1])
        places = (2 * np.arange(low, high, dtype=np.int64) + 1) * (pixel // 2)
        inside = np.maximum(support - np.abs(places[None, :] - centres[begin:end, None]), 0)
        if whole:
            reached = np.cumsum(inside, axis=1)
            total = reached[:, -1:]
            parts = np.diff((2 * WEIGHT_PARTS * reached + total) // (2 * total), axis=1, prepend=0)
            weights = parts * (MEAN_PARTS / WEIGHT_PARTS)
        else:
            weights = inside / inside.sum(axis=1, keepdims=True)
        bands.append((begin, low, high, weights.astype(np.float32)))
    return tuple(bands)


def resize(pixels: Pixels, size: tuple[int, int], box: Box | None = None) -> NDArray[np.float32]:
    """Antialiased bilinear resize as float32 on the same scale, not rounded; for maps, and to look at.

    pixels: (H, W) or (H, W, C), any depth. size: (height, width). box: (x0, y0, x1, y1) of the source, default all.
    Same filter as Pillow BILINEAR, ``torch.nn.functional.interpolate`` with ``antialias=True`` and ONNX Resize with
    ``antialias=1, exclude_outside=1`` (without the latter ONNX repeats the border, which differs by up to 20 of 255
    there).
    """
    return _resize(pixels, size, box, whole=False)


def resize_grey(pixels: Pixels, size: tuple[int, int], box: Box | None = None) -> Pixels:
    """The resize of a network's input: whole grey values of the same depth, (h, w) or (h, w, C).

    pixels: uint8 or uint16, (H, W) or (H, W, C). box: as in ``resize``. The weights are those of ``resize``, rounded to
    4096ths. At 8 bits the result is the same on every processor and in every runtime (``film.onnx`` computes it too).
    """
    means = _resize(pixels, size, box, whole=True)
    if pixels.dtype == np.uint8:
        import cv2

        # The same rounding in a quarter of the time.
        return cv2.convertScaleAbs(means, alpha=1 / MEAN_PARTS**2, beta=TIE_SHIFT).reshape(means.shape)
    means *= np.float32(1 / MEAN_PARTS**2)
    means += np.float32(TIE_SHIFT)
    return np.rint(means, out=means).astype(pixels.dtype)


def _resize(pixels: Pixels, size: tuple[int, int], box: Box | None, whole: bool) -> NDArray[np.float32]:
    import cv2  # its transpose and split take a seventh of numpy's time

    if pixels.ndim == 3:
        planes = [_resize(plane, size, box, whole) for plane in cv2.split(pixels)]
        return np.asarray(cv2.merge(planes), np.float32).reshape(*size, -1)
    height, width = pixels.shape
    if box is None:
        down_beat, across_beat = _beat(height, size[0], whole), _beat(width, size[1], whole)
        if down_beat and across_beat:
            turned = cv2.transpose(_kept_means(_repeated_rows(pixels, down_beat), whole))
            return np.asarray(cv2.transpose(_repeated_rows(turned, across_beat)), np.float32)
    x0, y0, x1, y1 = box or (0, 0, width, height)
    down = _weighted_rows(pixels, _triangle_bands(height, _Span.between(y0, y1), size[0], whole))
    return _weighted_columns(_kept_means(down, whole), _triangle_bands(width, _Span.between(x0, x1), size[1], whole))


def _kept_means(means: NDArray[np.float32], whole: bool) -> NDArray[np.float32]:
    return np.rint(means, out=means) if whole else means


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
def _beat(length: int, out: int, whole: bool) -> _Beat | None:
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
    for begin, low, high, band in _triangle_bands(length, _Span(0, length, 1), out, whole):
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
