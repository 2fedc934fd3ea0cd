"""Where the pixels of a plain DICOM frame lie in its file, so that windows of it are read without the rest."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from lopore.arrays import Pixels

from .dicom import DicomHeader, grey_values, open_dicom
from .dicom_tags import GREY_MODELS
from .film_windows import PlainFrame
from .headers import Limits, check_limits, damaged
from .positioned_file import PositionedFile
from .radiograph import choose_page

_IMPLICIT, _EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
_PIXEL_DATA = b"\xe0\x7f\x10\x00"


def dicom_windows(
    file: PositionedFile, path: Path, page: int | None, limits: Limits
) -> tuple[DicomHeader, GreyFrame, int] | None:
    """Header, windows and page of a plain grey frame in little endian; None for any other kind. Raises ImageError."""
    dataset, header = open_dicom(path, file.name, limits)
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    if syntax not in (_IMPLICIT, _EXPLICIT) or header.photometric not in GREY_MODELS or header.allocated not in (8, 16):
        return None
    check_limits(header, limits, file.name)
    chosen = choose_page(header, page, file.name)
    found = _pixel_data(file, header.pixels_at, explicit=syntax == _EXPLICIT)
    if found is None:
        return None
    start, length = found
    dtype = np.dtype(f"<u{header.allocated // 8}")
    frame = header.height * header.width * dtype.itemsize
    if min(length, file.size - start) < frame * header.pages:
        raise damaged(file.name, f"DICOM: {min(length, file.size - start)} of {frame * header.pages} bytes of pixels")
    return header, GreyFrame(PlainFrame(file, start + (chosen - 1) * frame, header.width, dtype), header), chosen


def _pixel_data(file: PositionedFile, at: int, *, explicit: bool) -> tuple[int, int] | None:
    """Where the pixels begin and how many bytes they take by their element's own word. Source: DICOM PS3.5, 7.1."""
    head = file.fetch(at, 12)
    if len(head) < 12 or head[:4] != _PIXEL_DATA:
        return None
    length: int = struct.unpack_from("<I", head, 8 if explicit else 4)[0]
    return None if length == 0xFFFFFFFF else (at + (12 if explicit else 8), length)


class GreyFrame:
    """Windows of a plain frame as grey values, greater is brighter."""

    def __init__(self, frame: PlainFrame, header: DicomHeader) -> None:
        self._frame, self._header = frame, header

    def read(self, y0: int, x0: int, height: int, width: int) -> Pixels:
        """See ``film_windows.Windows``."""
        values: Pixels = grey_values(self._frame.read(y0, x0, height, width), self._header)
        return values

    def close(self) -> None:
        """Nothing is held."""
