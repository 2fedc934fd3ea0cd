"""TIFF and BigTIFF: the directories of a file, read by hand, and what a page says of itself."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ImageError

from .headers import Content, Header, Limits, damaged
from .tiff_codings import CHECKSUM, NAMES
from .tiff_page import CODINGS, TiffPage
from .tiff_values import TiffMeaning

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_NUMBERS = {1: "u1", 3: "u2", 4: "u4", 13: "u4", 16: "u8"}

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIPS, _ORIENTATION, _SAMPLES, _STRIP_BYTES, _PLANAR = 273, 274, 277, 279, 284
_TILES, _TILE_BYTES, _SAMPLE_FORMAT = 324, 325, 339
_PHOTOMETRICS = (0, 1, 2, 3, 5, 6, 8, 9)
_DEPTHS = {"u": (1, 2, 4, 8, 10, 12, 14, 16, 32), "i": (8, 16, 32), "f": (16, 32, 64)}
# Without these, values would be read as something else; other tags may be damaged.
_NEEDED = (
    *range(256, 260), 262, 266, 273, *range(277, 280), 284, 292, 293, 317, 320, *range(322, 326), 338, 339, 347, 530,
)  # fmt: skip
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

    def real(self, tag: int) -> float | None:
        """The first number of a tag, of any kind, or None."""
        kind, count, _, at = self.entries.get(tag, (0, 0, 0, 0))
        form = {**_NUMBERS, 6: "i1", 8: "i2", 9: "i4", 11: "f4", 12: "f8", 17: "i8"}.get(kind)
        if form is None or count < 1:
            return None
        value = float(np.frombuffer(self.content[at : at + _SIZES[kind]], self.order + form)[0])
        return value if math.isfinite(value) else None

    def raw(self, tag: int) -> bytes:
        """The bytes of a tag, or none."""
        kind, count, _, at = self.entries.get(tag, (0, 0, 0, 0))
        return bytes(self.content[at : at + count * _SIZES.get(kind, 0)])

    @cached_property
    def is_extra(self) -> bool:
        """A thumbnail or a transparency mask rather than a page."""
        return bool(self.number(254, 0) & 0b101)


@dataclass(frozen=True, kw_only=True)
class TiffHeader(Header):
    """page: where the values lie. meaning: what they are. stated: their range, as the file's tags name it."""

    page: TiffPage
    meaning: TiffMeaning
    stated: tuple[float, float] | None


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
    for offset in range(at + wide, end, step):
        tag, kind, values = struct.unpack_from(order + ("HHQ" if big else "HHI"), content, offset)
        size, inline = _SIZES.get(kind, 0) * values, offset + (12 if big else 8)
        where = inline if size <= room else struct.unpack_from(order + link, content, inline)[0]
        if size and where + size <= len(content):
            entries[tag] = (kind, values, offset, where)
        elif tag in _NEEDED:
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
    sample_formats, photometric = page.numbers(_SAMPLE_FORMAT, (1,)), page.number(_PHOTOMETRIC, 1)
    coding = page.number(_COMPRESSION, 1)
    kind = {1: "u", 2: "i", 3: "f", 4: "u"}.get(sample_formats[0])
    if kind is None or len(set(sample_formats)) > 1 or len(set(bits)) > 1 or bits[0] not in _DEPTHS[kind]:
        what = {2: "signed", 3: "floating-point"}.get(sample_formats[0], "unsigned")
        raise ImageError(
            f"{name} has {'/'.join(map(str, bits))}-bit {what} values; allowed are unsigned ones of 1, 2, 4, 8, 10, "
            "12, 14, 16, 32 bits, signed of 8, 16, 32, floating-point of 16, 32, 64; export it so"
        )
    if photometric not in _PHOTOMETRICS:
        raise ImageError(
            f"{name} is a TIFF of colour model {photometric}; allowed are grey, palette, RGB, CMYK and Lab"
        )
    if coding not in CODINGS:
        raise ImageError(
            f"{name} is a TIFF of coding {NAMES.get(coding, coding)}; save it with deflate or uncompressed"
        )
    orientation = page.number(_ORIENTATION, 1)
    pitch, notes = _pitch(page)
    if coding not in CHECKSUM:
        notes += (f"{NAMES[coding]} carries no checksum: a bit changed within it may go unseen",)
    stored = _page(page, samples, bits[0], kind, coding, photometric, name)
    meaning = _meaning(page, samples, bits[0], kind, photometric, name)
    meaning.check()
    return TiffHeader(
        format="tiff", height=stored.height, width=stored.width, samples=samples, depth=bits[0], pages=pages,
        orientation=orientation if 1 <= orientation <= 8 else 1, pixel_pitch_mm=pitch,
        pitch_source=None if pitch is None else "TIFF resolution tags", notes=notes, page=stored, meaning=meaning,
        stated=_stated_range(page, kind),
    )  # fmt: skip


def _page(page: Directory, samples: int, bits: int, kind: str, coding: int, photometric: int, name: str) -> TiffPage:
    height, width, tiled = page.number(_HEIGHT, 0), page.number(_WIDTH, 0), _TILES in page.entries
    high, wide = page.number(323, 0), page.number(322, 0)
    if not tiled:
        high, wide = min(page.number(278, height), height), width
    planes = samples if page.number(_PLANAR, 1) == 2 and samples > 1 else 1
    blocks = -(-height // high) * -(-width // wide) * planes if high > 0 and wide > 0 else 0
    across, down = (*page.numbers(530, (2, 2)), 1)[:2] if photometric == 6 else (1, 1)
    return TiffPage(
        name=name, height=height, width=width, samples=samples, bits=bits, kind=kind, order=page.order, coding=coding,
        predictor=page.number(317, 1), reversed_bits=page.number(266, 1) == 2, photometric=photometric, tiled=tiled,
        block=(high, wide), planes=planes, starts=page.array(_TILES if tiled else _STRIPS, most=blocks),
        counts=page.array(_TILE_BYTES if tiled else _STRIP_BYTES, most=blocks), jpeg_tables=page.raw(347),
        fax_options=page.number(292 if coding == 3 else 293, 0), subsampling=(across, down),
    )  # fmt: skip


def _meaning(page: Directory, samples: int, bits: int, kind: str, photometric: int, name: str) -> TiffMeaning:
    # libjpeg gives RGB for YCbCr, so a JPEG's values mean RGB.
    colours = 2 if photometric == 6 and page.number(_COMPRESSION, 1) == 7 else photometric
    return TiffMeaning(
        name=name, photometric=colours, bits=bits, kind=kind, samples=samples, alpha=page.number(338, 0),
        palette=_palette(page, bits, name) if photometric == 3 else None,
    )  # fmt: skip


def _palette(page: Directory, bits: int, name: str) -> NDArray[np.uint8]:
    """(2^bits, 3) BGR; the file holds 16 bits, red first, and some writers only 8 of them."""
    if bits > 8:
        raise ImageError(f"{name} is a palette TIFF of {bits} bits; save it as grey or RGB")
    table = page.array(320)
    if len(table) != 3 << bits:
        raise damaged(name, "a TIFF palette of another length")
    return ((table >> 8) if table.max() > 255 else table).astype(np.uint8).reshape(3, -1)[::-1].T.copy()


def _stated_range(page: Directory, kind: str) -> tuple[float, float] | None:
    """SMinSampleValue and SMaxSampleValue, where the file states both and they differ."""
    low, high = page.real(340), page.real(341)
    return (low, high) if low is not None and high is not None and low < high else None


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
