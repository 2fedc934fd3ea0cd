"""Compressed strips and tiles of a TIFF, unpacked whole or not at all.

A decoder that fails part-way leaves the rest of a film black. So each block must give all its bytes and end where its
data end. Deflate, LZMA and LERC carry a checksum; the others are checked as far as their own rules go.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from typing import Any

from lopore.errors import ImageError

from .lzw import check_lzw

PLAIN, LZW, OLD_JPEG, JPEG, PACKBITS, ZSTD = 1, 5, 6, 7, 32773, 50000
NAMES = {
    1: "none", 2: "CCITT run lengths", 3: "CCITT group 3", 4: "CCITT group 4", 5: "LZW", 6: "JPEG of TIFF 6.0",
    7: "JPEG", 8: "deflate", 32773: "PackBits", 32946: "deflate", 34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA",
    50000: "zstd", 50001: "WebP", 50002: "JPEG XL",
}  # fmt: skip
CHECKSUM = (1, 8, 32946, 34887, 34925)
"""Codings that carry a checksum; and plain values, of which everyone knows that they have none."""
_SLACK = 4096
_RUNS = (*((head + 2, head + 1) for head in range(128)), (1, 0), *((2, 257 - head) for head in range(129, 256)))
"""What a run of PackBits takes and what it gives, in bytes, by its first byte."""


def unpack(coding: int, data: bytes, rows: int, line: int) -> bytes:
    """The ``rows`` times ``line`` bytes of one block. Raises ValueError where it gives fewer, or is damaged."""
    size = rows * line
    match coding:
        case 8 | 32946:
            values = _deflate(data, size)
        case 34925:
            values = _lzma(data, size)
        case 32773:
            values = unpack_packbits(data, rows, line, spare=1)
        case 5:
            values = _lzw(data, rows, line)
        case 50000:
            values = _zstd(data, size)
        case _:
            values = data
    if len(values) < size:
        raise ValueError(f"{len(values)} of {size} bytes in a strip or tile")
    return values[:size]


def _deflate(data: bytes, size: int) -> bytes:
    unpacker = zlib.decompressobj()
    try:
        values = unpacker.decompress(data, size)
        # The checksum stands behind the last byte; writers that fill a last strip up to full rows give some more.
        if not unpacker.eof:
            unpacker.decompress(unpacker.unconsumed_tail, size + _SLACK)
    except zlib.error as error:
        raise ValueError(f"deflate: {error}") from error
    if not unpacker.eof:
        raise ValueError("deflate data without its end")
    return values


def _lzma(data: bytes, size: int) -> bytes:
    unpacker = lzma.LZMADecompressor(memlimit=2**29)
    try:
        values = unpacker.decompress(data, max_length=size)
        if not unpacker.eof:
            unpacker.decompress(b"", max_length=size + _SLACK)
    except (lzma.LZMAError, EOFError, MemoryError) as error:
        raise ValueError(f"LZMA: {error}") from error
    if not unpacker.eof:
        raise ValueError("LZMA data without its end")
    return values


def unpack_packbits(data: bytes, rows: int, line: int, *, spare: int) -> bytes:
    """``rows`` times ``line`` bytes of run lengths; ``spare``: how many bytes may follow, since writers fill up.

    Raises ValueError for any other length. Source: TIFF 6.0, section 9.
    """
    at, missing, end = 0, rows * line, len(data)
    while at < end and missing > 0:
        step, bytes_given = _RUNS[data[at]]
        at += step
        missing -= bytes_given
    if missing or not at <= end <= at + spare:
        raise ValueError("PackBits data that does not end with its strip or tile")
    return _by_libtiff(PACKBITS, data, rows, line)


def _lzw(data: bytes, rows: int, line: int) -> bytes:
    if check_lzw(data, rows * line) > 2 * rows * line + _SLACK:
        raise ValueError("LZW data of more bytes than its strip or tile")
    return _by_libtiff(LZW, data, rows, line)


def _by_libtiff(coding: int, data: bytes, rows: int, line: int) -> bytes:
    """What OpenCV's libtiff makes of a block as a TIFF of one grey strip; it skips over damage, so look first."""
    tags = (
        (256, line), (257, rows), (258, 8), (259, coding), (262, 1), (273, 8), (277, 1), (278, rows), (279, len(data))
    )  # fmt: skip
    fill = bytes(len(data) % 2)
    file = b"".join(
        (
            struct.pack("<2sHI", b"II", 42, 8 + len(data) + len(fill)),
            data + fill,
            struct.pack("<H", len(tags)),
            *(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags),
            bytes(4),
        )
    )
    from .opencv import by_opencv

    try:
        image = by_opencv(file, NAMES[coding])
    except ImageError as error:
        raise ValueError(f"{NAMES[coding]} data that the decoder refuses") from error
    if image.shape != (rows, line):
        raise ValueError(f"{NAMES[coding]} data of another size")
    return image.tobytes()


def _zstd(data: bytes, size: int) -> bytes:
    codecs = image_codecs("zstd")
    # Its last section ends with a set bit, and zeros in a row would have been coded shorter.
    if data.endswith(bytes(32)):
        raise ValueError("zstd data that ends with zeros")
    try:
        return bytes(codecs.zstd_decode(data, out=size))
    except codecs.ZstdError as error:
        raise ValueError(f"zstd: {error}") from error


def image_codecs(coding: str) -> Any:
    """The package of the extra ``tiff``. Raises ImageError where it is not installed."""
    try:
        import imagecodecs
    except ImportError as error:
        raise ImageError(
            f"a TIFF of coding {coding} needs the extra 'tiff': pip install \"lopore-core[tiff]\", or save it "
            "uncompressed"
        ) from error
    return imagecodecs
