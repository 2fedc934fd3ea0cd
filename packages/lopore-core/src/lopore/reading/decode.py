"""A file's content to its header and to upright pixels, by the format that its first bytes say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lopore.arrays import Pixels

from .bmp import BmpHeader, bmp_header, decode_bmp
from .headers import (
    Content,
    Header,
    Limits,
    check_limits,
    damaged,
    sniff,
    unknown_format,
)
from .jpeg import JpegHeader, decode_jpeg, decoder_scale, jpeg_header
from .png import PngHeader, decode_png, png_header
from .tiff import TiffHeader, tiff_header


@dataclass(frozen=True)
class Wanted:
    channels: int
    page: int
    reduce_to: tuple[int, int] | None


@dataclass(frozen=True)
class Opened:
    header: Header
    dataset: Any = None


def open_content(content: bytes, name: str, limits: Limits, page: int | None) -> Opened:
    form = sniff(content[:132])
    if form == "dicom":
        from .dicom import open_dicom

        dataset, header = open_dicom(content, name, limits)
        return Opened(header, dataset)
    return Opened(read_header(content, form, name, limits, page, complete=True))


def read_header(
    content: Content, form: str | None, name: str, limits: Limits, page: int | None, *, complete: bool
) -> Header:
    match form:
        case "jpeg":
            return jpeg_header(content, name)
        case "png":
            check_limits(png_header(content, name), limits, name)
            return png_header(content, name, complete=complete)
        case "tiff":
            return tiff_header(content, name, limits, page)
        case "bmp":
            return bmp_header(content, name)
    raise unknown_format(content[:132], name)


@dataclass(frozen=True)
class Decoded:
    """scale: by which a JPEG's decoder shrank the image. notes: on what was done to the values."""

    pixels: Pixels
    scale: int = 1
    notes: tuple[str, ...] = ()


def decode_pixels(opened: Opened, content: bytes, wanted: Wanted, name: str) -> Decoded:
    """Pixels, upright, with the asked channels."""
    from .jpeg_steps import step_notes
    from .orientation import to_channels, upright

    header = opened.header
    notes: tuple[str, ...] = ()
    if isinstance(header, JpegHeader):
        scale = decoder_scale(header, wanted.reduce_to)
        stored = decode_jpeg(content, header, wanted.channels, scale, name)
        return Decoded(upright(stored, header.orientation), scale, step_notes(stored, 8 // scale))
    if isinstance(header, PngHeader):
        stored, notes = decode_png(content, header, name)
    elif isinstance(header, TiffHeader):
        from .tiff_image import decode_tiff

        stored, notes = decode_tiff(content, header, name)
    elif isinstance(header, BmpHeader):
        stored, notes = decode_bmp(content, header, name)
    else:
        from .dicom import DicomHeader, decode_dicom

        assert isinstance(header, DicomHeader)
        stored, notes = decode_dicom(opened.dataset, header, wanted.page, name)
    if stored.shape[:2] != (header.height, header.width):
        raise damaged(name, "the image has another size than its header")
    return Decoded(upright(to_channels(stored, wanted.channels), header.orientation), notes=notes)
