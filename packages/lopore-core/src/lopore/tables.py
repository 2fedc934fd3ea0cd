"""Grey values replaced through a table: the one fast way for 8 and for 16 bit."""

from __future__ import annotations

import numpy as np

from .contracts import Pixels


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
