"""Contrast-limited adaptive histogram equalisation that means the same for 8 and 16 bit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Pixels
from lopore.errors import ImageError

from .pixels import checked, on_luminance
from .strips import run, spans

BINS = 256
SMALLEST_TILE = 8
CHUNK = 150_000  # grey values in work at a time: shorter calls spend their time on waiting for the interpreter

Curve = NDArray[np.float32]
Band = tuple[Curve, Curve]
"""Of one row of tiles: each tile's curve, and what the next tile's curve adds to it."""


class Cell(NamedTuple):
    """A span of rows or columns between two tile centres, and the weight of the tile after for each of them."""

    begin: int
    end: int
    before: int
    after: int
    weight: Curve


def clahe(image: Pixels, *, clip_limit: float, tiles: int) -> Pixels:
    """Raise local contrast without lifting flat regions.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified; of colour the luminance is treated, the tint kept.
    clip_limit: multiple of the mean histogram bin, of 256 bins in both depths (scikit-image uses 0 to 1).
    tiles: tiles per side, each at least 8 px.
    Returns the same shape and dtype, not stretched to full range, so images stay comparable. 8 bit equals OpenCV.
    16 bit follows OpenCV's steps with 256 bins and interpolated curves: OpenCV's own 65 536 bins hold under one pixel
    of a tile each, so there the clip limit does nothing on films of common size.
    Raises ImageError if a side is under ``8 * tiles``.
    Source: Zuiderveld, Graphics Gems IV (1994).
    """
    image = checked(image)
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_TILE * tiles:
        raise ImageError(
            f"picture is {width} x {height} px; CLAHE with {tiles} tiles a side needs {SMALLEST_TILE * tiles} px: "
            f"use at most {max(1, min(height, width) // SMALLEST_TILE)} tiles or a larger picture"
        )
    if image.dtype == np.uint8:
        return on_luminance(image, cv2.createCLAHE(clip_limit, (tiles, tiles)).apply)
    return on_luminance(image, lambda plane: _clahe_16_bit(plane, clip_limit, tiles))


def _clahe_16_bit(image: Pixels, clip_limit: float, tiles: int) -> Pixels:
    padded = _padded(_top_bits(image), tiles)
    tile_height, tile_width = padded.shape[0] // tiles, padded.shape[1] // tiles
    limit = max(int(clip_limit * tile_height * tile_width / BINS), 1)
    counts = np.empty((tiles, tiles, BINS), np.int64)
    out = np.empty_like(image)
    columns = list(_cells(image.shape[1], tile_width, tiles))

    def count(row: int) -> None:
        lines = padded[row * tile_height : (row + 1) * tile_height]
        for column in range(tiles):
            tile = lines[:, column * tile_width : (column + 1) * tile_width]
            counts[row, column] = cv2.calcHist([tile], [0], None, [BINS], [0, BINS]).reshape(-1)

    def blend(rows: Cell) -> None:
        # Half a grey value more, so that cutting off the fraction rounds.
        upper, fall = _band(knots[rows.before] + 0.5), _band(knots[rows.after] - knots[rows.before])
        for column in columns:
            _blend(image, out, rows, (upper, fall), column)

    run(count, range(tiles))
    knots = _knots(counts, limit, tile_height * tile_width)
    run(blend, _cells(image.shape[0], tile_height, tiles))
    return out


def _top_bits(image: Pixels) -> Pixels:
    """``image >> 8`` as uint8: OpenCV rounds, so just under half a step is taken off; six times as fast as shifting."""
    return cv2.convertScaleAbs(image, alpha=1 / 256, beta=-0.498)


def _padded(image: Pixels, tiles: int) -> Pixels:
    """Sides filled up to whole tiles by reflection, as OpenCV does (a full tile more where only one side needs it)."""
    rows, columns = image.shape[0] % tiles, image.shape[1] % tiles
    if rows == 0 and columns == 0:
        return image
    return cv2.copyMakeBorder(image, 0, tiles - rows, 0, tiles - columns, cv2.BORDER_REFLECT_101)


def _cells(length: int, tile: int, tiles: int) -> Iterator[Cell]:
    for k in range(-1, tiles):
        begin, end = max(math.ceil((k + 0.5) * tile), 0), min(math.ceil((k + 1.5) * tile), length)
        if begin < end:
            weight = (np.arange(begin, end) / tile - 0.5 - k).astype(np.float32)
            yield Cell(begin, end, max(k, 0), min(k + 1, tiles - 1), weight)


def _knots(counts: NDArray[np.int64], limit: int, size: int) -> Curve:
    """The clipped cumulated histograms (..., 256) of tiles of ``size``: the new grey values of 0, 257 ... 65535."""
    clipped = np.maximum(counts - limit, 0).sum(axis=-1, keepdims=True)
    even, rest = np.divmod(clipped, BINS)
    spread, bins = BINS // np.maximum(rest, 1), np.arange(BINS)
    left_over = (bins % spread == 0) & (bins // spread < rest)
    cumulated = np.cumsum(np.minimum(counts, limit) + even + left_over, axis=-1)
    return cumulated.astype(np.float32) * np.float32(65535 / size)


STRAIGHT = np.stack([np.ones(257), np.arange(257) / 257]).astype(np.float32)


def _band(knots: Curve) -> Band:
    """Curves of one row of tiles from their knots (tiles, 256): (tiles, 65536) twice."""
    return _drawn(knots), _drawn(np.diff(knots, axis=0, append=knots[-1:]))


def _drawn(knots: Curve) -> Curve:
    """All 65 536 grey values of each tile, straight between its knots, which lie 257 apart."""
    rises = np.diff(knots, axis=1, append=knots[:, -1:])
    curves: Curve = np.matmul(np.stack([knots, rises], axis=2), STRAIGHT)
    return curves.reshape(len(knots), -1)[:, :65536]


def _blend(image: Pixels, out: Pixels, rows: Cell, bands: tuple[Band, Band], column: Cell) -> None:
    """One cell of the picture, mixed from the curves of the four tiles around it; a few rows at a time.

    bands: of the upper row of tiles, and what the lower row adds to it.
    """
    height, width = rows.end - rows.begin, column.end - column.begin
    at_once = math.ceil(height / math.ceil(height * width / CHUNK))
    upper, fall, step, across = (np.empty((at_once, width), np.float32) for _ in range(4))
    across[...] = column.weight
    for y0, y1 in spans(height, at_once):
        place = slice(rows.begin + y0, rows.begin + y1), slice(column.begin, column.end)
        block, used = image[place], slice(0, y1 - y0)
        _mix(block, column, bands[0], upper[used], step[used], across[used])
        if rows.before != rows.after:
            _mix(block, column, bands[1], fall[used], step[used], across[used])
            step[used] = rows.weight[y0:y1, None]
            cv2.accumulateProduct(fall[used], step[used], upper[used])
        out[place] = upper[used]


def _mix(block: Pixels, column: Cell, band: Band, mixed: Curve, step: Curve, weight: Curve) -> None:
    """The left tile's curve plus, by ``weight``, what the right tile's adds to it, into ``mixed``."""
    cv2.LUT(block, band[0][column.before], mixed)
    if column.before != column.after:
        cv2.LUT(block, band[1][column.before], step)
        cv2.accumulateProduct(step, weight, mixed)
