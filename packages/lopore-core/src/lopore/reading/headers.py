"""What an image file says of itself in its first bytes: checked against the limits before anything is decoded."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import TypeAlias

from lopore.errors import ConfigError, ImageError

Content: TypeAlias = bytes | mmap
"""The bytes of a file, in memory or mapped."""

FORMATS = ("png", "jpeg", "tiff", "bmp", "dicom")
_MILLION = 1_000_000


@dataclass(frozen=True)
class Limits:
    """The largest file that is opened: bytes on disk, pixels a page, pixels a side, pages or frames a file."""

    max_bytes: int = 512 * 2**20
    max_pixels: int = 200 * _MILLION
    max_side: int = 65_535
    max_pages: int = 1000

    @classmethod
    def from_environment(cls) -> Limits:
        """The defaults, with ``LOPORE_MAX_PIXELS`` and ``LOPORE_MAX_BYTES`` where they are set."""
        return cls(
            max_bytes=_whole_number("LOPORE_MAX_BYTES", cls.max_bytes),
            max_pixels=_whole_number("LOPORE_MAX_PIXELS", cls.max_pixels),
        )


def _whole_number(variable: str, default: int) -> int:
    text = os.environ.get(variable)
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 15 or int(text) < 1:
        raise ConfigError(f"{variable}={text[:40]!r} is no whole number above 0; set it to such as {default}")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class Header:
    """height, width: as stored, before ``orientation`` (EXIF, 1 to 8). samples: values a pixel. depth: bits a value."""

    format: str
    height: int
    width: int
    samples: int
    depth: int
    pages: int = 1
    orientation: int = 1
    pixel_pitch_mm: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the picture as it is shown."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


@dataclass(frozen=True, kw_only=True)
class JpegHeader(Header):
    progressive: bool
    first_scan: int
    """Where the first scan starts, in bytes."""


@dataclass(frozen=True, kw_only=True)
class PngHeader(Header):
    grey: bool
    key: tuple[int, ...] | None
    """The colour that stands for 'transparent', in the file's own depth, if one is named."""


@dataclass(frozen=True, kw_only=True)
class BmpHeader(Header):
    bits: int
    start: int
    alpha_mask: int


def damaged(name: str, what: str) -> ImageError:
    """The line for a file that is cut short or altered."""
    return ImageError(f"{name} is cut short or damaged ({what}); copy or export it again from the original")


def check_limits(header: Header, limits: Limits, name: str) -> None:
    """Raise ImageError where the header promises more than is allowed, or nothing at all."""
    height, width = header.height, header.width
    if height < 1 or width < 1:
        raise damaged(name, f"its size is {width} x {height} px")
    if height * width > limits.max_pixels or max(height, width) > limits.max_side:
        raise ImageError(
            f"{name} is {width} x {height} px ({height * width / _MILLION:.0f} million); allowed are "
            f"{limits.max_pixels / _MILLION:g} million and {limits.max_side} a side; "
            "cut it into parts, or raise LOPORE_MAX_PIXELS"
        )
    if header.pages > limits.max_pages:
        raise ImageError(f"{name} holds {header.pages} pages; allowed are {limits.max_pages}; split the file")
    if not 1 <= header.samples <= 4:
        raise ImageError(f"{name} has {header.samples} values a pixel; allowed are grey and RGB; convert it to grey")


def sniff(head: bytes) -> str | None:
    """The format that the first 132 bytes or more show, one of ``FORMATS``, or None."""
    # A DICOM file may begin as a TIFF does: its first 128 bytes are free.
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if head[:2] == b"BM" and head[14:18] in _BMP_INFO_SIZES:
        return "bmp"
    return None


_BMP_INFO_SIZES = frozenset(struct.pack("<I", size) for size in (12, 40, 52, 56, 64, 108, 124))

_FOREIGN = (
    (0, b"GIF8", "a GIF"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"ftyp", "a HEIC, AVIF or video file"),
    (0, b"%PDF", "a PDF"),
    (4, b"jP  ", "a JPEG 2000 picture"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the picture itself"),
)


def unknown_format(head: bytes, name: str) -> ImageError:
    """The line for content that is none of the formats read here."""
    if not head:
        return ImageError(f"{name} is empty; export it again")
    kinds = (text for at, mark, text in _FOREIGN if head[at : at + len(mark)] == mark)
    kind = next(kinds, "no image that lopore knows")
    return ImageError(f"{name} is {kind}; allowed are PNG, JPEG, TIFF, BMP and DICOM; convert it without loss of depth")


_FRAMES = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_OTHER_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF}


def jpeg_header(content: Content, name: str) -> JpegHeader:
    """Size, components and EXIF orientation of a JPEG. Raises ImageError for what cannot be read right."""
    frame: tuple[int, bytes] | None = None
    orientation = 1
    for marker, start, end in _jpeg_segments(content, name):
        if marker == 0xE1 and orientation == 1:
            orientation = _exif_orientation(content[start:end])
        elif marker in _OTHER_FRAMES:
            raise ImageError(f"{name} is a lossless or hierarchical JPEG; allowed are plain ones; convert it to PNG")
        elif marker in _FRAMES:
            if frame is not None:
                raise damaged(name, "two JPEG frames")
            frame = marker, content[start:end]
        elif marker == 0xDA:
            if frame is None or len(frame[1]) < 6:
                raise damaged(name, "a JPEG without size")
            return _jpeg_frame(frame, orientation, start, name)
    raise damaged(name, "a JPEG without picture")


