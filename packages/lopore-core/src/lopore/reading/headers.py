"""What an image file says of itself in its first bytes: checked against the limits before anything is decoded."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from mmap import mmap
from typing import Any, TypeAlias

from numpy.typing import NDArray

from lopore.errors import ConfigError, ImageError

Content: TypeAlias = bytes | mmap
"""The bytes of a file, in memory or mapped."""

FORMATS = ("png", "jpeg", "tiff", "bmp", "dicom")
_MILLION = 1_000_000
TRANSPARENT = "partly transparent"
"""How the note begins that an image was shown over a ground."""


@dataclass(frozen=True)
class Limits:
    """The largest file that is opened: bytes on disk, pixels a page, pixels a side, pages or frames a file."""

    max_bytes: int = 512 * 2**20
    max_pixels: int = 200 * _MILLION
    max_side: int = 65_535
    max_pages: int = 1000

    @property
    def max_decoded(self) -> int:
        """The most bytes that decoded values may take: as many as RGB of 8 bits at the limit of pixels."""
        return 3 * self.max_pixels

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
    pitch_source: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the image as it is shown."""
        return (self.width, self.height) if self.orientation >= 5 else (self.height, self.width)


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
    decoded = height * width * header.samples * -(-header.depth // 8)
    if decoded > limits.max_decoded:
        raise ImageError(
            f"{name} is {width} x {height} px of {header.samples} x {header.depth} bits, {decoded / 1e6:.0f} MB in "
            f"memory; allowed are {limits.max_decoded / 1e6:.0f}; save it as grey, or raise LOPORE_MAX_PIXELS"
        )
    if not 1 <= header.samples <= 5:
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
    if _bare_dicom(head):
        return "dicom"
    if head[:2] == b"BM" and head[14:18] in _BMP_INFO_SIZES:
        return "bmp"
    return None


def _bare_dicom(head: bytes) -> bool:
    """Whether a DICOM data set begins here without the 128 free bytes and the mark of a file.

    Such ones begin with group 2 or 8 in little endian: a small element, then a known type or a small even length.
    """
    if len(head) < 12 or head[:2] not in (b"\2\0", b"\x08\0") or head[3] != 0:
        return False
    if head[4:6] in (b"UL", b"UI", b"CS", b"DA", b"OB", b"LO", b"SH", b"TM", b"DT"):
        return True
    (length,) = struct.unpack_from("<I", head, 4)
    return length % 2 == 0 and length <= 64 and head[2] in (0x00, 0x01, 0x05, 0x08, 0x12, 0x16, 0x18)


_BMP_INFO_SIZES = frozenset(struct.pack("<I", size) for size in (12, 40, 52, 56, 64, 108, 124))

_FOREIGN = (
    (0, b"GIF8", "a GIF"),
    (8, b"WEBP", "a WebP image"),
    (4, b"ftyp", "a HEIC, AVIF or video file"),
    (0, b"%PDF", "a PDF"),
    (4, b"jP  ", "a JPEG 2000 image"),
    (0, b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"version https://git-lfs", "a Git LFS pointer, not the image itself"),
)


def empty_tail(stored: NDArray[Any], *, upwards: bool = False) -> tuple[str, ...]:
    """The note on a plain image whose last rows in the file hold only zeros; BMP stores its rows ``upwards``."""
    rows = stored if upwards else stored[::-1]
    count = next((number for number, row in enumerate(rows) if row.any()), len(rows))
    if count < 2 or count == len(rows):
        return ()
    return (f"the last {count} rows in the file hold only zeros: a border, or the file was not copied to its end",)


def unknown_format(head: bytes, name: str) -> ImageError:
    """The line for content that is none of the formats read here."""
    if not head:
        return ImageError(f"{name} is empty; export it again")
    known_formats = (text for at, mark, text in _FOREIGN if head[at : at + len(mark)] == mark)
    kind = next(known_formats, "no image that lopore knows")
    return ImageError(f"{name} is {kind}; allowed are PNG, JPEG, TIFF, BMP and DICOM; convert it without loss of depth")


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
