"""Contrast-limited adaptive histogram equalisation that means the same for 8 and 16 bit."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from lopore.contracts import Pixels
from lopore.errors import ImageError

from .pixels import checked, on_luminance
from .strips import run, spans

BINS = 256
SMALLEST_TILE = 8
CURVES_AT_ONCE = 128  # stacked in one table: with more, float32 would place a pixel less finely between two of them
PIXELS_AT_ONCE = 65_536  # two float32 buffers of 256 KiB stay in a core's own cache

Curves = NDArray[np.float32]
Places = NDArray[np.float32]


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
            f"image is {width} x {height} px; CLAHE with {tiles} tiles a side needs {SMALLEST_TILE * tiles} px: "
            f"use at most {max(1, min(height, width) // SMALLEST_TILE)} tiles or a larger image"
        )
    if image.dtype == np.uint8:
        return on_luminance(image, cv2.createCLAHE(clip_limit, (tiles, tiles)).apply)
    return on_luminance(image, lambda plane: _clahe_16_bit(plane, clip_limit, tiles))


def _clahe_16_bit(image: Pixels, clip_limit: float, tiles: int) -> Pixels:
    height, width = image.shape
    tile_height, tile_width = _tile_size(height, width, tiles)
    counts = np.zeros((tiles, tiles, BINS), np.float32)
    halves, upper = image.view(np.uint8).reshape(height, width, 2), int(sys.byteorder == "little")

    def count(row: int) -> None:
        for lines, column in product(_seen_in_tile(row, tile_height, height), range(tiles)):
            for area in _seen_in_tile(column, tile_width, width):
                found = cv2.calcHist([halves[lines, area]], [upper], None, [BINS], [0, BINS])
                counts[row, column] += found.reshape(-1)

    run(count, range(tiles))
    size = tile_height * tile_width
    knots = np.pad(_knots(counts.astype(np.int64), max(int(clip_limit * size / BINS), 1), size), (0, 1), "edge")
    down, across = _among_tiles(height, tile_height, tiles), _among_tiles(width, tile_width, tiles)
    out = np.empty_like(image)

    def look_up(rows: tuple[int, int]) -> None:
        lines = slice(*rows)
        _look_up(image[lines], out[lines], knots, down[lines], across)

    # Whole blocks for each thread: float32 rounds by a row's place in its block, so results never depend on threads.
    block = CURVES_AT_ONCE // (tiles + 1)
    run(look_up, spans(height, block * math.ceil(height / block / max(cv2.getNumThreads(), 1))))
    return out


def _tile_size(height: int, width: int, tiles: int) -> tuple[int, int]:
    """Height and width of a tile; as in OpenCV, where one side is no whole number of tiles, both are filled up."""
    if height % tiles == 0 and width % tiles == 0:
        return height // tiles, width // tiles
    return height // tiles + 1, width // tiles + 1


def _seen_in_tile(number: int, size: int, length: int) -> Iterator[slice]:
    """The rows (columns) of a tile: those in the image, and those mirrored at its last one to fill the tile up."""
    begin, end = number * size, (number + 1) * size
    if begin < length:
        yield slice(begin, min(end, length))
    if end > length:
        yield slice(2 * length - 1 - end, 2 * length - 1 - max(begin, length))


def _knots(counts: NDArray[np.int64], limit: int, size: int) -> Curves:
    """The clipped cumulated histograms (..., 256) of tiles of ``size``: the new grey values of 0, 257 ... 65535."""
    clipped = np.maximum(counts - limit, 0).sum(axis=-1, keepdims=True)
    even, rest = np.divmod(clipped, BINS)
    spread, bins = BINS // np.maximum(rest, 1), np.arange(BINS)
    left_over = (bins % spread == 0) & (bins // spread < rest)
    cumulated = np.cumsum(np.minimum(counts, limit) + even + left_over, axis=-1)
    return cumulated.astype(np.float32) * np.float32(65535 / size)


def _among_tiles(length: int, tile: int, tiles: int) -> Places:
    """Where each row (column) lies among the tiles' centres: 0 up to the first, 0.5 between the first two."""
    return np.clip(np.arange(length) / tile - 0.5, 0, tiles - 1).astype(np.float32)


def _look_up(image: Pixels, out: Pixels, knots: Curves, down: Places, across: Places) -> None:
    """The new grey values of some rows into ``out``: one call reads many rows from the curves that hold at each.

    knots: (tiles + 1, tiles + 1, 257), of which the last repeat those before, for reading on past them.
    down, across: where the rows and the columns lie among the tiles' centres.
    """
    tiles, values = knots.shape[1:]
    at_once = min(CURVES_AT_ONCE // tiles, len(image))
    widest = min(PIXELS_AT_ONCE // at_once, image.shape[1])
    curve = np.arange(0, at_once * tiles, tiles, dtype=np.float32)[:, None] + across
    grey = np.empty((at_once, widest), np.float32)
    for top, bottom in spans(len(image), at_once):
        table = _curves(knots, down[top:bottom]).reshape(-1, values)
        for begin, end in spans(image.shape[1], widest):
            area, used = (slice(top, bottom), slice(begin, end)), slice(0, bottom - top)
            part = np.multiply(image[area], np.float32(1 / 257), out=grey[used, : end - begin])
            cv2.remap(table, part, curve[used, begin:end], cv2.INTER_LINEAR, out[area], cv2.BORDER_REPLICATE)


def _curves(knots: Curves, down: Places) -> Pixels:
    """The curves that hold at some heights, straight between those of the tiles above and below: (heights, ...)."""
    weights = np.maximum(1 - np.abs(down[:, None] - np.arange(len(knots), dtype=np.float32)), 0)
    mixed = np.matmul(weights[:, None, :], knots.reshape(len(knots), -1))
    mixed += 0.5
    curves: Pixels = mixed.astype(np.uint16)
    return curves
