"""Compressed frames of DICOM, decoded whole or not at all; decoders that go on over damage are checked afterwards."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ImageError

from .lossless_jpeg import check_lossless
from .tiff_codings import unpack_packbits

RLE = "1.2.840.10008.1.2.5"
_JPEG = "1.2.840.10008.1.2.4."
NAMES = {
    RLE: "RLE", **dict.fromkeys((f"{_JPEG}50", f"{_JPEG}51"), "JPEG"),
    **dict.fromkeys((f"{_JPEG}57", f"{_JPEG}70"), "lossless JPEG"),
    **dict.fromkeys((f"{_JPEG}80", f"{_JPEG}81"), "JPEG-LS"),
    **dict.fromkeys((f"{_JPEG}{last}" for last in (90, 91, 201, 202, 203)), "JPEG 2000"),
}  # fmt: skip
_SPARE = 3
"""Fragments are filled up to an even length, by some writers to a multiple of four."""


@dataclass(frozen=True)
class FrameShape:
    """What the data set says of a frame: rows, columns, values a pixel, and bits that a value takes."""

    height: int
    width: int
    samples: int
    allocated: int


def decode_frame(frame: bytes, syntax: str, shape: FrameShape, photometric: str, name: str) -> NDArray[Any]:
    """(h, w) or (h, w, 3) stored values; JPEG's YCbCr and that of JPEG 2000 as RGB.

    Raises ValueError where the frame is damaged, ImageError where no decoder here opens it.
    """
    kind = NAMES.get(syntax)
    if kind is None:
        raise ImageError(f"{name} is coded as {syntax}, which lopore does not decode; save it uncompressed")
    if kind == "RLE":
        return _rle(frame, shape)
    end = frame.rfind(b"\xff\xd9", max(0, len(frame) - 2 - _SPARE)) + 2
    if end < 4:
        raise ValueError(f"{kind} data without its end")
    frame = frame[:end]
    if kind == "JPEG" and _precision(frame) == 8:
        return _jpeg(frame, shape.samples, photometric, name)
    raw = _by_image_codecs(frame, kind, name)
    if kind == "lossless JPEG" and raw.ndim == 2:
        check_lossless(frame, raw)
    return raw


def _rle(frame: bytes, shape: FrameShape) -> NDArray[Any]:
    """Source: DICOM PS3.5, annex G: one segment a byte of a value, the most significant first."""
    if len(frame) < 64:
        raise ValueError("RLE without header")
    count, *starts = struct.unpack("<16I", frame[:64])
    size = shape.allocated // 8
    if count != size * shape.samples or size not in (1, 2):
        raise ValueError(f"{count} RLE segments for {shape.samples} values of {shape.allocated} bits")
    ends = [*starts[1:count], len(frame)]
    planes = []
    for start, end in zip(starts, ends, strict=False):
        if not 64 <= start < end <= len(frame):
            raise ValueError("RLE segments that do not follow each other")
        planes.append(unpack_packbits(frame[start:end], shape.height, shape.width, spare=_SPARE))
    stored = np.frombuffer(b"".join(planes), np.uint8).reshape(shape.samples, size, shape.height, shape.width)
    values = stored[:, 0] if size == 1 else (stored[:, 0].astype(np.uint16) << 8) | stored[:, 1]
    return values[0] if shape.samples == 1 else np.ascontiguousarray(np.moveaxis(values, 0, -1))


def _segments(frame: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start of the segment, its end) up to the first scan. Raises ValueError."""
    at = 2
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        end = at + 2 + struct.unpack_from(">H", frame, at + 2)[0]
        yield marker, at, end
        if marker == 0xDA:
            return
        at = end
    raise ValueError("a JPEG without image")


def _precision(frame: bytes) -> int:
    for marker, start, _ in _segments(frame):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return frame[start + 4]
    raise ValueError("a JPEG without image")


def _jpeg(frame: bytes, samples: int, photometric: str, name: str) -> NDArray[Any]:
    from .jpeg import decode_jpeg, jpeg_header

    if samples == 3:
        frame = _with_colours(frame, ycc=photometric != "RGB")
    header = jpeg_header(frame, name)
    if header.samples != samples:
        raise ValueError(f"{header.samples} JPEG components for {samples} values a pixel")
    return decode_jpeg(frame, header, samples, 1, name)


def _with_colours(frame: bytes, *, ycc: bool) -> bytes:
    """The stream with a marker that says what its planes are; the data set knows, and libjpeg would guess."""
    parts, last = [b"\xff\xd8\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([ycc])], 2
    for marker, start, end in _segments(frame):
        if marker not in (0xE0, 0xEE):
            parts.append(frame[start:end])
        last = end
    return b"".join((*parts, frame[last:]))


def _by_image_codecs(frame: bytes, kind: str, name: str) -> NDArray[Any]:
    try:
        import imagecodecs
    except ImportError as error:
        raise ImageError(
            f'{name} is coded as {kind}, which needs the extra "dicom": pip install "lopore-core[dicom]", or save it '
            "uncompressed"
        ) from error
    decoder = {"JPEG-LS": "jpegls", "JPEG 2000": "jpeg2k"}.get(kind, "jpeg8")
    return np.asarray(getattr(imagecodecs, f"{decoder}_decode")(frame))
