"""The strips and tiles of one page of a TIFF: where they lie and what values they hold."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ImageError

from . import tiff_codings as codings
from .headers import damaged

Fetch = Callable[[int, int], bytes]
"""``count`` bytes of a file from ``start`` on, or fewer where it ends."""

LARGE_BLOCK = 48 * 2**20
_BIT_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True, kw_only=True)
class TiffPage:
    """One page as its tags describe it.

    kind: "u", "i" or "f", unsigned, signed or floating-point values of ``bits`` bits. block: rows and columns of a
    strip or tile; a strip is as wide as the page. planes: 1 where the values of a pixel stand together, else
    ``samples``. starts, counts: bytes of each block, row by row, plane by plane. subsampling: of YCbCr, across, down.
    """

    name: str
    height: int
    width: int
    samples: int
    bits: int
    kind: str
    order: str
    coding: int
    predictor: int
    reversed_bits: bool
    photometric: int
    tiled: bool
    block: tuple[int, int]
    planes: int
    starts: NDArray[np.uint64]
    counts: NDArray[np.uint64]
    jpeg_tables: bytes
    fax_options: int
    subsampling: tuple[int, int]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of blocks."""
        return -(-self.height // self.block[0]), -(-self.width // self.block[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the stored values: up to 8 bits uint8, 9 to 16 uint16, else as wide as stored."""
        if self.kind == "u" and self.bits <= 16:
            return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)
        return np.dtype(f"{self.kind}{self.bits // 8}")

    def check(self, size: int) -> None:
        """Raise ImageError where blocks are missing, empty, or lie past the end of a file of ``size`` bytes."""
        down, across = self.grid
        if self.block[0] < 1 or self.block[1] < 1 or down * across * self.planes > len(self.starts):
            raise damaged(self.name, "the TIFF has too few strips or tiles")
        if len(self.starts) != len(self.counts):
            raise damaged(self.name, "a TIFF without image")
        starts, counts = self.starts, self.counts
        if (starts > size).any() or (counts > size).any() or (starts + counts > size).any() or (counts == 0).any():
            raise damaged(self.name, "the TIFF ends before its image")

    def read(self, fetch: Fetch, y0: int, x0: int, height: int, width: int) -> NDArray[Any]:
        """(height, width, samples) stored values of a window that lies inside the page. Raises ImageError."""
        return self.assemble(lambda number: self.values(fetch, number), y0, x0, height, width)

    def assemble(self, block: Callable[[int], NDArray[Any]], y0: int, x0: int, height: int, width: int) -> NDArray[Any]:
        """A window out of the blocks that it touches. block: (rows, columns, values) by number."""
        high, wide = self.block
        window = np.empty((height, width, self.samples), self.dtype)
        down, across = self.grid
        for plane in range(self.planes):
            target = window if self.planes == 1 else window[:, :, plane : plane + 1]
            for row in range(y0 // high, -(-(y0 + height) // high)):
                for column in range(x0 // wide, -(-(x0 + width) // wide)):
                    part = block((plane * down + row) * across + column)
                    _copy_block(part, row * high - y0, column * wide - x0, target)
        return window

    @property
    def has_small_blocks(self) -> bool:
        """Whether a block takes so little that a window is cheaper than the whole."""
        return math.prod(self.block) * self.samples * self.dtype.itemsize <= LARGE_BLOCK

    def in_short_strips(self) -> TiffPage:
        """The same page with long plain strips cut into short ones, since any row of them can be read alone."""
        high, line = self.block[0], self.width * self.samples // self.planes * self.bits // 8
        if self.coding != codings.PLAIN or self.tiled or self.bits % 8 or len(self.starts) != len(self.counts):
            return self
        last = len(self.starts) == self.planes  # one strip: any height will do, since no other begins after it
        short = next((rows for rows in range(min(64, high), 7, -1) if last or high % rows == 0), high)
        if short == high or (self.counts < high * line).any():
            return self
        parts = -(-high // short)
        begins = np.arange(parts, dtype=np.uint64) * np.uint64(short * line)
        counts = np.full(parts, short * line, np.uint64)
        counts[-1] = (high - (parts - 1) * short) * line
        strips = len(self.starts)
        # A last strip that is shorter than the others has fewer parts.
        used = -(-self.height // short) if not last else parts
        starts = (self.starts[:, None] + begins).reshape(self.planes, -1)[:, :used].ravel()
        return replace(
            self, block=(short, self.width), starts=starts,
            counts=np.tile(counts, (strips, 1)).reshape(self.planes, -1)[:, :used].ravel(),
        )  # fmt: skip

    def values(self, fetch: Fetch, number: int) -> NDArray[Any]:
        """(rows, columns, values) of one block, without the rows of a last strip that do not exist."""
        start, count = int(self.starts[number]), int(self.counts[number])
        data = fetch(start, count)
        if len(data) < count:
            raise damaged(self.name, "the TIFF ends before its image")
        if self.reversed_bits and self.coding != codings.JPEG:
            data = data.translate(_BIT_REVERSED)
        rows = self.block[0]
        if not self.tiled:
            down = self.grid[0]
            rows = min(rows, self.height - number % down * rows)
        try:
            return self._decode(data, rows)
        except ValueError as error:
            raise damaged(self.name, f"TIFF, {codings.NAMES.get(self.coding)}: {error}") from error

    def _decode(self, data: bytes, rows: int) -> NDArray[Any]:
        wide, values = self.block[1], 1 if self.planes > 1 else self.samples
        if self.coding in _IMAGE_CODINGS:
            return _IMAGE_CODINGS[self.coding](self, data, rows, values)
        if self.photometric == 6 and self.subsampling != (1, 1):
            raise ImageError(f"{self.name} is a TIFF of YCbCr colour with subsampling; save it as grey or RGB")
        line = (wide * values * self.bits + 7) // 8
        raw = codings.unpack(self.coding, data, rows, line)
        block = _values(raw, rows, wide * values, self).reshape(rows, wide, values)
        return _undo_predictor(block, self.predictor)


def _copy_block(block: NDArray[Any], top: int, left: int, window: NDArray[Any]) -> None:
    """Copy the part of a block that lies in the window; ``top`` and ``left`` are the block's place there."""
    y, x = max(top, 0), max(left, 0)
    bottom, right = min(top + block.shape[0], window.shape[0]), min(left + block.shape[1], window.shape[1])
    if y < bottom and x < right:
        window[y:bottom, x:right] = block[y - top : bottom - top, x - left : right - left]


def _values(raw: bytes, rows: int, count: int, page: TiffPage) -> NDArray[Any]:
    """(rows, count) values, unpacked to whole bytes; the first value lies in the high bits."""
    if page.bits in (8, 16, 32, 64):
        stored = np.frombuffer(raw, f"{page.order}{page.kind}{page.bits // 8}").reshape(rows, count)
        if page.predictor == 3:
            return _undo_float_predictor(raw, rows, count, page)
        return stored.astype(page.dtype)
    packed = np.frombuffer(raw, np.uint8).reshape(rows, -1)
    values = np.empty((rows, count), page.dtype)
    weights = (1 << np.arange(page.bits - 1, -1, -1)).astype(page.dtype)
    for row, line in zip(values, packed, strict=True):
        row[:] = np.unpackbits(line, count=count * page.bits).reshape(count, page.bits) @ weights
    return values


def _undo_predictor(block: NDArray[Any], predictor: int) -> NDArray[Any]:
    """Source: TIFF 6.0, section 14."""
    if predictor != 2:
        return block
    if block.dtype.kind == "f":
        raise ValueError("horizontal differences of floating-point values")
    return np.cumsum(block, axis=1, dtype=block.dtype)


def _undo_float_predictor(raw: bytes, rows: int, count: int, page: TiffPage) -> NDArray[Any]:
    """Source: Adobe Photoshop TIFF Technical Note 3. Differences of bytes, most significant bytes first."""
    size, values = page.bits // 8, 1 if page.planes > 1 else page.samples
    planes = np.frombuffer(raw, np.uint8).reshape(rows, count * size // values, values)
    joined = np.cumsum(planes, axis=1, dtype=np.uint8).reshape(rows, size, count)
    return np.ascontiguousarray(joined.transpose(0, 2, 1)).view(f">{page.kind}{size}")[:, :, 0].astype(page.dtype)


def _jpeg(page: TiffPage, data: bytes, rows: int, values: int) -> NDArray[Any]:
    from .jpeg import decode_jpeg, jpeg_header

    if page.bits != 8:
        raise ImageError(f"{page.name} is a TIFF of JPEG with {page.bits} bits; save it with deflate")
    tables = page.jpeg_tables[2:-2] if len(page.jpeg_tables) > 4 else b""
    # libjpeg guesses the colours of a stream without a marker of its own; the TIFF says which they are.
    marker = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + (b"\1" if page.photometric == 6 else b"\0")
    joined = b"\xff\xd8" + (marker if values == 3 else b"") + tables + data[2:]
    header = jpeg_header(joined, page.name)
    wide = page.block[1]
    if header.samples != values or header.width != wide or not rows <= header.height <= page.block[0]:
        raise ValueError("a JPEG of another size than its strip or tile")
    block = decode_jpeg(joined, header, values, 1, page.name)
    return block.reshape(header.height, wide, values)[:rows]


def _fax(page: TiffPage, data: bytes, rows: int, values: int) -> NDArray[Any]:
    from .fax import decode_fax

    if page.bits != 1 or values != 1:
        raise ValueError("a fax coding of more than one bit a pixel")
    bits = decode_fax(data, rows, page.block[1], page.coding, page.fax_options)
    return bits[:, :, None]


def _other(page: TiffPage, data: bytes, rows: int, values: int) -> NDArray[Any]:
    """JPEG 2000, LERC and JPEG XL, through the extra ``tiff``."""
    name = codings.NAMES[page.coding]
    codecs = codings.image_codecs(name)
    decoder = {"JPEG 2000": "jpeg2k", "LERC": "lerc", "JPEG XL": "jpegxl"}[name]
    if name == "JPEG 2000" and data.rstrip(b"\0")[-2:] != b"\xff\xd9":
        raise ValueError("JPEG 2000 data without its end")
    try:
        block = np.asarray(getattr(codecs, f"{decoder}_decode")(data))
    except Exception as error:  # each codec raises what it likes
        raise ValueError(" ".join(str(error).split())[:80]) from error
    block = block.reshape(*block.shape[:2], -1)
    if block.shape[0] < rows or block.shape[1:] != (page.block[1], values) or block.dtype != page.dtype:
        raise ValueError("another size or depth than its strip or tile")
    return block[:rows]


_IMAGE_CODINGS: dict[int, Callable[[TiffPage, bytes, int, int], NDArray[Any]]] = {
    2: _fax, 3: _fax, 4: _fax, codings.JPEG: _jpeg, 34712: _other, 34887: _other, 50002: _other,
}  # fmt: skip

CODINGS = frozenset({codings.PLAIN, codings.LZW, 8, 32946, 34925, codings.PACKBITS, codings.ZSTD, *_IMAGE_CODINGS})
"""Codings that are read."""
