"""TIFF and BigTIFF: the directories of a file, read by hand, and a page of it brought into the plainest form."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ImageError

from .headers import Content, Header, Limits, damaged

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8"}

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _ORIENTATION, _SAMPLES, _STRIP_BYTES, _PLANAR = 273, 274, 277, 279, 284
_TILES, _TILE_BYTES, _SAMPLE_FORMAT = 324, 325, 339
# What a decoder needs; orientation, resolution, EXIF, thumbnails and private tags are left behind.
_KEPT = (
    *range(256, 260),
    262,
    266,
    273,
    277,
    278,
    279,
    284,
    292,
    293,
    317,
    320,
    *range(322, 326),
    338,
    339,
    347,
    *range(529, 533),
)
_PHOTOMETRICS = {0: "MinIsWhite", 1: "MinIsBlack", 2: "RGB", 3: "palette", 6: "YCbCr"}
_PRINT_DEFAULTS = (72.0, 96.0, 300.0)


@dataclass(frozen=True)
class Directory:
    """One page's tags: tag -> (type, count, place of the 12 or 20 bytes, place of the values)."""

    content: Content
    order: str
    big: bool
    entries: dict[int, tuple[int, int, int, int]]

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Whole numbers of a tag, at most 16 of them."""
        return tuple(int(value) for value in self.array(tag, most=16)) or default

    def number(self, tag: int, default: int) -> int:
        return self.numbers(tag, (default,))[0]

    def array(self, tag: int, most: int | None = None) -> NDArray[Any]:
        """All whole numbers of a tag, or the first ``most``."""
        kind, count, _, at = self.entries.get(tag, (0, 0, 0, 0))
        if kind not in _NUMBERS:
            return np.zeros(0, np.uint64)
        raw = self.content[at : at + (count if most is None else min(count, most)) * _SIZES[kind]]
        return np.frombuffer(raw, self.order + _NUMBERS[kind]).astype(np.uint64)

    def ratio(self, tag: int) -> float | None:
        """The first fraction of a tag, or None."""
        kind, count, _, at = self.entries.get(tag, (0, 0, 0, 0))
        if kind != 5 or count < 1:
            return None
        above, below = struct.unpack_from(self.order + "II", self.content, at)
        return above / below if below else None

    @cached_property
    def is_extra(self) -> bool:
        """A thumbnail or a transparency mask rather than a page."""
        return bool(self.number(254, 0) & 0b101)


@dataclass(frozen=True, kw_only=True)
class TiffHeader(Header):
    directory: Directory
    inverted: bool
    photometric: int
    compression: int


def _directories(content: Content, limits: Limits, name: str) -> Iterator[Directory]:
    order = "<" if content[:2] == b"II" else ">"
    big = content[2:4] in (b"+\0", b"\0+")
    if len(content) < 16:
        raise damaged(name, "a TIFF without directory")
    at = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)[0]
    seen: set[int] = set()
    while at:
        if at in seen or len(seen) > 2 * limits.max_pages:
            raise damaged(name, "its TIFF directories never end")
        seen.add(at)
        directory, at = _directory(content, order, big, at, name)
        yield directory


def _directory(content: Content, order: str, big: bool, at: int, name: str) -> tuple[Directory, int]:
    head, step, link = ("Q", 20, "Q") if big else ("H", 12, "I")
    wide, room = struct.calcsize("=" + head), struct.calcsize("=" + link)
    if at + wide > len(content):
        raise damaged(name, "a TIFF directory lies past the end")
    count = struct.unpack_from(order + head, content, at)[0]
    end = at + wide + count * step
    if count > 4096 or end + room > len(content):
        raise damaged(name, "a TIFF directory runs past the end")
    entries = {}
    for place in range(at + wide, end, step):
        tag, kind, values = struct.unpack_from(order + ("HHQ" if big else "HHI"), content, place)
        size, inline = _SIZES.get(kind, 0) * values, place + (12 if big else 8)
        where = inline if size <= room else struct.unpack_from(order + link, content, inline)[0]
        if size and where + size <= len(content):
            entries[tag] = (kind, values, place, where)
        elif tag in _KEPT:
            raise damaged(name, f"TIFF tag {tag} lies past the end")
    return Directory(content, order, big, entries), struct.unpack_from(order + link, content, end)[0]


def tiff_header(content: Content, name: str, limits: Limits, page: int | None = None) -> TiffHeader:
    """Facts of one page (from 1; None: the first), with the count of pages. Raises ImageError."""
    directories = list(_directories(content, limits, name))
    pages = [directory for directory in directories if not directory.is_extra] or directories
    if not pages:
        raise damaged(name, "a TIFF without page")
    return _page_header(pages[min(page or 1, len(pages)) - 1], len(pages), name)


def _page_header(page: Directory, pages: int, name: str) -> TiffHeader:
    bits, samples = page.numbers(_BITS, (1,)), page.number(_SAMPLES, 1)
    formats, photometric = page.numbers(_SAMPLE_FORMAT, (1,)), page.number(_PHOTOMETRIC, 1)
    if any(value not in (1, 4) for value in formats) or max(bits) > 16:
        kind = {2: "signed", 3: "floating-point"}.get(formats[0], "unsigned")
        raise ImageError(f"{name} has {max(bits)}-bit {kind} values; allowed are unsigned, 1 to 16; export it so")
    if len(set(bits)) > 1 or bits[0] not in (1, 2, 4, 8, 10, 12, 14, 16):
        raise ImageError(f"{name} has {bits} bits a value; allowed are 1, 2, 4, 8, 10, 12, 14, 16; export it so")
    if photometric not in _PHOTOMETRICS:
        raise ImageError(f"{name} is a TIFF of colour model {photometric}; allowed are grey, palette and RGB")
    orientation = page.number(_ORIENTATION, 1)
    pitch, notes = _pitch(page)
    return TiffHeader(
        format="tiff", height=page.number(_HEIGHT, 0), width=page.number(_WIDTH, 0), samples=samples, depth=bits[0],
        pages=pages, orientation=orientation if 1 <= orientation <= 8 else 1, pixel_pitch_mm=pitch, notes=notes,
        directory=page, inverted=photometric == 0, photometric=photometric, compression=page.number(_COMPRESSION, 1),
    )  # fmt: skip


def _pitch(page: Directory) -> tuple[float | None, tuple[str, ...]]:
    """A film scanner's resolution is a pixel pitch; what printing programs write by default is not."""
    across, down = page.ratio(282), page.ratio(283)
    inch = {2: 25.4, 3: 10.0}.get(page.number(296, 2))
    if inch is None or not across or not down or abs(across / down - 1) > 0.001:
        return None, ()
    dots = across * 25.4 / inch
    if dots <= 100 or dots > 25_400 or any(abs(dots / usual - 1) < 0.005 for usual in _PRINT_DEFAULTS):
        return None, ()
    pitch = 25.4 / dots
    return pitch, (f"pixel pitch {pitch:.4g} mm taken from the TIFF resolution of {dots:.4g} dots an inch",)


