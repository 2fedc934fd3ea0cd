"""Images of no weld, as arrays and as files of the usual kinds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
GENERATOR = np.random.default_rng(7)
GREY8 = GENERATOR.integers(0, 256, (37, 53), dtype=np.uint8)
GREY16 = GENERATOR.integers(0, 65536, (37, 53), dtype=np.uint16)
RGB8 = GENERATOR.integers(0, 256, (37, 53, 3), dtype=np.uint8)
RGB16 = GENERATOR.integers(0, 65536, (37, 53, 3), dtype=np.uint16)
GREY_AND_COLOUR = {"grey8": GREY8, "grey16": GREY16, "rgb8": RGB8, "rgb16": RGB16}


def film(height: int = 120, width: int = 160) -> Array:
    """A smooth image with one bright corner, so that turns and shifts show."""
    y, x = np.mgrid[0:height, 0:width]
    image = 60 + 40 * np.sin(x / 17) + 30 * np.cos(y / 11)
    image[: height // 4, : width // 4] += 90
    grey: Array = image.astype(np.uint8)
    return grey


def ramp(side: int = 64, top: int = 255) -> Array:
    """Grey from 40 % of ``top`` to ``top``, of 16 bits where that is over 255."""
    values = np.linspace(top * 0.4, top, side * side).reshape(side, side)
    return values.astype(np.uint8 if top < 256 else np.uint16)


def even(value: int, side: int = 40, dtype: type[np.generic] = np.uint8) -> bytes:
    """A PNG of one grey."""
    return coded(".png", np.full((side, side), value, dtype))


def coded(suffix: str, pixels: Array) -> bytes:
    """What OpenCV writes, colours as BGR."""
    done, content = cv2.imencode(suffix, pixels)
    assert done
    return content.tobytes()


def save(path: Path, pixels: Array) -> Path:
    """``pixels`` in the coding that the path's suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(coded(path.suffix, pixels))
    return path
