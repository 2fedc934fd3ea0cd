"""Pixels of one page of a TIFF."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from .headers import empty_tail
from .tiff import TiffHeader
from .tiff_codings import PLAIN
from .tiff_values import value_window


def decode_tiff(content: bytes, header: TiffHeader, name: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """(h, w) grey or (h, w, 3) BGR, uint8 or uint16, greater is brighter, and notes on what was done to the values.

    10 to 14 bits lie in the low bits of 16. Each strip and tile must give all its bytes.
    """
    page, meaning = header.page, header.meaning
    page.check(len(content))
    stored = page.read(lambda start, count: content[start : start + count], 0, 0, header.height, header.width)
    notes = empty_tail(stored) if page.coding == PLAIN else ()
    if not meaning.needs_window:
        return meaning.apply(stored), meaning.notes(stored) + notes
    window = value_window([stored], header.stated, page.bits, page.kind)
    return meaning.apply(stored, window), (window.note, *notes)
