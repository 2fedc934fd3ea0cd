"""Palette images by index: the numbers that a label map stores, not the colours that stand for them.

A mask saved with a palette holds class or object numbers; its colours are for the eye. The palette is replaced by a
ramp in which entry i is grey i, so that every decoder gives back the index itself.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from .headers import sniff

_RAMP = bytes(value for index in range(256) for value in (index, index, index))
_BMP_INFO = 14
_TIFF_COLOURS, _TIFF_PHOTOMETRIC, _TIFF_PALETTE = 320, 262, 3


def palette_of(content: bytes) -> list[tuple[int, int, int]] | None:
    """The (red, green, blue) entries of a palette PNG, BMP or TIFF file, 0 to 255; None where it has no palette."""
    match sniff(content[:132]):
        case "png":
            return _png_palette(content)
        case "bmp":
            return _bmp_palette(content)
        case "tiff":
            return _tiff_palette(content)
    return None


def with_ramp(content: bytes) -> bytes:
    """The same file with a grey ramp for a palette (and without its transparency), so that grey is the index.

    Raises ValueError where the file has no palette.
    """
    match sniff(content[:132]) if palette_of(content) else None:
        case "png":
            return _png_with_ramp(content)
        case "bmp":
            start, count, size = _bmp_table(content)
            ramp = b"".join(bytes((index, index, index) + (0,) * (size - 3)) for index in range(count))
            return content[:start] + ramp + content[start + len(ramp) :]
        case "tiff":
            start, count, order = _tiff_table(content)
            ramp = struct.pack(f"{order}{3 * count}H", *([257 * index for index in range(count)] * 3))
            return content[:start] + ramp + content[start + len(ramp) :]
    raise ValueError("the file has no palette")


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        yield content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        at += 12 + length


def _png_palette(content: bytes) -> list[tuple[int, int, int]] | None:
    if content[25:26] != b"\x03":
        return None
    table = next((body for kind, body in _png_chunks(content) if kind == b"PLTE"), b"")
    return [(table[at], table[at + 1], table[at + 2]) for at in range(0, len(table) // 3 * 3, 3)] or None


def _png_with_ramp(content: bytes) -> bytes:
    parts = [content[:8]]
    for kind, body in _png_chunks(content):
        if kind == b"tRNS":
            continue
        fresh = _RAMP[: len(body)] if kind == b"PLTE" else body
        parts.append(struct.pack(">I", len(fresh)) + kind + fresh + struct.pack(">I", zlib.crc32(kind + fresh)))
    return b"".join(parts)


def _bmp_table(content: bytes) -> tuple[int, int, int]:
    """(start, entries, bytes an entry) of a BMP's palette; no entries where it has none."""
    pixels, info = struct.unpack_from("<II", content, 10)
    old = info == 12
    bits = struct.unpack_from("<H", content, 24 if old else 28)[0] if len(content) > 50 else 0
    if bits not in (1, 2, 4, 8):
        return 0, 0, 4
    stated = 0 if old else struct.unpack_from("<I", content, 46)[0]
    size, start = (3 if old else 4), _BMP_INFO + info
    count = min(stated or 1 << bits, 1 << bits, max(0, pixels - start) // size)
    return start, count, size


def _bmp_palette(content: bytes) -> list[tuple[int, int, int]] | None:
    start, count, size = _bmp_table(content)
    entries = [content[start + size * index : start + size * index + 3] for index in range(count)]
    return [(entry[2], entry[1], entry[0]) for entry in entries if len(entry) == 3] or None


def _tiff_entries(content: bytes) -> tuple[str, dict[int, tuple[int, int, bytes]]]:
    """Byte order and tag -> (type, count, value or offset) of the first page of a classic TIFF."""
    order = "<" if content[:2] == b"II" else ">"
    magic, at = struct.unpack_from(f"{order}HI", content, 2)
    if magic != 42 or at + 2 > len(content):
        return order, {}
    (count,) = struct.unpack_from(f"{order}H", content, at)
    found: dict[int, tuple[int, int, bytes]] = {}
    for entry in range(at + 2, min(at + 2 + 12 * count, len(content) - 11), 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", content, entry)
        found[tag] = (kind, number, content[entry + 8 : entry + 12])
    return order, found


def _tiff_table(content: bytes) -> tuple[int, int, str]:
    """(start, entries, byte order) of a TIFF's colour map; no entries where the page has none."""
    order, tags = _tiff_entries(content)
    photometric = tags.get(_TIFF_PHOTOMETRIC)
    if photometric is None or struct.unpack(f"{order}H", photometric[2][:2])[0] != _TIFF_PALETTE:
        return 0, 0, order
    kind, number, value = tags.get(_TIFF_COLOURS, (0, 0, b""))
    start = struct.unpack(f"{order}I", value)[0] if kind == 3 and number > 2 else 0
    inside = start > 0 and start + 2 * number <= len(content) and number // 3 <= 256
    return (start, number // 3, order) if inside else (0, 0, order)


def _tiff_palette(content: bytes) -> list[tuple[int, int, int]] | None:
    start, count, order = _tiff_table(content)
    if not count:
        return None
    values = struct.unpack_from(f"{order}{3 * count}H", content, start)
    return [tuple(values[plane * count + index] >> 8 for plane in range(3)) for index in range(count)]