def check_data(header: TiffHeader, size: int, name: str) -> None:
    """Raise ImageError where strips or tiles are missing, lie past the end of the file, or are too short."""
    page = header.directory
    tiled = _TILES in page.entries
    starts, counts = page.array(_TILES if tiled else _STRIPS), page.array(_TILE_BYTES if tiled else _STRIP_BYTES)
    if not len(starts) or len(starts) != len(counts):
        raise damaged(name, "a TIFF without picture")
    if (starts > size).any() or (counts > size).any() or (starts + counts > size).any() or (counts == 0).any():
        raise damaged(name, "the TIFF ends before its picture")
    if not tiled and header.compression == 1:
        planes = header.samples if page.number(_PLANAR, 1) == 2 else 1
        line = (header.width * header.samples // planes * header.depth + 7) // 8
        if header.photometric != 6 and int(counts.sum()) < line * header.height * planes:
            raise damaged(name, "the TIFF is shorter than its picture")


def plain_page(content: bytes, header: TiffHeader) -> bytes:
    """The file with one page alone, MinIsBlack, without orientation, thumbnails and private tags.

    A new directory is put at the end and the header points to it, so that strips and tiles stay where they are.
    """
    page = header.directory
    step = 20 if page.big else 12
    entries = []
    for tag in _KEPT:
        if tag not in page.entries:
            continue
        place = page.entries[tag][2]
        entry = content[place : place + step]
        if tag == _PHOTOMETRIC and header.inverted:
            entry = struct.pack(page.order + ("HHQQ" if page.big else "HHII"), tag, 16 if page.big else 4, 1, 1)
        entries.append(entry)
    head, link = ("Q", "Q") if page.big else ("H", "I")
    kept = content[: 8 if page.big else 4]
    start = len(content) + len(content) % 2
    directory = struct.pack(page.order + head, len(entries)) + b"".join(entries) + struct.pack(page.order + link, 0)
    pointer = kept + struct.pack(page.order + link, start)
    return b"".join((pointer, memoryview(content)[len(pointer) :], bytes(len(content) % 2), directory))
