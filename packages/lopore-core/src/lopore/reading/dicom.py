"""DICOM and DICONDE: grey values as stored, with window, polarity and pixel pitch; needs the extra ``dicom``."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ImageError

from .dicom_codings import NAMES, FrameShape, decode_frame
from .dicom_tags import GREY_MODELS, Polarity, integer, pitch_of, polarity_of, rescale, window_of
from .headers import Header, Limits, damaged, empty_tail

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

# warnings.catch_warnings changes the whole process; one file at a time keeps it whole.
_ONE_AT_A_TIME = threading.Lock()
_DEFLATED = "1.2.840.10008.1.2.1.99"
_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")


@dataclass(frozen=True, kw_only=True)
class DicomHeader(Header):
    """``depth``: bits stored. ``allocated``: bits a value takes. ``inverted``: stored values fall with brightness.

    ``pixels_at``: where the element with the pixels begins, for a file read without them, else 0.
    """

    allocated: int
    high_bit: int
    signed: bool
    photometric: str
    inverted: bool
    polarity: Polarity
    window: tuple[float, float] | None
    compressed: bool
    pixels_at: int


@contextmanager
def _pydicom(name: str) -> Iterator[Any]:
    """pydicom, silent, with whatever it raises in one line: a file must never bring lopore down."""
    try:
        import pydicom
    except ImportError as error:
        raise ImageError(
            f"{name} is a DICOM file, which needs the extra 'dicom': pip install \"lopore-core[dicom]\""
        ) from error
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield pydicom
        except ImageError:
            raise
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # a panic of a codec written in Rust is no Exception
            raise damaged(name, f"DICOM: {' '.join(str(error).split())[:120]}") from error


def open_dicom(source: Path | bytes, name: str, limits: Limits) -> tuple[FileDataset, DicomHeader]:
    """The data set (pixels unread for a path) and its facts, checked before anything is decoded. Raises ImageError."""
    with _pydicom(name) as pydicom:
        at = 0
        if isinstance(source, bytes):
            dataset = pydicom.dcmread(_Watched(BytesIO(source), limits, name), force=True)
        else:
            with source.open("rb") as stream:
                dataset = pydicom.dcmread(_Watched(stream, limits, name), force=True, stop_before_pixels=True)
                # pydicom steps back to the element at which it stopped.
                at = stream.tell()
        _state_coding(dataset)
        return dataset, _header(dataset, name, at)


def _state_coding(dataset: FileDataset) -> None:
    """A data set without the head of a file is in one of the plain codings; pydicom has found out which."""
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    if "TransferSyntaxUID" in dataset.file_meta:
        return
    implicit, little = dataset.original_encoding
    plain = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else plain


class _Watched:
    """A file for pydicom, which asks for all the rest at once only where it goes on to unpack a deflated data set."""

    def __init__(self, stream: BinaryIO, limits: Limits, name: str) -> None:
        self.seek, self.tell, self.close = stream.seek, stream.tell, stream.close
        self._read, self._limits, self._name = stream.read, limits, name

    def read(self, size: int | None = -1, /) -> bytes:
        content = self._read(-1 if size is None else size)
        if size is None or size < 0:
            _check_packed(content, self._limits, self._name)
        return content


def _check_packed(packed: bytes, limits: Limits, name: str) -> None:
    """A deflated data set of a megabyte can unpack to a gigabyte; it is tried piecewise first."""
    unpacker, total, piece = zlib.decompressobj(-zlib.MAX_WBITS), 0, packed
    while piece and not unpacker.eof:
        total += len(unpacker.decompress(piece, 2**24))
        piece = unpacker.unconsumed_tail
        if total > limits.max_bytes:
            raise ImageError(f"{name} unpacks to more than {limits.max_bytes} bytes; save it without deflate")


def _header(dataset: FileDataset, name: str, pixels_at: int) -> DicomHeader:
    if "Rows" not in dataset or "Columns" not in dataset:
        raise ImageError(f"{name} is a DICOM file without an image (a report, plan or signal); choose an image file")
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        raise ImageError(f"{name} is a DICOM file of floating-point values; allowed are 1 to 16 bits; export it so")
    if "ModalityLUTSequence" in dataset:
        raise ImageError(f"{name} has a modality lookup table, which lopore does not apply; export linear grey values")
    photometric = str(dataset.get("PhotometricInterpretation", "")).strip()
    if photometric not in (*GREY_MODELS, *_COLOURS):
        raise ImageError(f"{name} is a DICOM file of colour model {photometric[:20]!r}; allowed are grey and RGB")
    allocated = integer(dataset, "BitsAllocated", 16)
    stored = integer(dataset, "BitsStored", allocated)
    high = integer(dataset, "HighBit", stored - 1)
    if allocated not in (1, 8, 16) or not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise ImageError(
            f"{name} has {stored} of {allocated} bits a value (high bit {high}); allowed are 1 to 16; export it so"
        )
    return _with_meaning(dataset, photometric, allocated, stored, high, pixels_at)


def _with_meaning(
    dataset: FileDataset, photometric: str, allocated: int, stored: int, high: int, pixels_at: int
) -> DicomHeader:
    signed = integer(dataset, "PixelRepresentation", 0) == 1 and photometric in GREY_MODELS
    slope, intercept, notes = rescale(dataset)
    inverted = (photometric == "MONOCHROME1") != (slope < 0)
    if inverted:
        notes += (f"inverted, since stored values fall with brightness ({photometric})",)
    pitch, pitch_source, pitch_notes = pitch_of(dataset)
    window = window_of(dataset, slope, intercept, stored=stored, signed=signed, inverted=inverted)
    if "VOILUTSequence" in dataset:
        notes += ("a VOI lookup table for display is not applied",)
    if str(dataset.get("PresentationLUTShape", "")) == "INVERSE" and photometric == "MONOCHROME2":
        notes += ("PresentationLUTShape INVERSE: a viewer shows it inverted; grey values are kept as stored",)
    if not dataset.preamble:
        notes += ("a DICOM data set without the head of a file; its coding was found by its first bytes",)
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    coding = "deflate without frame" if syntax == _DEFLATED else NAMES.get(syntax)
    if coding is not None:
        notes += (f"{coding} carries no checksum: a bit changed within it may go unseen",)
    return DicomHeader(
        format="dicom", height=integer(dataset, "Rows", 0), width=integer(dataset, "Columns", 0),
        samples=integer(dataset, "SamplesPerPixel", 1), depth=stored, pages=integer(dataset, "NumberOfFrames", 1) or 1,
        pixel_pitch_mm=pitch, pitch_source=pitch_source, notes=notes + pitch_notes, pixels_at=pixels_at,
        allocated=allocated, high_bit=high, signed=signed,
        photometric=photometric, inverted=inverted, polarity=polarity_of(dataset, inverted), window=window,
        compressed=dataset.file_meta.TransferSyntaxUID.is_encapsulated,
    )  # fmt: skip


def decode_dicom(
    dataset: FileDataset, header: DicomHeader, page: int, name: str
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Frame ``page`` (from 1) as (h, w) grey or (h, w, 3) BGR, uint8 up to 8 bits stored, else uint16; and notes.

    Greater is brighter: MONOCHROME1 and negative slopes are inverted; signed values are shifted up by half their range.
    """
    with _pydicom(name):
        _check_pixel_data(dataset, header, page, name)
        raw = _frame(dataset, header, page, name)
    if raw.shape[:2] != (header.height, header.width) or raw.dtype.kind not in "iub":
        raise damaged(name, "DICOM: the image has another size than its header")
    notes = () if header.compressed else empty_tail(raw)
    return grey_values(raw, header) if header.photometric in GREY_MODELS else _colour(raw, name), notes


