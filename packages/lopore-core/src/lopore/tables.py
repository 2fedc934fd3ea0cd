"""Grey values counted, and replaced through a table: the one fast way for 8 and for 16 bit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .contracts import Pixels

# OpenCV counts in float32, exact to 2^24; its 65 536 bins cost more than they save under 2^20 values of 16 bits.
_COUNTED_AT_ONCE = 2**24
_FEW = 2**20


def histogram(pixels: Pixels) -> NDArray[np.int64]:
    """How many values there are of each grey value, exact: (256,) of uint8, (65 536,) of uint16 of any shape."""
    levels = int(np.iinfo(pixels.dtype).max) + 1
    if pixels.dtype == np.uint16 and pixels.size < _FEW:
        return np.bincount(pixels.reshape(-1), minlength=levels)
    import cv2

    rows = pixels.reshape(len(pixels), -1)
    step = max(1, _COUNTED_AT_ONCE // rows.shape[1])
    counts = np.zeros(levels, np.int64)
    for begin in range(0, len(rows), step):
        piece = np.ascontiguousarray(rows[begin : begin + step])
        counts += cv2.calcHist([piece], [0], None, [levels], [0, levels]).reshape(-1).astype(np.int64)
    return counts


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
