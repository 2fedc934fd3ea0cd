"""BMP: header, and pixels of run-length coded ones; the others are decoded by OpenCV."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ImageError

from .headers import TRANSPARENT, Content, Header, damaged, empty_tail


@dataclass(frozen=True, kw_only=True)
class BmpHeader(Header):
    """bits: a pixel's. start: where pixels begin. coding: 0 plain, 1 and 2 run lengths, 3 and 6 bit masks."""

    bits: int
    start: int
    coding: int
    alpha_mask: int
    palette: tuple[int, int, int]
    """Where the palette begins, how many colours it has, and how many bytes each takes."""


_RUNS = {1: 8, 2: 4}


def bmp_header(content: Content, name: str) -> BmpHeader:
    """Size and depth of a BMP. Raises ImageError where parts lie in each other or past the end."""
    info = struct.unpack_from("<I", content, 14)[0]
    if len(content) < 14 + info:
        raise damaged(name, "a BMP without header")
    start = struct.unpack_from("<I", content, 10)[0]
    coding = stated = used = 0
    if info == 12:
        width, height, planes, bits = struct.unpack_from("<HHHH", content, 18)
    else:
        width, height, planes, bits, coding, stated = struct.unpack_from("<iiHHII", content, 18)
        used = struct.unpack_from("<I", content, 46)[0] if info >= 40 else 0
    if bits not in (1, 4, 8, 16, 24, 32) or (coding not in (0, 3, 6) and _RUNS.get(coding) != bits):
        raise ImageError(f"{name} is a BMP of {bits} bits in coding {coding}; allowed are 0 to 3 and 6; save it as PNG")
    if width < 1 or height == 0 or planes != 1 or (height < 0 and coding in _RUNS):
        raise damaged(name, f"its size is {width} x {height} px in {planes} planes")
    # Bit masks follow the shortest header that names them; later ones hold them inside.
    masks = {3: 12, 6: 16}.get(coding, 0) if info == 40 else 0
    colours = used if used > 0 else (1 << bits if bits <= 8 else 0)
    if bits <= 8 and colours > 1 << bits:
        raise damaged(name, f"a palette of {colours} colours for {bits} bits")
    palette = 14 + info + masks, colours, 3 if info == 12 else 4
    if start < palette[0] + palette[1] * palette[2]:
        raise damaged(name, "its pixels begin within its palette or header")
    if coding not in _RUNS:
        profile = info >= 124 and struct.unpack_from("<I", content, 130)[0] > 0
        _check_length((width * bits + 31) // 32 * 4 * abs(height), start, stated, content, name, more=profile)
    alpha = struct.unpack_from("<I", content, 66)[0] if info >= 56 and bits == 32 and coding in (3, 6) else 0
    return BmpHeader(
        format="bmp", height=abs(height), width=width, samples=1 if bits <= 8 else 3, depth=min(bits, 8),
        bits=bits, start=start, coding=coding, alpha_mask=alpha, palette=palette,
    )  # fmt: skip


def _check_length(needed: int, start: int, stated: int, content: Content, name: str, *, more: bool) -> None:
    """The pixels must be there, and a size or depth that was altered leaves a length that fits nothing in the file.

    more: a colour profile follows the pixels.
    """
    if start + needed > len(content):
        raise damaged(name, "the BMP ends before its image")
    file_bytes = struct.unpack_from("<I", content, 2)[0]
    # Some writers fill up by a few bytes, or state no length or a wrong one.
    lengths = (stated, file_bytes - start, len(content) - start)
    if not more and not any(0 <= length - needed <= 3 for length in lengths):
        raise damaged(name, f"{needed} bytes of pixels by its size, {len(content) - start} in the file")


def decode_bmp(content: bytes, header: BmpHeader, name: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """(h, w, 3) BGR uint8, over white where it is transparent; notes."""
    from .opencv import by_opencv

    if header.coding in _RUNS:
        return _colours(content, header)[_run_lengths(content, header, name)], ()
    _check_indices(content, header, name)
    image = by_opencv(content, name, colour=True)
    upwards = header.palette[2] == 3 or struct.unpack_from("<i", content, 22)[0] > 0
    tail = empty_tail(image, upwards=upwards)
    if not header.alpha_mask:
        return image, tail
    words = np.frombuffer(content, "<u4", header.height * header.width, header.start) & header.alpha_mask
    # All of it transparent: the writer left the plane empty.
    if not words.any() or (words == header.alpha_mask).all():
        return image, tail
    from .tiff_values import blend

    alpha = (words.astype(np.uint64) * 255 // header.alpha_mask).astype(np.uint8).reshape(image.shape[:2])
    blended = blend(image, alpha[::-1] if upwards else alpha, np.array([255] * 3))
    return blended, (f"{TRANSPARENT}; shown over white", *tail)


def _check_indices(content: bytes, header: BmpHeader, name: str) -> None:
    """Raise ImageError for a pixel of a colour that the palette lacks; OpenCV shows it black."""
    if header.bits > 8 or header.palette[1] >= 1 << header.bits:
        return
    stride = (header.width * header.bits + 31) // 32 * 4
    rows = np.frombuffer(content, np.uint8, stride * header.height, header.start).reshape(header.height, stride)
    indices = np.unpackbits(rows, axis=1, count=header.width * header.bits).reshape(header.height, header.width, -1)
    if int(np.packbits(indices, axis=2).max()) >> (8 - header.bits) >= header.palette[1]:
        raise damaged(name, "a pixel of a colour that its palette lacks")


def _colours(content: bytes, header: BmpHeader) -> NDArray[np.uint8]:
    """(256, 3) BGR; colours that the palette lacks are black."""
    start, count, size = header.palette
    table = np.zeros((256, 3), np.uint8)
    table[:count] = np.frombuffer(content, np.uint8, count * size, start).reshape(count, size)[:, :3]
    return table


def _run_lengths(content: bytes, header: BmpHeader, name: str) -> NDArray[np.uint8]:
    """(h, w) palette indices of RLE8 or RLE4. Source: Microsoft, "Bitmap compression".

    Pixels that are skipped are 0. Raises ImageError where a run leaves its row or the data end before their mark.
    """
    image = np.zeros((header.height, header.width), np.uint8)
    at, x, y, end = header.start, 0, header.height - 1, len(content)
    nibbles = header.coding == 2
    while at + 2 <= end:
        count, value = content[at], content[at + 1]
        at += 2
        if count == 0 and value == 1:
            return image
        if count == 0 and value == 0:
            x, y = 0, y - 1
            continue
        if count == 0 and value == 2:
            if at + 2 > end:
                break
            x, y, at = x + content[at], y - content[at + 1], at + 2
            continue
        if count:
            pair = (value >> 4, value & 15) if nibbles else (value, value)
            run = np.resize(np.array(pair, np.uint8), count)
        else:
            taken = (value + 1) // 2 if nibbles else value
            raw = np.frombuffer(content[at : at + taken], np.uint8)
            at += taken + taken % 2
            run = (np.stack((raw >> 4, raw & 15), axis=1).ravel() if nibbles else raw)[:value]
            if len(run) < value:
                break
        if y < 0 or x + len(run) > header.width:
            raise damaged(name, "a BMP run that leaves its row")
        image[y, x : x + len(run)] = run
        x += len(run)
    raise damaged(name, "BMP run lengths without their end")
