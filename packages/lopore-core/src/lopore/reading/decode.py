"""Pixels of PNG, JPEG, TIFF and BMP: the only place where an image decoder is called."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from logging import NullHandler
from typing import Any

import cv2
import numpy as np
import simplejpeg
from cv2.utils import logging
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.errors import ImageError

from .headers import BmpHeader, Header, JpegHeader, PngHeader, damaged
from .tiff import TiffHeader, check_data, plain_page

_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_MOST_SCANS = 100
# With a handler of its own, a library's log no longer falls through to the error stream.
_SILENT = NullHandler()


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV prints its reasons on the error stream; lopore says them in its one line."""
    before = logging.getLogLevel()
    logging.setLogLevel(0)
    try:
        yield
    finally:
        logging.setLogLevel(before)


def _opencv(content: bytes, flags: int, name: str) -> NDArray[Any]:
    try:
        with _quiet():
            picture = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        raise damaged(name, "the decoder refuses it") from error
    if picture is None:
        raise damaged(name, "the decoder refuses it")
    return picture


def decoder_scale(header: Header, reduce_to: tuple[int, int] | None) -> int:
    """1, 2, 4 or 8: how far a JPEG decoder may shrink the picture and still give ``reduce_to`` or more."""
    if reduce_to is None or header.format != "jpeg":
        return 1
    height, width = header.shape
    sizes = ((scale, math.ceil(height / scale), math.ceil(width / scale)) for scale in (8, 4, 2))
    return next((scale for scale, high, wide in sizes if high >= reduce_to[0] and wide >= reduce_to[1]), 1)


def decode_jpeg(content: bytes, header: JpegHeader, channels: int, scale: int, name: str) -> Pixels:
    """(h, w) or (h, w, 3) RGB uint8, sides divided by ``scale`` and rounded up; grey is the coded luminance itself.

    libjpeg-turbo's warnings (early end, corrupt data) are errors here: OpenCV shows such a picture half grey.
    """
    if header.progressive:
        _check_scans(content, header.first_scan, name)
    height, width = math.ceil(header.height / scale), math.ceil(header.width / scale)
    space = "GRAY" if channels == 1 else "RGB"
    try:
        picture: Pixels = simplejpeg.decode_jpeg(content, space, min_height=height, min_width=width)
    except ValueError as error:
        raise damaged(name, f"JPEG: {str(error)[:80]}") from error
    if picture.shape != (height, width, channels):
        raise damaged(name, "the JPEG gives another size than its header")
    return picture[:, :, 0] if channels == 1 else picture


def _check_scans(content: bytes, first: int, name: str) -> None:
    """Each scan of a progressive JPEG costs a pass over the whole picture, so a small file could take hours."""
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


def decode_png(content: bytes, header: PngHeader, name: str) -> NDArray[Any]:
    """(h, w) grey or (h, w, 3) BGR, uint8 or uint16. Raises ImageError where it is really transparent somewhere."""
    picture = _opaque(_opencv(content, cv2.IMREAD_UNCHANGED, name), name)
    if header.key is not None:
        _check_key(picture, header, name)
    if header.grey and picture.ndim == 3:
        picture = np.ascontiguousarray(picture[:, :, 0])
    return picture


def _check_key(picture: NDArray[Any], header: PngHeader, name: str) -> None:
    assert header.key is not None
    unit = 1 if header.depth >= 8 else 255 // ((1 << header.depth) - 1)
    key = np.array(header.key[::-1]) * unit
    same = picture == (key[0] if picture.ndim == 2 else key)
    if (same if picture.ndim == 2 else same.all(axis=2)).any():
        raise _transparent(name)


def _transparent(name: str) -> ImageError:
    return ImageError(f"{name} is partly transparent, so its grey values are not certain; save it without transparency")


def _opaque(picture: NDArray[Any], name: str) -> NDArray[Any]:
    """The picture without its alpha plane, which must be opaque throughout."""
    if picture.ndim == 2 or picture.shape[2] == 3:
        return picture
    alpha = picture[:, :, -1]
    if (alpha != np.iinfo(picture.dtype).max).any():
        raise _transparent(name)
    colour = picture[:, :, :-1]
    return np.ascontiguousarray(colour[:, :, 0] if colour.shape[2] == 1 else colour)


