"""What stays of an image when it is copied: a hash to print and a small flattened view to compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lopore.errors import ImageError

from .detail import LARGE_PX, fine_detail
from .keypoints import LONG_SIDE, Keypoints, find_keypoints

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 128
"""Pixels on each side of the stored view; every image is brought to this square, whatever its shape."""

STEPS_PER_UNIT = 42.0
"""Steps of the stored int8 for one local standard deviation; +-3 of them are kept."""

_FLATTENING_PX = 12.0
_ROUNDING_NOISE = 0.5  # of one code value: what rounding and JPEG leave in a field that was one grey
_DEEP_LEVELS = 255.0
_WORKING_SIDE = 512  # px; the view and the keypoints are both taken from it
_DETAIL_WORKING = 2048  # px; a long film keeps its height


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """One image as the search for families sees it.

    phash: 16 hexadecimal digits, signs of the 64 lowest cosine frequencies of the flattened image. It is kept in
        manifests for people and other tools; two upright copies differ in few bits. Families do not rest on it.
    view: (128, 128) int8, the grey image with its background taken off and its local contrast made even,
        42 steps a local standard deviation. Brightness, contrast and slow shading are gone from it.
    blank: nothing but rounding noise is in the image. A blank image is joined to no other.
    keypoints: places that are found again on windows and crops; none of a blank image.
    detail: (512, 512) int8 of an image over 1024 px, None of a smaller one: there the view shows the set-up alone.
    """

    phash: str
    view: NDArray[np.int8]
    blank: bool
    keypoints: Keypoints
    detail: NDArray[np.int8] | None = None


def fingerprint(pixels: NDArray[Any]) -> Fingerprint:
    """Reduce an image to what its copies share.

    pixels: (H, W) or (H, W, 3) uint8 or uint16, three channels in the order red, green, blue; not modified.
        Deep images are windowed to their 0.5 and 99.5 percentiles, so burned-in text and dead pixels do not rule.
    Returns a Fingerprint of at most 42 KiB, and 256 KiB more of an image over 1024 px.
    Raises ImageError for another shape or type and for an image without pixels.
    Source: perceptual hash by cosine signs after Zauner, Implementation and Benchmarking of Perceptual Image Hash
    Functions (2010); the flattened view is local mean and variance normalisation.
    """
    grey = _grey_levels(_checked(pixels))
    small = _small(grey)
    view, blank = _flattened(small)
    quantised = np.round(np.clip(view, -3.0, 3.0) * STEPS_PER_UNIT).astype(np.int8)
    large = max(pixels.shape[:2]) > LARGE_PX
    # A pore of 10 px is gone from a film of 4000 px that is shown in 192.
    keypoints = find_keypoints(np.zeros((1, 1), np.float32) if blank else grey, _WORKING_SIDE if large else LONG_SIDE)
    detail = fine_detail(_grey_levels(pixels, _DETAIL_WORKING)) if large and not blank else None
    return Fingerprint(_phash(view), quantised, blank, keypoints, detail)


def _checked(pixels: NDArray[Any]) -> NDArray[Any]:
    shaped = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if not shaped or pixels.dtype not in (np.uint8, np.uint16) or pixels.size == 0:
        raise ImageError(
            f"cannot fingerprint an array of shape {pixels.shape} and type {pixels.dtype}: give (H, W) or (H, W, 3) "
            "as uint8 or uint16 with at least one pixel, as lopore's reader returns it"
        )
    return pixels


def _grey_levels(pixels: NDArray[Any], longest_px: int = _WORKING_SIDE) -> NDArray[np.float32]:
    """(h, w) float32 in 8-bit grey levels, windowed when deep, ``longest_px`` on the longer side at most."""
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    factor = min(1.0, longest_px / max(grey.shape))
    shape = (max(1, round(grey.shape[1] * factor)), max(1, round(grey.shape[0] * factor)))
    if grey.dtype == np.uint16:
        low, high = _window(np.asarray(grey))
        windowed = np.clip(grey, np.uint16(low), np.uint16(high))
        less = cv2.resize(windowed, shape, interpolation=cv2.INTER_AREA).astype(np.float32)
        return np.asarray((less - np.float32(low)) * np.float32(_DEEP_LEVELS / max(high - low, 1)), np.float32)
    return np.asarray(cv2.resize(grey, shape, interpolation=cv2.INTER_AREA).astype(np.float32))


def _small(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(SIDE, SIDE) of a grey image of any shape."""
    import cv2

    shape = (min(grey.shape[1], SIDE), min(grey.shape[0], SIDE))
    less = cv2.resize(grey, shape, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(less, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), dtype=np.float32)


def _window(deep: NDArray[Any]) -> tuple[int, int]:
    step = max(1, int(np.sqrt(deep.size / 250_000)))
    low, high = np.percentile(deep[::step, ::step], (0.5, 99.5))
    return int(low), int(np.ceil(high))


def _flattened(small: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """Zero local mean, unit local variance; the floor keeps clipped and empty fields quiet."""
    import cv2

    detail = small - cv2.GaussianBlur(small, (0, 0), _FLATTENING_PX)
    spread = float(detail.std())
    variance = cv2.GaussianBlur(detail * detail, (0, 0), _FLATTENING_PX)
    floor = (0.1 * spread) ** 2 + _ROUNDING_NOISE**2
    return detail / np.sqrt(variance + floor), spread < 0.5 * _ROUNDING_NOISE


def _phash(view: NDArray[np.float32]) -> str:
    import cv2

    low = cv2.dct(cv2.resize(view, (32, 32), interpolation=cv2.INTER_AREA))[:8, :8]
    bits = np.packbits((low > np.median(low)).ravel())
    return bits.tobytes().hex()
