"""PNG: header, checksums and pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .headers import TRANSPARENT, Content, Header, damaged, tiff_orientation


@dataclass(frozen=True, kw_only=True)
class PngHeader(Header):
    """grey: no colour in the file. key: the colour that stands for "transparent", in the file's own depth.

    ground: the background that the file states, (3,) of the decoded depth in BGR, or None. frames: of an animation, or
    0.
    """

    grey: bool
    key: tuple[int, ...] | None
    ground: tuple[int, ...] | None
    frames: int


def png_chunks(content: Content, name: str, *, complete: bool) -> Iterator[tuple[bytes, int, int]]:
    """(type, start, end) of each chunk's body. With ``whole`` every checksum is verified and the end must be there."""
    position, size = 8, len(content)
    view = memoryview(content)
    try:
        while position + 12 <= size:
            (length,) = struct.unpack_from(">I", content, position)
            kind, end = content[position + 4 : position + 8], position + 8 + length
            if end + 4 > size:
                if complete:
                    break
                yield kind, position + 8, size
                return
            if complete and zlib.crc32(view[position + 4 : end]) != struct.unpack_from(">I", content, end)[0]:
                raise damaged(name, f"wrong checksum of PNG chunk {kind.decode('ascii', 'replace')}")
            yield kind, position + 8, end
            if kind == b"IEND":
                return
            position = end + 4
    finally:
        view.release()
    if complete:
        raise damaged(name, "the PNG has no end")


_PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def png_header(content: Content, name: str, *, complete: bool = False) -> PngHeader:
    """Size, depth and orientation of a PNG; ``whole`` also proves every chunk. Raises ImageError."""
    if content[12:16] != b"IHDR" or len(content) < 33:
        raise damaged(name, "a PNG without header")
    width, height, depth, colour = struct.unpack_from(">IIBB", content, 16)
    if depth not in _PNG_DEPTHS.get(colour, ()):
        raise damaged(name, f"PNG colour type {colour} with {depth} bits")
    found: dict[bytes, bytes] = {}
    for kind, start, end in png_chunks(content, name, complete=complete):
        if kind in _READ and kind not in found:
            found[kind] = content[start : min(end, start + 65_536)]
        if kind == b"IDAT" and not complete:
            break
    if complete and b"IDAT" not in found:
        raise damaged(name, "a PNG without image")
    key = found.get(b"tRNS", b"")
    frames = struct.unpack(">I", found[b"acTL"][:4])[0] if len(found.get(b"acTL", b"")) == 8 else 0
    return PngHeader(
        format="png", height=height, width=width, samples=_PNG_SAMPLES[colour], depth=depth,
        orientation=tiff_orientation(found[b"eXIf"]) if b"eXIf" in found else 1, grey=colour in (0, 4),
        key=struct.unpack(f">{len(key) // 2}H", key) if colour in (0, 2) and len(key) == _KEY_SIZES[colour] else None,
        ground=_ground(found, colour, depth), frames=frames,
        notes=(f"the still image of an animated PNG of {frames} frames",) if frames else (),
    )  # fmt: skip


_READ = (b"acTL", b"eXIf", b"tRNS", b"bKGD", b"PLTE", b"IDAT")
_KEY_SIZES = {0: 2, 2: 6}


def _ground(found: dict[bytes, bytes], colour: int, depth: int) -> tuple[int, ...] | None:
    """The background that the file states, as blue, green, red."""
    body = found.get(b"bKGD", b"")
    if colour == 3 and len(body) == 1:
        entry = found.get(b"PLTE", b"")[3 * body[0] :][:3]
        return tuple(entry[::-1]) if len(entry) == 3 else None
    if colour in (0, 4) and len(body) == 2:
        (grey,) = struct.unpack(">H", body)
        return (grey * _unit(depth),) * 3
    return struct.unpack(">3H", body)[::-1] if colour in (2, 6) and len(body) == 6 else None


def _unit(depth: int) -> int:
    """By what a value of fewer than 8 bits is multiplied to fill 8."""
    return 1 if depth >= 8 else 255 // ((1 << depth) - 1)


def decode_png(content: bytes, header: PngHeader, name: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """(h, w) grey or (h, w, 3) BGR, uint8 or uint16, over its background where it is transparent; notes."""
    from .opencv import by_opencv

    image = by_opencv(_still(content, name) if header.frames else content, name)
    alpha = None
    if image.ndim == 3 and image.shape[2] in (2, 4):
        image, alpha = image[:, :, :-1], image[:, :, -1]
    elif header.key is not None:
        alpha = _alpha_of_key(image, header)
    if header.grey and image.ndim == 3:
        image = image[:, :, 0]
    image = np.ascontiguousarray(image)
    top = int(np.iinfo(image.dtype).max)
    if alpha is None or (alpha == top).all():
        return image, ()
    from .tiff_values import blend

    ground = header.ground or (top, top, top)
    where = "the background that it states" if header.ground else "white"
    return blend(image, alpha, np.array(ground)), (f"{TRANSPARENT}; shown over {where}",)


def _alpha_of_key(image: NDArray[Any], header: PngHeader) -> NDArray[Any]:
    assert header.key is not None
    key = np.array(header.key[::-1]) * _unit(header.depth)
    same = image == (key[0] if image.ndim == 2 else key)
    alpha = np.full(image.shape[:2], np.iinfo(image.dtype).max, image.dtype)
    alpha[same if image.ndim == 2 else same.all(axis=2)] = 0
    return alpha


def _still(content: bytes, name: str) -> bytes:
    """An animated PNG without its animation: what a viewer shows that knows none."""
    parts = [content[:8]]
    for kind, start, end in png_chunks(content, name, complete=True):
        if kind not in (b"acTL", b"fcTL", b"fdAT"):
            parts.append(content[start - 8 : end + 4])
    return b"".join(parts)
