"""JPEG: segments, size and orientation, and pixels; a damaged one is refused, never shown half grey."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from lopore.arrays import Pixels
from lopore.errors import ImageError

from .headers import Content, Header, damaged, tiff_orientation

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_MOST_SCANS = 100


@dataclass(frozen=True, kw_only=True)
class JpegHeader(Header):
    """first_scan: where the first scan starts, in bytes. adobe: whether CMYK is stored as light, as Adobe does."""

    progressive: bool
    first_scan: int
    adobe: bool


_FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_OTHER_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF}


def jpeg_header(content: Content, name: str) -> JpegHeader:
    """Size, components and EXIF orientation of a JPEG. Raises ImageError for what cannot be read right."""
    frame: tuple[int, bytes] | None = None
    orientation, adobe = 1, False
    for marker, start, end in _jpeg_segments(content, name):
        if marker == 0xE1 and orientation == 1:
            orientation = _exif_orientation(content[start:end])
        elif marker == 0xEE:
            adobe = adobe or content[start : start + 5] == b"Adobe"
        elif marker in _OTHER_FRAMES:
            raise ImageError(f"{name} is a lossless or hierarchical JPEG; allowed are plain ones; convert it to PNG")
        elif marker in _FRAMES:
            if frame is not None:
                raise damaged(name, "two JPEG frames")
            frame = marker, content[start:end]
        elif marker == 0xDA:
            if frame is None or len(frame[1]) < 6:
                raise damaged(name, "a JPEG without size")
            return _jpeg_frame(frame, orientation, start, name, adobe=adobe)
    raise damaged(name, "a JPEG without image")


def _jpeg_frame(frame: tuple[int, bytes], orientation: int, first_scan: int, name: str, *, adobe: bool) -> JpegHeader:
    marker, body = frame
    depth, height, width, components = struct.unpack(">BHHB", body[:6])
    if depth != 8:
        raise ImageError(f"{name} is a JPEG of {depth} bits; allowed are 8; export it as 16-bit PNG or TIFF")
    if components not in (1, 3, 4):
        raise ImageError(f"{name} is a JPEG of {components} components; allowed are 1, 3 and 4; convert it to grey")
    return JpegHeader(
        format="jpeg", height=height, width=width, samples=components, depth=8, orientation=orientation,
        progressive=marker in (0xC2, 0xCA), first_scan=first_scan, adobe=adobe,
        notes=("CMYK converted to light without a colour profile",) if components == 4 else (),
    )  # fmt: skip


def _jpeg_segments(content: Content, name: str) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment's body, up to the end of the file."""
    position, size = 2, len(content)
    while position + 4 <= size:
        if content[position] != 0xFF:
            raise damaged(name, "bytes between JPEG segments")
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in (0x00, 0xD8, 0xD9) or 0xD0 <= marker <= 0xD7:
            raise damaged(name, "a JPEG without image")
        length = (content[position + 2] << 8) | content[position + 3]
        if length < 2 or position + 2 + length > size:
            raise damaged(name, "a JPEG segment runs past the end")
        yield marker, position + 4, position + 2 + length
        position += 2 + length


def _exif_orientation(segment: bytes) -> int:
    """Orientation tag of an EXIF segment; 1 where it is absent or makes no sense."""
    if segment[:6] != b"Exif\0\0":
        return 1
    return tiff_orientation(segment[6:])


def decoder_scale(header: Header, reduce_to: tuple[int, int] | None) -> int:
    """1, 2, 4 or 8: how far a JPEG decoder may shrink the image and still give ``reduce_to`` or more."""
    if reduce_to is None or header.format != "jpeg":
        return 1
    height, width = header.shape
    sizes = ((scale, math.ceil(height / scale), math.ceil(width / scale)) for scale in (8, 4, 2))
    return next((scale for scale, high, wide in sizes if high >= reduce_to[0] and wide >= reduce_to[1]), 1)


def decode_jpeg(content: bytes, header: JpegHeader, channels: int, scale: int, name: str) -> Pixels:
    """(h, w) or (h, w, 3) RGB uint8, sides divided by ``scale`` and rounded up; grey is the coded luminance itself.

    libjpeg-turbo's warnings (early end, corrupt data) are errors here: OpenCV shows such an image half grey.
    """
    if header.progressive:
        _check_scans(content, header.first_scan, name)
    height, width = math.ceil(header.height / scale), math.ceil(header.width / scale)
    if header.samples == 4:
        return _decode_cmyk(content, header, channels, (height, width), name)
    import simplejpeg

    space = "GRAY" if channels == 1 else "RGB"
    try:
        image: Pixels = simplejpeg.decode_jpeg(content, space, min_height=height, min_width=width)
    except ValueError as error:
        raise damaged(name, f"JPEG: {str(error)[:80]}") from error
    if image.shape != (height, width, channels):
        raise damaged(name, "the JPEG gives another size than its header")
    return image[:, :, 0] if channels == 1 else image


def _decode_cmyk(content: bytes, header: JpegHeader, channels: int, shape: tuple[int, int], name: str) -> Pixels:
    import simplejpeg

    from .orientation import to_channels
    from .tiff_values import from_cmyk

    try:
        ink = simplejpeg.decode_jpeg(content, "CMYK", min_height=shape[0], min_width=shape[1])
    except ValueError as error:
        raise damaged(name, f"JPEG: {str(error)[:80]}") from error
    if ink.shape != (*shape, 4):
        raise damaged(name, "the JPEG gives another size than its header")
    # Adobe's programs store light in place of ink.
    return to_channels(from_cmyk(255 - ink if header.adobe else ink), channels)


def _check_scans(content: bytes, first: int, name: str) -> None:
    """Each scan of a progressive JPEG costs a pass over the whole image, so a small file could take hours."""
    scans, position = 1, first
    while match := _MARKER.search(content, position):
        at = match.start()
        marker = content[at + 1]
        if marker == 0xD9 or at + 4 > len(content):
            return
        scans += marker == 0xDA
        if scans > _MOST_SCANS:
            raise ImageError(f"{name} is a JPEG of more than {_MOST_SCANS} scans; save it again as a plain JPEG or PNG")
        position = at + 2 + max(2, int.from_bytes(content[at + 2 : at + 4], "big"))
