"""Grey values counted, and replaced through a table: the one fast way for 8 and for 16 bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels

# OpenCV tells counts in float32, exact to 2^24; its 65 536 bins cost more than they save under 2^20 values of 16 bits.
_EXACT = 2**24
_FEW = 2**20


def histogram(pixels: Pixels) -> NDArray[np.int64]:
    """How many values there are of each grey value, exact: (256,) of uint8, (65 536,) of uint16 of any shape."""
    levels = int(np.iinfo(pixels.dtype).max) + 1
    if pixels.dtype == np.uint16 and pixels.size < _FEW:
        return np.bincount(pixels.reshape(-1), minlength=levels)
    rows = np.ascontiguousarray(pixels.reshape(len(pixels), -1))
    counts = _counted(rows, levels)
    if counts.max() < _EXACT:
        return counts.astype(np.int64)
    step = max(1, _EXACT // rows.shape[1])
    pieces = [_counted(rows[begin : begin + step], levels) for begin in range(0, len(rows), step)]
    total: NDArray[np.int64] = np.sum(pieces, axis=0, dtype=np.int64)
    return total


def _counted(rows: Pixels, levels: int) -> NDArray[np.float32]:
    import cv2

    return np.asarray(cv2.calcHist([rows], [0], None, [levels], [0, levels]), np.float32).reshape(-1)


def apply_table(pixels: Pixels, table: Pixels) -> Pixels:
    """Every grey value replaced by its entry in ``table``; the input stays as it was.

    pixels: any shape, uint8 or uint16. table: 256 or 65 536 entries of uint8 or uint16. Returns the same shape in the
    table's dtype. OpenCV's LUT is the fast way for 16 bit (five times numpy's indexing); for 8 bit to 8 bit
    stringzilla's vector look-up is some ten times OpenCV's.
    """
    if pixels.dtype == np.uint8 and table.dtype == np.uint8:
        import stringzilla

        out = np.array(pixels, order="C")
        stringzilla.translate(out.reshape(-1).data, table.data, inplace=True)
        return out
    import cv2

    return np.asarray(cv2.LUT(np.ascontiguousarray(pixels), table)).reshape(pixels.shape)
