"""A contact sheet of leaks: both images of a pair beside each other, with their names and what joins them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from lopore.arrays import Pixels
from lopore.atomic_files import atomic_write_bytes
from lopore.augmentation.contact_sheet import draw_sheet
from lopore.errors import LoporeError
from lopore.messages import plain
from lopore.reading.radiograph import read_radiograph

from .set_leaks import SetLeak

_SIDE = 220
MOST_PAIRS = 40


def write_leak_sheet(path: Path, leaks: Sequence[SetLeak]) -> Path:
    """Write a PNG with up to 40 pairs, spread over all reasons; the first set's image on the left.

    Deep images are shown from their 1 to their 99 percentile. Needs Pillow and matplotlib (``lopore-core[train]``).
    """
    shown = _spread(leaks)
    rows = [[_thumbnail(leak.first), _thumbnail(leak.second)] for leak in shown]
    titles = [f"{plain(leak.first_name, 40)}  =  {plain(leak.second_name, 40)}" for leak in shown]
    titles = [f"{leak.why}: {title}" for leak, title in zip(shown, titles, strict=True)]
    more = f" of {len(leaks)}" if len(shown) < len(leaks) else ""
    sheet = draw_sheet(
        rows, titles, f"{len(shown)}{more} pairs that are on both sets (first set left)", least_width=720
    )
    stream = io.BytesIO()
    sheet.save(stream, format="PNG")
    atomic_write_bytes(path, stream.getvalue())
    return path


def _spread(leaks: Sequence[SetLeak]) -> list[SetLeak]:
    """A share of every reason, so that a thousand equal files do not hide the one shared part."""
    by_reason: dict[str, list[SetLeak]] = {}
    for leak in leaks:
        by_reason.setdefault(leak.why, []).append(leak)
    each = max(1, MOST_PAIRS // max(1, len(by_reason)))
    chosen = [leak for found in by_reason.values() for leak in found[:each]]
    rest = [leak for leak in leaks if leak not in chosen]
    return (chosen + rest)[:MOST_PAIRS]


def _thumbnail(path: Path) -> Pixels:
    """(220, 220) uint8, the image in the middle of a dark field."""
    field = np.full((_SIDE, _SIDE), 20, np.uint8)
    try:
        pixels = read_radiograph(path, channels=1).pixels
    except LoporeError:
        return field[..., None]
    if pixels.dtype == np.uint16:
        low, high = np.percentile(pixels[::4, ::4], (1, 99))
        pixels = np.clip((pixels.astype(np.float32) - low) * 255 / max(high - low, 1), 0, 255).astype(np.uint8)
    factor = _SIDE / max(pixels.shape)
    size = max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    top, left = (_SIDE - size[1]) // 2, (_SIDE - size[0]) // 2
    field[top : top + size[1], left : left + size[0]] = small
    return field[..., None]