def _frame(dataset: FileDataset, header: DicomHeader, page: int, name: str) -> NDArray[Any]:
    """Stored values; colour as RGB."""
    from pydicom.pixels.processing import apply_color_lut, convert_color_space
    from pydicom.pixels.utils import pixel_array

    if header.compressed:
        raw = _decompressed(dataset, header, page, name)
    else:
        raw = pixel_array(dataset, raw=True, correct_unused_bits=False, index=page - 1)
    if header.photometric == "PALETTE COLOR":
        return apply_color_lut(raw, dataset)
    in_stream = header.compressed and NAMES[str(dataset.file_meta.TransferSyntaxUID)] in ("JPEG", "JPEG 2000")
    if header.photometric.startswith("YBR_FULL") and not in_stream:
        return convert_color_space(raw, "YBR_FULL", "RGB")
    return raw


def _decompressed(dataset: FileDataset, header: DicomHeader, page: int, name: str) -> NDArray[Any]:
    from pydicom.encaps import get_frame

    frame = get_frame(dataset.PixelData, page - 1, number_of_frames=header.pages)
    shape = FrameShape(header.height, header.width, header.samples, header.allocated)
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    return decode_frame(frame, syntax, shape, header.photometric, name)


def _check_pixel_data(dataset: FileDataset, header: DicomHeader, page: int, name: str) -> None:
    """Pixels must be there, and a compressed frame must not promise another size than the header."""
    if "PixelData" not in dataset or not dataset.PixelData:
        raise ImageError(f"{name} is a DICOM file without pixels; choose an image file")
    if not header.compressed:
        needed = header.height * header.width * header.samples * header.pages * header.allocated // 8
        if header.photometric != "YBR_FULL_422" and len(dataset.PixelData) < needed:
            raise damaged(name, f"DICOM: {len(dataset.PixelData)} of {needed} bytes of pixels")
        return
    from pydicom.encaps import get_frame

    frame = get_frame(dataset.PixelData, page - 1, number_of_frames=header.pages)
    size = codestream_size(frame)
    if size is not None and size != (header.height, header.width):
        raise damaged(name, f"DICOM: a compressed image of {size[1]} x {size[0]} px in a header of another size")