def decode_bmp(content: bytes, header: BmpHeader, name: str) -> NDArray[Any]:
    """(h, w, 3) BGR uint8."""
    if header.alpha_mask:
        words = np.frombuffer(content, "<u4", header.height * header.width, header.start) & header.alpha_mask
        if words.any() and (words != header.alpha_mask).any():
            raise _transparent(name)
    return _opencv(content, cv2.IMREAD_COLOR_BGR | cv2.IMREAD_IGNORE_ORIENTATION, name)


def decode_tiff(content: bytes, header: TiffHeader, name: str) -> NDArray[Any]:
    """(h, w) grey or (h, w, 3) BGR, uint8 or uint16, greater is brighter; 10 to 14 bits lie in the low bits of 16."""
    check_data(header, len(content), name)
    plain = header.compression == 1 and header.directory.numbers(284, (1,)) + header.directory.numbers(266, (1,)) == (
        1,
        1,
    )
    if plain and header.depth in (8, 16) and (header.photometric, header.samples) in ((0, 1), (1, 1), (2, 3)):
        picture = _uncompressed(content, header, name)
    elif header.photometric in (3, 6) or header.depth in (8, 16):
        picture = _tiff_by_opencv(content, header, name)
    elif plain:
        picture = _unpacked(content, header, name)
    else:
        picture = _tiff_by_tifffile(content, header, name)
    if header.depth < 8 and header.photometric in (0, 1):
        picture = np.multiply(picture, np.uint8(255 // ((1 << header.depth) - 1)), dtype=np.uint8)
    if header.inverted:
        top = 255 if header.depth <= 8 else (1 << header.depth) - 1
        picture = np.subtract(top, picture, dtype=picture.dtype)
    return picture


# none, LZW, JPEG, Adobe and old deflate, PackBits: what OpenCV's own libtiff holds
_OPENCV_CODINGS = (1, 5, 7, 8, 32773, 32946)


def _tiff_by_opencv(content: bytes, header: TiffHeader, name: str) -> NDArray[Any]:
    if header.compression not in _OPENCV_CODINGS or header.directory.number(284, 1) == 2 or header.samples in (2, 4):
        return _tiff_by_tifffile(content, header, name)
    picture = _opencv(plain_page(content, header), cv2.IMREAD_UNCHANGED, name)
    return _opaque(picture, name)


def _uncompressed(content: bytes, header: TiffHeader, name: str) -> NDArray[Any]:
    """Strips or tiles of whole bytes, taken as they lie (OpenCV refuses plain tiles under 1024 values)."""
    page = header.directory
    tiled = 324 in page.entries
    high, wide = page.number(323, 0), page.number(322, 0)
    if not tiled:
        high, wide = min(page.number(278, header.height), header.height), header.width
    dtype = np.dtype(f"{page.order}u{header.depth // 8}")
    across = -(-header.width // wide) if wide > 0 else 0
    starts, counts = page.array(324 if tiled else 273), page.array(325 if tiled else 279)
    if high < 1 or across < 1 or len(starts) < across * -(-header.height // high):
        raise damaged(name, "the TIFF has too few strips or tiles")
    picture = np.empty((header.height, header.width, header.samples), dtype.newbyteorder("="))
    for number, (start, count) in enumerate(zip(starts.tolist(), counts.tolist(), strict=True)):
        top, left = number // across * high, number % across * wide
        part = picture[top : top + high, left : left + wide]
        shape = high if tiled else len(part), wide, header.samples
        if math.prod(shape) * dtype.itemsize > count:
            raise damaged(name, "a strip or tile of the TIFF is too short")
        block = np.frombuffer(content, dtype, math.prod(shape), start).reshape(shape)
        part[:] = block[: len(part), : part.shape[1]]
    return picture[:, :, 0] if header.samples == 1 else picture[:, :, ::-1]


def _unpacked(content: bytes, header: TiffHeader, name: str) -> NDArray[Any]:
    """Uncompressed grey strips of 1, 2, 4, 10, 12 or 14 bits a value, first value in the high bits."""
    page, depth = header.directory, header.depth
    if header.samples != 1 or 324 in page.entries:
        return _tiff_by_tifffile(content, header, name)
    strips = zip(page.array(273).tolist(), page.array(279).tolist(), strict=True)
    line = (header.width * depth + 7) // 8
    raw = b"".join(content[start : start + count] for start, count in strips)[: line * header.height]
    packed = np.frombuffer(raw, np.uint8).reshape(header.height, line)
    picture = np.empty((header.height, header.width), np.uint8 if depth < 8 else np.uint16)
    weights = (1 << np.arange(depth - 1, -1, -1)).astype(picture.dtype)
    for row, bytes_ in zip(picture, packed, strict=True):
        bits = np.unpackbits(bytes_, count=header.width * depth).reshape(header.width, depth)
        row[:] = bits @ weights
    return picture


def _tiff_by_tifffile(content: bytes, header: TiffHeader, name: str) -> NDArray[Any]:
    """Codings and layouts beyond OpenCV, through the extra ``tiff``."""
    try:
        import tifffile
    except ImportError as error:
        raise ImageError(
            f"{name} is a TIFF of coding {header.compression} with {header.depth} bits, which needs the extra 'tiff': "
            'pip install "lopore-core[tiff]", or save it uncompressed'
        ) from error
    from io import BytesIO
    from logging import getLogger

    getLogger("tifffile").addHandler(_SILENT)
    try:
        with tifffile.TiffFile(BytesIO(plain_page(content, header))) as file:
            page = file.pages.first
            picture, axes = page.asarray(), page.axes
    except Exception as error:
        # tifffile and its codecs raise whatever they meet; a file must never bring lopore down.
        raise damaged(name, f"TIFF: {' '.join(str(error).split())[:80]}") from error
    if axes in ("SYX", "SYXS"):
        picture = np.moveaxis(picture, 0, -1)
    if picture.shape[:2] != (header.height, header.width) or picture.dtype not in (np.bool_, np.uint8, np.uint16):
        raise damaged(name, "the TIFF gives another size or depth than its header")
    if picture.dtype == np.bool_:
        picture = picture.astype(np.uint8)
    return _from_tifffile(picture, header, name)


def _from_tifffile(picture: NDArray[Any], header: TiffHeader, name: str) -> NDArray[Any]:
    if header.photometric == 3:
        raise ImageError(f"{name} is a palette TIFF of coding {header.compression}; save it as grey or RGB")
    if picture.ndim == 3:
        picture = _opaque(picture if picture.shape[2] != 1 else picture[:, :, 0], name)
    return picture if picture.ndim == 2 else np.ascontiguousarray(picture[:, :, ::-1])


def to_channels(picture: NDArray[Any], channels: int) -> Pixels:
    """Grey (h, w) or BGR (h, w, 3) to grey (BT.601, equal planes stay exactly equal) or to RGB."""
    if channels == 1:
        return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB if picture.ndim == 2 else cv2.COLOR_BGR2RGB)


_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda picture: cv2.flip(picture, 1),
    3: lambda picture: cv2.rotate(picture, cv2.ROTATE_180),
    4: lambda picture: cv2.flip(picture, 0),
    5: cv2.transpose,
    6: lambda picture: cv2.rotate(picture, cv2.ROTATE_90_CLOCKWISE),
    7: lambda picture: cv2.flip(cv2.transpose(picture), -1),
    8: lambda picture: cv2.rotate(picture, cv2.ROTATE_90_COUNTERCLOCKWISE),
}


def upright(picture: Pixels, orientation: int) -> Pixels:
    """The picture turned and mirrored as its EXIF orientation (1 to 8) asks."""
    turn = _TURNS.get(orientation)
    return picture if turn is None else turn(picture)


def _turning(orientation: int, height: int, width: int) -> Affine:
    """Where ``upright`` moves a point of a stored picture of this size."""
    h, w = float(height), float(width)
    moves = {
        2: Affine(xx=-1, x0=w),
        3: Affine(xx=-1, x0=w, yy=-1, y0=h),
        4: Affine(yy=-1, y0=h),
        5: Affine(xx=0, xy=1, yx=1, yy=0),
        6: Affine(xx=0, xy=-1, x0=h, yx=1, yy=0),
        7: Affine(xx=0, xy=-1, x0=h, yx=-1, yy=0, y0=w),
        8: Affine(xx=0, xy=1, yx=-1, yy=0, y0=w),
    }
    return moves.get(orientation, Affine())


@lru_cache(maxsize=64)
def from_scaled(orientation: int, height: int, width: int, scale: int) -> Affine:
    """From the upright picture as the decoder shrank it to the upright original of stored (height, width)."""
    small = _turning(orientation, math.ceil(height / scale), math.ceil(width / scale))
    return small.inverse().then(Affine(xx=scale, yy=scale)).then(_turning(orientation, height, width))
