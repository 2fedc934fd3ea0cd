"""Previews for the eye: thresholds, edges, segments. They show where grey values change, not what a model sees."""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np

from lopore.contracts import Pixels
from lopore.errors import ConfigError

from .pixels import checked, full_scale, luminance, with_channels_of


def adaptive_threshold(image: Pixels, *, radius: int, offset: float, method: Literal["mean", "gaussian"]) -> Pixels:
    """White where a pixel is brighter than its surroundings less ``offset``, else black.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. radius: the window has 2 radius + 1 pixels a side.
    offset: grey levels of 8 bits (257 each in 16 bit); negative marks only what clearly stands out.
    Returns the same shape and dtype, of 0 and full scale. 8 bit equals OpenCV's ``adaptiveThreshold``.
    """
    image = checked(image)
    plane = luminance(image)
    if plane.dtype == np.uint8:
        kind = cv2.ADAPTIVE_THRESH_MEAN_C if method == "mean" else cv2.ADAPTIVE_THRESH_GAUSSIAN_C
        marked = cv2.adaptiveThreshold(plane, 255, kind, cv2.THRESH_BINARY, 2 * radius + 1, offset)
    else:
        marked = _adaptive_threshold_16_bit(plane, 2 * radius + 1, int(np.ceil(offset)) * 257, method)
    return with_channels_of(image, marked)


def _adaptive_threshold_16_bit(plane: Pixels, size: int, offset: int, method: str) -> Pixels:
    if method == "mean":
        around = cv2.blur(plane, (size, size), borderType=cv2.BORDER_REPLICATE)
    else:
        around = cv2.GaussianBlur(plane, (size, size), 0, borderType=cv2.BORDER_REPLICATE)
    if offset > 0:  # plane > around - offset, in unsigned numbers that saturate
        marked = cv2.compare(plane, cv2.addWeighted(around, 1, around, 0, 1 - offset), cv2.CMP_GE)
    else:
        marked = cv2.compare(plane, cv2.addWeighted(around, 1, around, 0, -offset), cv2.CMP_GT)
    return _spread(marked, plane.dtype)


def _spread(marked: Pixels, dtype: np.dtype[Any]) -> Pixels:
    """0 and 255 of uint8 to 0 and full scale of ``dtype``."""
    return marked if dtype == np.uint8 else marked.astype(np.uint16) * np.uint16(257)


def otsu(image: Pixels) -> Pixels:
    """White above the one threshold that parts dark from bright best (Otsu 1979), black below.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype, of 0 and full scale.
    """
    image = checked(image)
    plane = luminance(image)
    _, marked = cv2.threshold(plane, 0, full_scale(plane.dtype), cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return with_channels_of(image, marked)


CANNY_16_BIT_UNIT = 31  # a 16-bit gradient over 257, times this, still fits int16


def canny(image: Pixels, *, low: float, high: float) -> Pixels:
    """One pixel wide edges: begun where the gradient passes ``high``, followed down to ``low``.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified.
    low, high: |gx| + |gy| of the Sobel kernels, in grey levels of 8 bits (257 each in 16 bit); low not over high.
    Returns the same shape and dtype, of 0 and full scale.
    Source: Canny, PAMI 1986.
    """
    image = checked(image)
    plane = luminance(image)
    if plane.dtype == np.uint8:
        return with_channels_of(image, cv2.Canny(plane, low, high))
    unit = CANNY_16_BIT_UNIT
    across, down = (
        np.rint(cv2.Sobel(plane, cv2.CV_32F, *axis, scale=unit / 257, borderType=cv2.BORDER_REPLICATE)).astype(np.int16)
        for axis in ((1, 0), (0, 1))
    )
    return with_channels_of(image, _spread(cv2.Canny(across, down, low * unit, high * unit), plane.dtype))


def sobel(image: Pixels, *, gain: float) -> Pixels:
    """How steeply grey values change: the length of the Sobel gradient, per pixel, times ``gain``; clipped.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype.
    """
    image = checked(image)
    plane = luminance(image)
    per_pixel = gain / 8  # the kernel weighs 4 and spans 2 px
    across = cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=per_pixel)
    down = cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=per_pixel)
    steep = np.rint(np.minimum(cv2.magnitude(across, down), full_scale(plane.dtype)))
    return with_channels_of(image, steep.astype(plane.dtype))


def felzenszwalb(
    image: Pixels, *, scale: float, sigma: float, smallest: int, show: Literal["mean", "borders"]
) -> Pixels:
    """Regions of like brightness, each filled with its mean, or their borders drawn white on the image.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified.
    scale: larger makes larger regions. sigma: pixels of smoothing before. smallest: pixels that a region has at least.
    Returns the same shape and dtype. Raises ConfigError where scikit-image is not installed.
    Source: Felzenszwalb and Huttenlocher, IJCV 2004.
    """
    try:
        from skimage.segmentation import felzenszwalb as segments_of
    except ImportError:
        raise ConfigError("felzenszwalb needs scikit-image: pip install 'lopore-enhance[segmentation]'") from None
    image = checked(image)
    plane = luminance(image)
    levels = plane.astype(np.float64) / full_scale(plane.dtype)
    labels = segments_of(levels, scale=scale, sigma=sigma, min_size=smallest, channel_axis=None)
    if show == "borders":
        drawn = plane.copy()
        drawn[1:][labels[1:] != labels[:-1]] = full_scale(plane.dtype)
        drawn[:, 1:][labels[:, 1:] != labels[:, :-1]] = full_scale(plane.dtype)
        return with_channels_of(image, drawn)
    flat = labels.reshape(-1)
    means = np.bincount(flat, plane.reshape(-1)) / np.maximum(np.bincount(flat), 1)
    return with_channels_of(image, np.rint(means)[labels].astype(plane.dtype))
