"""The text of a CSV as lines of cells: any common delimiter and encoding, with or without a byte order mark."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from lopore.errors import DataError
from lopore.messages import plain

from .manifest_text import MAX_MANIFEST_BYTES


def read_cells(table: Path, is_known: Callable[[str], bool] = lambda name: False) -> list[list[str]]:
    """Header and lines of a CSV; the delimiter is the one that shows most known column names.

    Raises DataError, in one line, for what is no text, no CSV, empty, or names a column twice.
    """
    text = _decode(table)
    best: tuple[tuple[int, int], str] = ((-1, 0), ",")
    for delimiter in (",", ";", "\t"):
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:
            continue
        known = sum(map(is_known, header))
        best = max(best, ((known, len(header)), delimiter), key=lambda item: item[0])
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=best[1], skipinitialspace=True))
    except csv.Error as error:
        raise DataError(f"{plain(table)} is not valid CSV ({error}); save it again as CSV") from None
    lines = [line for line in lines if line] or [[]]
    lines[0] = [name.strip() for name in lines[0]]
    if not any(lines[0]):
        raise DataError(f"{plain(table)} is empty; its first line names the columns, such as path,labels,group")
    repeated = sorted({name for name in lines[0] if name and lines[0].count(name) > 1})
    if repeated:
        raise DataError(f"{plain(table)} has two columns {plain(repeated[0], 60)!r}; name every column once")
    return lines


def _decode(table: Path) -> str:
    try:
        if table.stat().st_size > MAX_MANIFEST_BYTES:
            raise DataError(f"{plain(table)} is larger than {MAX_MANIFEST_BYTES} bytes; no CSV of labels is")
        data = table.read_bytes()
    except OSError as error:
        raise DataError(f"{plain(table)} cannot be read ({error.strerror}); name an existing folder or CSV") from None
    encoding = _encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise DataError(f"{plain(table)} is neither UTF-8, UTF-16 nor Latin-1 text; save it as CSV UTF-8") from None
    if "\0" in text:
        raise DataError(f"{plain(table)} is no text file; save it as CSV UTF-8 (a spreadsheet file is not a CSV)")
    return text


def _encoding(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    head = data[:4096]
    for order, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(head) > 3 and zeros.count(0) > len(zeros) // 2:
            return order
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cp1252" if not set(data) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "latin-1"
    return "utf-8-sig"
