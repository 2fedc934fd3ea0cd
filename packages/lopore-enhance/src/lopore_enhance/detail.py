"""Fine detail brought out: sharpening, and the slow shading of a film taken away."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from lopore.contracts import Pixels

from .pixels import checked, grey_step

PILLOW_SMOOTH = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]], np.float32) / 13


def unsharp_mask(image: Pixels, *, sigma: float, amount: float, threshold: float) -> Pixels:
    """Add ``amount`` times what a Gaussian blur of ``sigma`` pixels takes away; clipped.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified.
    threshold: differences under this many grey levels of 8 bits (257 each in 16 bit) stay as they are.
    Returns the same shape and dtype.
    """
    image = checked(image)
    smooth = cv2.GaussianBlur(image, (0, 0), sigma)
    sharp = cv2.addWeighted(image, 1 + amount, smooth, -amount, 0)
    if threshold > 0:
        flat = cv2.absdiff(image, smooth) < threshold * grey_step(image.dtype)
        np.copyto(sharp, image, where=flat)
    return sharp


def sharpness(image: Pixels, *, factor: float) -> Pixels:
    """Mix with a lightly smoothed copy: 0 is smooth, 1 the image itself, 2 sharper (Pillow's scale and kernel).

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype, clipped.
    """
    image = checked(image)
    smooth = cv2.filter2D(image, -1, PILLOW_SMOOTH)
    return cv2.addWeighted(image, factor, smooth, 1 - factor, 0)


def flatten(image: Pixels, *, sigma: float, mode: Literal["subtract", "divide"]) -> Pixels:
    """Take the slow shading of plate thickness and beam away, keep the mean brightness.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified.
    sigma: width of the Gaussian background in pixels; clearly wider than a defect.
    mode: 'subtract' for film (density adds up), 'divide' for detectors linear in dose. Clipped.
    Returns the same shape and dtype.
    """
    image = checked(image)
    background = _background(image, sigma)
    level = float(np.mean(cv2.mean(image)[: 1 if image.ndim == 2 else 3]))
    if mode == "divide":
        return cv2.divide(image, np.maximum(background, 1), scale=level)
    return cv2.addWeighted(image, 1, background, -1, level)


def _background(image: Pixels, sigma: float) -> Pixels:
    """A wide Gaussian blur, made on a copy so small that its sigma is 4 px there, which loses nothing to be seen."""
    height, width = image.shape[:2]
    shrink = max(1, int(sigma / 4))
    small = cv2.resize(image, (-(-width // shrink), -(-height // shrink)), interpolation=cv2.INTER_AREA)
    smooth = cv2.GaussianBlur(small, (0, 0), sigma / shrink, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(smooth, (width, height), interpolation=cv2.INTER_LINEAR)
