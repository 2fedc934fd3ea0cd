"""What of a film goes to the browser: an overview, the window that is looked at, values along a line. Never more.

No Streamlit in here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.preprocessing.pipeline import percentile_limits
from lopore.preprocessing.resampling import resize_grey

OVERVIEW_PIXELS = 650_000
WINDOW_PIXELS = 1_300_000
LINE_SAMPLES = 1200
SLOTS = 3


@dataclass(frozen=True)
class Blob:
    """Pixels for the browser: raw little-endian values, row by row. identity: equal for equal pixels of one film."""

    content: bytes
    identity: str
    facts: dict[str, Any]

    @classmethod
    def of(cls, pixels: Pixels) -> Blob:
        content = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()
        facts = {
            "w": pixels.shape[1],
            "h": pixels.shape[0],
            "depth": pixels.dtype.itemsize * 8,
            "channels": pixels.shape[2] if pixels.ndim == 3 else 1,
        }
        shape = "x".join(str(side) for side in pixels.shape)
        return cls(content, f"{hashlib.blake2b(content, digest_size=8).hexdigest()}-{shape}", facts)


@dataclass(frozen=True)
class Region:
    """A part of the original film on the screen. density: screen pixels for one film pixel, at most 1.

    slot: 0 to 2, the place in the browser's store that its pixels get.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    density: float
    slot: int = 0

    @classmethod
    def parse(cls, data: object, film: str) -> Region | None:
        """The region that the browser asked for, where it is one of this film; None for anything else."""
        if not isinstance(data, Mapping) or data.get("film") != film:
            return None
        values = [_number(data.get(name)) for name in ("x0", "y0", "x1", "y1", "density")]
        if any(value is None for value in values):
            return None
        x0, y0, x1, y1, density = (float(value) for value in values if value is not None)
        slot = data.get("slot", 0)
        if slot not in range(SLOTS) or not (x0 < x1 and y0 < y1 and 0 < density <= 1):
            return None
        return cls(x0, y0, x1, y1, density, int(slot))

    @classmethod
    def asked(cls, data: object, film: str) -> tuple[Region, ...]:
        """Every region of this film that the browser asked for: on the screen first, then those ahead of it."""
        first = cls.parse(data, film)
        if first is None or not isinstance(data, Mapping):
            return ()
        said = data.get("ahead")
        more = [cls.parse(one, film) for one in said[: SLOTS - 1]] if isinstance(said, list) else []
        by_slot = {one.slot: one for one in reversed((first, *more)) if one is not None}
        return (first, *(one for slot, one in by_slot.items() if slot != first.slot))


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        return None
    return float(value)


def parse_line(data: object, film: str) -> tuple[float, float, float, float] | None:
    """(x0, y0, x1, y1) of a line that was drawn on this film; None for anything else."""
    if not isinstance(data, Mapping) or data.get("film") != film:
        return None
    points = data.get("points")
    if not isinstance(points, list) or len(points) != 4:
        return None
    x0, y0, x1, y1 = (_number(value) for value in points)
    if x0 is None or y0 is None or x1 is None or y1 is None:
        return None
    return x0, y0, x1, y1


def smaller(pixels: Pixels, limit: int) -> Pixels:
    """The image at its own depth, at most ``limit`` pixels large."""
    height, width = pixels.shape[:2]
    share = (limit / (height * width)) ** 0.5
    if share >= 1:
        return pixels
    size = max(1, round(height * share)), max(1, round(width * share))
    return resize_grey(pixels, size)


def cut(pixels: Pixels, to_original: Affine, region: Region) -> tuple[Pixels, tuple[int, int, int, int]] | None:
    """The part of an image that lies in a region of the original film, as fine as the screen shows it.

    Returns the pixels and their box (x0, y0, x1, y1) on the image; None where the image lies elsewhere.
    """
    back = to_original.inverse()
    corners = [back(x, y) for x in (region.x0, region.x1) for y in (region.y0, region.y1)]
    height, width = pixels.shape[:2]
    x0 = max(0, int(np.floor(min(x for x, _ in corners))))
    x1 = min(width, int(np.ceil(max(x for x, _ in corners))))
    y0 = max(0, int(np.floor(min(y for _, y in corners))))
    y1 = min(height, int(np.ceil(max(y for _, y in corners))))
    if x0 >= x1 or y0 >= y1:
        return None
    part = pixels[y0:y1, x0:x1]
    stretch = float(np.hypot(to_original.xx, to_original.yx))
    share = min(1.0, region.density * stretch * 1.05, (WINDOW_PIXELS / part[..., 0].size if part.ndim == 3 else
                WINDOW_PIXELS / part.size) ** 0.5)  # fmt: skip
    if share < 0.8:
        size = max(1, round(part.shape[0] * share)), max(1, round(part.shape[1] * share))
        part = resize_grey(part, size)
    return part, (x0, y0, x1, y1)


def along(pixels: Pixels, to_original: Affine, line: tuple[float, float, float, float]) -> list[float]:
    """Grey values along a line of the original film, about one a pixel, bilinear; none from outside the image."""
    back = to_original.inverse()
    (x0, y0), (x1, y1) = back(*line[:2]), back(*line[2:])
    count = int(np.clip(np.hypot(x1 - x0, y1 - y0) + 1, 2, LINE_SAMPLES))
    # Whole numbers are the corners of pixels, values lie at their centres.
    x, y = np.linspace(x0, x1, count) - 0.5, np.linspace(y0, y1, count) - 0.5
    height, width = pixels.shape[:2]
    inside = (x > -0.5) & (y > -0.5) & (x < width - 0.5) & (y < height - 0.5)
    x, y = np.clip(x[inside], 0, width - 1), np.clip(y[inside], 0, height - 1)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = x - left, y - top

    def value(row: NDArray[Any], column: NDArray[Any]) -> NDArray[Any]:
        found = pixels[row, column].astype(np.float64)
        return np.asarray(found.mean(axis=-1) if found.ndim == 2 else found)

    upper = value(top, left) * (1 - across) + value(top, right) * across
    lower = value(below, left) * (1 - across) + value(below, right) * across
    return [round(float(level), 2) for level in upper * (1 - down) + lower * down]


def auto_window(pixels: Pixels) -> tuple[float, float]:
    """Grey values shown as black and white at first: all of 8 bits, the 0.1 and 99.9 percentiles of 16."""
    return (0.0, 255.0) if pixels.dtype == np.uint8 else percentile_limits(pixels, 0.1, 99.9)


def levels(values: NDArray[np.float32], limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Raw values of a heat map as 0..255 between the limits of its scale; 0 where the network saw nothing."""
    low, high = limits
    share = (np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-12)
    return np.asarray(np.rint(np.clip(share, 0, 1) * 255), np.uint8)
