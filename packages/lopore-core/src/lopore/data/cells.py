"""Cells of a manifest as they are written and read: numbers in range, paths that stay inside, no live formulas."""

from __future__ import annotations

import math
import re
from pathlib import PurePosixPath
from typing import Any

from lopore.errors import DataError
from lopore.messages import plain

from .class_names import is_utf8

MAX_PATH = 1024
# Spreadsheets trim blanks before they look for a formula, and some take the wide signs of East Asian keyboards.
_FORMULA = re.compile(r"['\s]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")


def clean_path(text: str, *, where: str) -> str:
    """A row's path, POSIX, normalised; DataError where it is absolute or leaves the root."""
    path = PurePosixPath(text)
    if not text or len(text) > MAX_PATH or "\0" in text or not is_utf8(text):
        raise DataError(f"{where}: path {plain(text, 60)!r} is not usable; 1 to {MAX_PATH} UTF-8 characters are")
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:[\\/]", text):
        raise DataError(f"{where}: path {plain(text, 80)!r} leaves the set's folder; index with `--root FOLDER`")
    return str(path)


def safe_cell(value: Any) -> str:
    """A cell as it is written: what a spreadsheet would take for a formula gets a leading apostrophe."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    text = "|".join(value) if isinstance(value, tuple) else str(value)
    return f"'{text}" if _FORMULA.match(text) else text


def shown_cell(value: Any, limit: int = 1000) -> str:
    """A cell of a table for people, which is not read back: as ``safe_cell``, on one line and without control
    characters. Numbers stay as they are.
    """
    if isinstance(value, int | float):
        return str(value)
    text = "|".join(value) if isinstance(value, tuple) else "" if value is None else str(value)
    return safe_cell(plain(text, limit))


def cell_text(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def millimetres(text: str, *, where: str) -> float | None:
    """mm per pixel from a cell, decimal comma allowed; None where empty; DataError where it is not above 0."""
    if not text.strip():
        return None
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and 0 < value <= 1000):
        raise DataError(f"{where}: mm_per_pixel is {plain(text, 40)!r}; a number from 0 to 1000 is needed, or nothing")
    return value


def whole_number(text: str, name: str, where: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise DataError(f"{where}: {name} is {plain(text, 40)!r}; a whole number is needed, or nothing")
    return int(text)


def hex_digits(text: str, name: str, where: str) -> str:
    if text and not re.fullmatch(r"[0-9a-f]{8,128}", text):
        raise DataError(f"{where}: {name} is {plain(text, 40)!r}; lower-case hex digits are needed, or nothing")
    return text
