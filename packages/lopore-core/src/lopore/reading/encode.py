"""An image to a file's bytes, without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from lopore.arrays import Pixels
from lopore.errors import ImageError


def write_radiograph(pixels: Pixels, path: Path | None, format: Literal["png", "tiff"] = "png") -> bytes:
    """Code an image without loss and, with ``path``, write it whole or not at all.

    pixels: (H, W) or (H, W, 3) RGB, uint8 or uint16; the depth is kept. Returns the bytes of the file.
    Raises ImageError for other arrays and formats, LoporeError where the disk says no.
    """
    shaped = pixels.ndim == 2 or pixels.shape[2:] == (3,)
    if pixels.dtype not in (np.uint8, np.uint16) or not shaped or not pixels.size:
        raise ImageError(f"{pixels.dtype} {pixels.shape} is no image; allowed are (H, W), (H, W, 3) of 8 or 16 bits")
    if format not in ("png", "tiff"):
        raise ImageError(f"format {format!r} is not written; allowed are png and tiff, which keep the depth")
    import cv2

    ordered = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    done, coded = cv2.imencode(f".{format}", ordered)
    if not done:
        raise ImageError(f"an image of {pixels.shape} could not be coded as {format}; choose the other format")
    content = coded.tobytes()
    if path is not None:
        from lopore.atomic_files import atomic_write_bytes

        atomic_write_bytes(path, content)
    return content
