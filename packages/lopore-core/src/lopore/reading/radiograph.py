"""The one image loader: a file becomes grey values of its own depth, or one clear line that says why not.

Every part of lopore reads images here; OpenCV's and Pillow's own readers are called nowhere else.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.errors import ImageError, memory_is_short

from .decode import Decoded, Wanted, decode_pixels, open_content, read_header
from .encode import write_radiograph
from .headers import (
    Content,
    Header,
    Limits,
    check_limits,
    sniff,
)
from .regular_files import Found, check_bytes, display_name, image_paths, open_regular, read_regular

__all__ = [
    "Facts",
    "Found",
    "Limits",
    "Radiograph",
    "Source",
    "describe",
    "image_paths",
    "read_radiograph",
    "write_radiograph",
]

Polarity = Literal["film", "detector", "unknown"]
_UNMOVED = Affine()


@dataclass(frozen=True)
class Source:
    """Where a radiograph came from.

    name: for display; plain text of bounded length. path: None for bytes. sha256: of the whole file, 64 hex digits.
    page: which page or frame, from 1, of ``pages``. file_depth: bits a value in the file (1 to 16).
    """

    name: str
    path: Path | None
    sha256: str
    format: str
    page: int
    pages: int
    file_depth: int


@dataclass(frozen=True)
class Radiograph:
    """One image as the file holds it.

    pixels: (H, W), or (H, W, 3) RGB; uint8 up to 8 bits a value, else uint16; greater is brighter; upright after EXIF.
    original_shape: (height, width) of the file's upright image; differs from pixels only where a JPEG was shrunk.
    to_original: from coordinates of ``pixels`` to the original image.
    pixel_pitch_mm: size of an original pixel, where the file states it, else None.
    polarity: film: brighter is less radiation; detector: brighter is more; unknown: the file does not say.
    window: (low, high) of the DICOM display window in grey values of ``pixels``, or None.
    notes: what a careful reader should know, such as the bits really in use.
    pitch_source: where the pitch came from, such as "TIFF resolution tags"; None with an unknown pitch.
    """

    pixels: Pixels
    source: Source
    original_shape: tuple[int, int]
    to_original: Affine = _UNMOVED
    pixel_pitch_mm: float | None = None
    polarity: Polarity = "unknown"
    window: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    pitch_source: str | None = None

    def without_pixels(self) -> Radiograph:
        """The same facts over an empty image of the same depth: films that wait in a queue may have 35 MB each."""
        return replace(self, pixels=np.empty((0, 0, *self.pixels.shape[2:]), self.pixels.dtype))


@dataclass(frozen=True)
class Facts:
    """What the header of a file says; nothing was decoded. Sizes are those of the upright image, in pixels."""

    name: str
    format: str
    height: int
    width: int
    channels: int
    depth: int
    pages: int
    bytes: int
    orientation: int
    pixel_pitch_mm: float | None
    polarity: Polarity
    notes: tuple[str, ...]


def read_radiograph(
    source: Path | bytes,
    *,
    channels: Literal[1, 3] = 1,
    page: int | None = None,
    limits: Limits | None = None,
    reduce_to: tuple[int, int] | None = None,
    name: str | None = None,
) -> Radiograph:
    """Read PNG, JPEG, TIFF, BMP or DICOM; the content decides which, not the name.

    channels: 1 gives grey (JPEG: its luminance; other colour images: BT.601), 3 gives RGB (grey is repeated).
    page: which page or frame, from 1; must be given where there are several. limits: default from the environment.
    reduce_to: (height, width); a JPEG's decoder halves the image, up to three times, while it stays so large.
    name: shown in messages, for bytes. Depth is kept: up to 8 bits give uint8, 9 to 16 give uint16, never rescaled.
    Raises ImageError, in one line, for what is no image, broken, over the limits, or cannot be read right.
    """
    limits = limits or Limits.from_environment()
    shown = _shown(source, name)
    if isinstance(source, bytes):
        check_bytes(len(source), shown, limits)
        content = source
    else:
        content = read_regular(source, shown, limits)
    opened = open_content(content, shown, limits, page)
    check_limits(opened.header, limits, shown)
    chosen = choose_page(opened.header, page, shown)
    decoded = decode_pixels(opened, content, Wanted(channels, chosen, reduce_to), shown)
    return _radiograph(decoded, opened.header, _source(source, shown, content, opened.header, chosen))


def _shown(source: Path | bytes, name: str | None) -> str:
    if name is None:
        name = "image in memory" if isinstance(source, bytes) else source.name
    return display_name(name) or "image"


def choose_page(header: Header, page: int | None, name: str) -> int:
    """The page to read, from 1. Raises ImageError where it must be named or does not exist."""
    if page is None and header.pages > 1:
        raise ImageError(f"{name} holds {header.pages} pages; choose one of 1 to {header.pages} with --page (page=)")
    if page is not None and not 1 <= page <= header.pages:
        raise ImageError(f"{name} has no page {page}; allowed are 1 to {header.pages}")
    return page or 1


def _source(source: Path | bytes, name: str, content: bytes, header: Header, page: int) -> Source:
    path = None if isinstance(source, bytes) else source
    digest = hashlib.sha256(content).hexdigest()
    return Source(name, path, digest, header.format, page, header.pages, header.depth)


def _radiograph(decoded: Decoded, header: Header, source: Source) -> Radiograph:
    move, scale = Affine(), decoded.scale
    if scale > 1:
        from .orientation import from_scaled

        move = from_scaled(header.orientation, header.height, header.width, scale)
    return Radiograph(
        decoded.pixels,
        source,
        header.shape,
        move,
        header.pixel_pitch_mm,
        getattr(header, "polarity", "unknown"),
        getattr(header, "window", None),
        header.notes + decoded.notes + _bits_in_use(decoded.pixels),
        header.pitch_source,
    )


def _bits_in_use(pixels: Pixels) -> tuple[str, ...]:
    """A note where a 16-bit image holds fewer bits: the depth of the container is not the depth of the data."""
    if pixels.dtype != np.uint16:
        return ()
    used = int(np.bitwise_or.reduce(pixels, axis=None))
    if used == 0:
        return ()
    bits, low = used.bit_length(), (used & -used).bit_length() - 1
    if bits - low == 16:
        return ()
    bits_used = f", in the high bits: values are multiples of {1 << low}" if low else ""
    return (f"{bits - low} of 16 bits are in use{bits_used}",)


def describe(
    source: Path | bytes, *, limits: Limits | None = None, name: str | None = None, page: int | None = None
) -> Facts:
    """Facts of a file from its header alone. Raises ImageError as ``read_radiograph`` does, but decodes nothing."""
    limits = limits or Limits.from_environment()
    shown = _shown(source, name)
    if isinstance(source, bytes):
        check_bytes(len(source), shown, limits)
        return _facts(source, source, shown, limits, page)
    handle = open_regular(source, shown, limits)
    try:
        with mmap.mmap(handle, 0, access=mmap.ACCESS_READ) as content:
            return _facts(content, source, shown, limits, page)
    except (OSError, ValueError) as error:
        if memory_is_short(error):
            raise MemoryError from error
        raise ImageError(f"{shown} cannot be read ({error}); check the disk"[:300]) from error
    finally:
        os.close(handle)


def _facts(content: Content, source: Path | bytes, name: str, limits: Limits, page: int | None) -> Facts:
    form = sniff(content[:132])
    if form == "dicom":
        from .dicom import open_dicom

        header: Header = open_dicom(source, name, limits)[1]
    else:
        header = read_header(content, form, name, limits, page, complete=False)
    check_limits(header, limits, name)
    if page is not None:
        choose_page(header, page, name)
    height, width = header.shape
    return Facts(
        name, header.format, height, width, header.samples, header.depth, header.pages, len(content),
        header.orientation, header.pixel_pitch_mm, getattr(header, "polarity", "unknown"), header.notes,
    )  # fmt: skip