def _jpeg_frame(frame: tuple[int, bytes], orientation: int, first_scan: int, name: str) -> JpegHeader:
    marker, body = frame
    depth, height, width, components = struct.unpack(">BHHB", body[:6])
    if depth != 8:
        raise ImageError(f"{name} is a JPEG of {depth} bits; allowed are 8; export it as 16-bit PNG or TIFF")
    if components == 4:
        raise ImageError(f"{name} is a JPEG in CMYK; allowed are grey and RGB; convert it to grey")
    if components not in (1, 3):
        raise ImageError(f"{name} is a JPEG of {components} components; allowed are 1 and 3; convert it to grey")
    return JpegHeader(
        format="jpeg", height=height, width=width, samples=components, depth=8, orientation=orientation,
        progressive=marker in (0xC2, 0xCA), first_scan=first_scan,
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
            raise damaged(name, "a JPEG without picture")
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


def tiff_orientation(block: bytes) -> int:
    """Orientation tag of the first directory of a small TIFF block (EXIF); 1 where it is absent or makes no sense."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 10:
        return 1
    (at,) = struct.unpack_from(order + "I", block, 4)
    if not 8 <= at <= len(block) - 2:
        return 1
    (count,) = struct.unpack_from(order + "H", block, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(block) - 11), 12):
        tag, kind, values = struct.unpack_from(order + "HHI", block, entry)
        if tag == 0x0112 and kind == 3 and values == 1:
            (value,) = struct.unpack_from(order + "H", block, entry + 8)
            return int(value) if 1 <= value <= 8 else 1
    return 1


def png_chunks(content: Content, name: str, *, whole: bool) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of each chunk's body. With ``whole`` every checksum is verified and the end must be there."""
    position, size = 8, len(content)
    view = memoryview(content)
    try:
        while position + 12 <= size:
            (length,) = struct.unpack_from(">I", content, position)
            kind, end = content[position + 4 : position + 8], position + 8 + length
            if end + 4 > size:
                if whole:
                    break
                yield kind, position + 8, size
                return
            if whole and zlib.crc32(view[position + 4 : end]) != struct.unpack_from(">I", content, end)[0]:
                raise damaged(name, f"wrong checksum of PNG chunk {kind.decode('ascii', 'replace')}")
            yield kind, position + 8, end
            if kind == b"IEND":
                return
            position = end + 4
    finally:
        view.release()
    if whole:
        raise damaged(name, "the PNG has no end")


_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def png_header(content: Content, name: str, *, whole: bool = False) -> PngHeader:
    """Size, depth and orientation of a PNG; ``whole`` also proves every chunk. Raises ImageError."""
    if content[12:16] != b"IHDR" or len(content) < 33:
        raise damaged(name, "a PNG without header")
    width, height, depth, colour = struct.unpack_from(">IIBB", content, 16)
    if depth not in _PNG_DEPTHS.get(colour, ()):
        raise damaged(name, f"PNG colour type {colour} with {depth} bits")
    orientation, key, has_data = 1, None, False
    for kind, start, end in png_chunks(content, name, whole=whole):
        if kind == b"acTL":
            raise ImageError(f"{name} is an animated PNG; allowed is one picture; export the frame that you need")
        if kind == b"eXIf":
            orientation = tiff_orientation(content[start:end])
        if kind == b"tRNS" and colour in (0, 2) and end - start == 2 * _PNG_SAMPLES[colour]:
            key = struct.unpack(f">{_PNG_SAMPLES[colour]}H", content[start:end])
        has_data = has_data or kind == b"IDAT"
        if has_data and not whole:
            break
    if whole and not has_data:
        raise damaged(name, "a PNG without picture")
    return PngHeader(
        format="png", height=height, width=width, samples=_PNG_SAMPLES[colour], depth=depth, orientation=orientation,
        grey=colour in (0, 4), key=key,
    )  # fmt: skip


def bmp_header(content: Content, name: str) -> BmpHeader:
    """Size and depth of a BMP. Raises ImageError for run-length coding and for a file shorter than its picture."""
    info = struct.unpack_from("<I", content, 14)[0]
    if len(content) < 14 + info:
        raise damaged(name, "a BMP without header")
    start = struct.unpack_from("<I", content, 10)[0]
    if info == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", content, 18)
        coding = 0
    else:
        width, height, _, bits, coding = struct.unpack_from("<iiHHI", content, 18)
    if coding not in (0, 3, 6) or bits not in (1, 4, 8, 16, 24, 32):
        raise ImageError(f"{name} is a BMP of {bits} bits in coding {coding}; allowed are plain ones; save it as PNG")
    if width < 1 or height == 0 or start < 14 + info:
        raise damaged(name, f"its size is {width} x {height} px")
    if start + (width * bits + 31) // 32 * 4 * abs(height) > len(content):
        raise damaged(name, "the BMP ends before its picture")
    alpha = struct.unpack_from("<I", content, 66)[0] if info >= 56 and bits == 32 and coding in (3, 6) else 0
    return BmpHeader(
        format="bmp", height=abs(height), width=width, samples=1 if bits <= 8 else 3, depth=min(bits, 8),
        bits=bits, start=start, alpha_mask=alpha,
    )  # fmt: skip
