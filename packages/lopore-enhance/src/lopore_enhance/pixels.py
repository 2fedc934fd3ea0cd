"""What every enhancement asks of its image: depth, channels, full scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lopore.contracts import Pixels
from lopore.errors import ImageError

FULL_SCALE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


def checked(image: Pixels) -> Pixels:
    """The same image, contiguous in memory; ImageError unless (H, W) or (H, W, 3), uint8 or uint16, not empty."""
    if image.dtype not in FULL_SCALE or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ImageError(
            f"image is {image.dtype} of shape {image.shape}; allowed are uint8 and uint16, (H, W) or (H, W, 3): "
            "read it with lopore's own reader"
        )
    if image.size == 0:
        raise ImageError(f"image of shape {image.shape} has no pixels; enhance one of at least 1 x 1")
    return np.ascontiguousarray(image)


def full_scale(dtype: np.dtype[Any]) -> int:
    """The whitest grey value: 255 or 65535."""
    return FULL_SCALE[np.dtype(dtype)]


def grey_step(dtype: np.dtype[Any]) -> int:
    """What one grey level of 8 bits is in this depth: 1 or 257."""
    return full_scale(dtype) // 255


def luminance(image: Pixels) -> Pixels:
    """(H, W) of the same dtype: the image itself, or 0.299 R + 0.587 G + 0.114 B."""
    import cv2

    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def with_channels_of(image: Pixels, plane: Pixels) -> Pixels:
    """A grey ``plane`` with as many equal channels as ``image`` has."""
    import cv2

    return plane if image.ndim == 2 else cv2.cvtColor(plane, cv2.COLOR_GRAY2RGB)


def on_luminance(image: Pixels, enhance: Callable[[Pixels], Pixels]) -> Pixels:
    """``enhance`` an image's brightness and keep its tint (YCrCb); grey images go through as they are."""
    import cv2

    if image.ndim == 2:
        return enhance(image)
    parts = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    parts[:, :, 0] = enhance(np.ascontiguousarray(parts[:, :, 0]))
    return cv2.cvtColor(parts, cv2.COLOR_YCrCb2RGB)