def codestream_size(frame: bytes) -> tuple[int, int] | None:
    """(height, width) that a JPEG, JPEG-LS or JPEG 2000 stream promises; None for other codings."""
    at = frame.find(b"\xff\x4f\xff\x51", 0, 256)
    if at >= 0 and len(frame) >= at + 24:
        right, bottom, left, top = struct.unpack_from(">IIII", frame, at + 8)
        return bottom - top, right - left
    if frame[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xF7 or (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)):
            height, width = struct.unpack_from(">HH", frame, at + 5)
            return height, width
        at += 1 if marker == 0xFF else 2 + struct.unpack_from(">H", frame, at + 2)[0]
    return None


def grey_values(raw: NDArray[Any], header: DicomHeader) -> NDArray[Any]:
    """(h, w) stored values as grey ones: uint8 up to 8 bits stored, else uint16; greater is brighter."""
    if raw.ndim == 3:
        raw = raw[:, :, 0]
    stored = header.depth
    if stored == 1:
        values = np.where(raw != 0, np.uint8(255), np.uint8(0))
        return np.uint8(255) - values if header.inverted else values
    unsigned: NDArray[Any] = raw.astype(np.uint16 if stored > 8 or raw.dtype.itemsize > 1 else np.uint8)
    shift = 0 if header.compressed else header.high_bit + 1 - stored
    mask = (1 << stored) - 1
    # Bits above the stored ones may hold overlays; flipping the sign bit shifts two's complement to unsigned.
    values = (np.right_shift(unsigned, shift) & mask) ^ (1 << (stored - 1) if header.signed else 0)
    if header.inverted:
        values = mask - values
    return np.ascontiguousarray(values, np.uint8 if stored <= 8 else np.uint16)


def _colour(raw: NDArray[Any], name: str) -> NDArray[Any]:
    if raw.ndim != 3 or raw.shape[2] != 3:
        raise damaged(name, "DICOM: a colour image without three planes")
    return np.ascontiguousarray(raw[:, :, ::-1], raw.dtype if raw.dtype in (np.uint8, np.uint16) else np.uint16)
