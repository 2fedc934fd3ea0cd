"""Images as files: whole ones by plain means, and ones that no encoder would write."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import strategies as st

from lopore.errors import ImageError
from lopore.reading.encode import write_radiograph
from lopore.reading.radiograph import read_radiograph
from made.images import GREY8, GREY16, Array, coded, film


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int, colour: int, rows: list[bytes], *, before: bytes = b"") -> bytes:
    """A PNG by hand. colour: the standard's number of a kind. rows: packed. before: chunks in front of the image."""
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def png_of(pixels: Array, colour: int, before: bytes = b"") -> bytes:
    packed = pixels.astype(">u2") if pixels.dtype == np.uint16 else pixels
    rows = [row.tobytes() for row in packed]
    return png(pixels.shape[1], pixels.shape[0], 8 * pixels.dtype.itemsize, colour, rows, before=before)


def bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that says it is ``side`` pixels high and wide."""
    return png(side, side, 8, 0, [bytes(2_000_000)])


def tiff(pixels: Array, **options: Any) -> bytes:
    tifffile = pytest.importorskip("tifffile")
    stream = BytesIO()
    options.setdefault("photometric", "rgb" if pixels.ndim == 3 else "minisblack")
    tifffile.imwrite(stream, pixels, metadata=None, **options)
    return stream.getvalue()


def packed_tiff(values: Array, depth: int) -> bytes:
    """A classic TIFF of one uncompressed strip with ``depth`` bits a value, written by hand."""
    height, width = values.shape
    bits = (values[:, :, None] >> np.arange(depth - 1, -1, -1)) & 1
    data = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1).tobytes()
    tags = [(256, width), (257, height), (258, depth), (259, 1), (262, 1), (273, 8), (277, 1), (278, height),
            (279, len(data))]  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    data += bytes(len(data) % 2)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def exif(orientation: int) -> bytes:
    return b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def jpeg(pixels: Array, orientation: int | None = None, quality: int = 92) -> bytes:
    simplejpeg = pytest.importorskip("simplejpeg")
    content = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels if pixels.ndim == 3 else pixels[:, :, None]),
        quality=quality,
        colorspace="RGB" if pixels.ndim == 3 else "GRAY",
    )
    if orientation is None:
        return bytes(content)
    body = b"Exif\0\0" + exif(orientation)
    return bytes(content[:2]) + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + bytes(content[2:])


WHOLE = {
    "jpeg": coded(".jpg", film()),
    "progressive": cv2.imencode(".jpg", film(), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(),
    "png": png_of(GREY16, 0),
    "bmp": coded(".bmp", GREY8),
    "tiff": write_radiograph(GREY16, None, "tiff"),
}


def refusal(content: bytes | Path, **options: Any) -> str:
    """The one line with which the loader refuses a file."""
    with pytest.raises(ImageError) as caught:
        read_radiograph(content, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 420
    return text


def altered(seeds: list[bytes]) -> st.SearchStrategy[bytes]:
    """Whole files with up to four places written over, most of them near the beginning, and many cut short."""
    changes = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=4)
    return st.builds(_alter, st.sampled_from(seeds), changes, st.floats(0, 1))


def _alter(seed: bytes, changes: list[tuple[float, bytes]], keep: float) -> bytes:
    content = bytearray(seed)
    for place, new in changes:
        at = int(place**3 * (len(content) - len(new)))  # headers sit at the beginning
        content[at : at + len(new)] = new
    return bytes(content[: max(1, int(len(content) * (1 if keep > 0.3 else keep * 3)))])
