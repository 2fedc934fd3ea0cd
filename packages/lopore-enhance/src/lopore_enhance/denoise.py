"""Noise lowered by looking at each pixel's neighbours."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from lopore.contracts import Pixels
from lopore.preprocessing.lookup_tables import histogram

from .pixels import checked, full_scale, grey_step
from .strips import run, spans

SORTED_AT_ONCE = 1 << 20  # values, 2 MiB: shorter calls spend their time on waiting for the interpreter
STRIP_ROWS = 256


def median(image: Pixels, *, radius: int) -> Pixels:
    """The middle value of the (2 radius + 1) square window: removes specks, keeps edges.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Edge pixels are repeated outwards.
    Returns the same shape and dtype, exact in both depths.
    """
    image = checked(image)
    if image.dtype == np.uint8 or radius <= 2:
        return cv2.medianBlur(image, 2 * radius + 1)
    if image.ndim == 3:
        return cv2.merge([_median_16_bit(plane, radius) for plane in cv2.split(image)])
    return _median_16_bit(image, radius)


def _median_16_bit(image: Pixels, radius: int) -> Pixels:
    """OpenCV has no 16-bit median over 5 x 5: here every window is partly sorted, a few rows at a time."""
    size, width = 2 * radius + 1, image.shape[1]
    around = cv2.copyMakeBorder(image, radius, radius, radius, radius, cv2.BORDER_REPLICATE)
    middle = size * size // 2
    out = np.empty_like(image)

    def fill(part: tuple[tuple[int, int], tuple[int, int]]) -> None:
        (y0, y1), (x0, x1) = part
        windows = sliding_window_view(around[y0 : y1 + 2 * radius, x0 : x1 + 2 * radius], (size, size))
        values = np.array(windows, order="C").reshape(-1, size * size)
        values.partition(middle, axis=1)
        out[y0:y1, x0:x1] = values[:, middle].reshape(y1 - y0, x1 - x0)

    step = max(1, SORTED_AT_ONCE // (size * size * 8))
    run(fill, [(rows, columns) for rows in spans(image.shape[0], 8) for columns in spans(width, step)])
    return out


def mean(image: Pixels, *, radius: int) -> Pixels:
    """The mean of the (2 radius + 1) square window.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. The image is mirrored at its edge.
    Returns the same shape and dtype, rounded.
    """
    return cv2.blur(checked(image), (2 * radius + 1, 2 * radius + 1))


def minimum(image: Pixels, *, radius: int) -> Pixels:
    """The darkest value of the (2 radius + 1) square window: dark marks grow, bright specks vanish.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype.
    """
    return cv2.erode(checked(image), _square(radius))


def maximum(image: Pixels, *, radius: int) -> Pixels:
    """The brightest value of the (2 radius + 1) square window: bright marks grow, dark specks vanish.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. Returns the same shape and dtype.
    """
    return cv2.dilate(checked(image), _square(radius))


def _square(radius: int) -> NDArray[np.uint8]:
    return np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)


def mode(image: Pixels, *, radius: int, classes: int) -> Pixels:
    """The most frequent value of the (2 radius + 1) square window.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified; colour by channel. Edge pixels are repeated outwards.
    classes: grey values are counted in this many even classes between the image's darkest and brightest; 256 tell
    every 8-bit value apart. A pixel whose own class wins keeps its value; otherwise it takes the winning class's mean
    over the image. Between equal counts the class whose mean is nearest the pixel wins, then the darker one.
    Returns the same shape and dtype.
    """
    image = checked(image)
    if image.ndim == 3:
        return cv2.merge([_mode_grey(np.ascontiguousarray(plane), radius, classes) for plane in cv2.split(image)])
    return _mode_grey(image, radius, classes)


def _mode_grey(image: Pixels, radius: int, classes: int) -> Pixels:
    own, means = _classes(image, classes)
    around = cv2.copyMakeBorder(own, radius, radius, radius, radius, cv2.BORDER_REPLICATE)
    out = np.empty_like(image)

    def fill(rows: tuple[int, int]) -> None:
        begin, end = rows
        out[begin:end] = _most_frequent(image[begin:end], around[begin : end + 2 * radius], means, radius)

    run(fill, spans(image.shape[0], max(8, 65536 // image.shape[1])))
    return out


def _classes(image: Pixels, classes: int) -> tuple[Pixels, Pixels]:
    """The class of every pixel, uint8, and the mean grey value of each of 256 classes in the image's dtype."""
    values = np.arange(full_scale(image.dtype) + 1, dtype=np.int64)
    darkest, brightest = int(image.min()), int(image.max())
    span = brightest - darkest + 1
    table = np.clip((values - darkest) * min(classes, span) // span, 0, 255)
    counts = histogram(image).astype(np.float64)
    members = np.maximum(np.bincount(table, counts, 256), 1)
    means = np.rint(np.bincount(table, counts * values, 256) / members)
    return table.astype(np.uint8)[image], means.astype(image.dtype)


def _most_frequent(image: Pixels, around: Pixels, means: Pixels, radius: int) -> Pixels:
    """Count for each neighbour how many of the window's pixels share its class; the highest rank wins."""
    size = 2 * radius + 1
    height, width = image.shape
    moved = [around[y : y + height, x : x + width] for y in range(size) for x in range(size)]
    own = moved[len(moved) // 2]
    best, best_rank = own.copy(), np.zeros(own.shape, np.int32)
    for candidate in moved:
        count = np.zeros(own.shape, np.uint8)
        for other in moved:
            count += candidate == other
        value = means[candidate]
        nearness = (65535 - cv2.absdiff(value, image).astype(np.int32)) * 2 + (value <= image)
        rank = (count.astype(np.int32) << 17) + nearness
        better = rank > best_rank
        best[better] = candidate[better]
        best_rank[better] = rank[better]
    return np.where(best == own, image, means[best])


def gaussian(image: Pixels, *, sigma: float) -> Pixels:
    """Gaussian smoothing; ``sigma`` in pixels.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. The image is mirrored at its edge.
    Returns the same shape and dtype, rounded.
    """
    return cv2.GaussianBlur(checked(image), (0, 0), sigma)


def blur(image: Pixels, *, radius: float) -> Pixels:
    """The even disc that a focal spot of this radius (pixels) draws of every point: geometric unsharpness.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified. The image is mirrored at its edge.
    Returns the same shape and dtype, rounded.
    """
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return cv2.filter2D(checked(image), -1, disc / disc.sum())


def bilateral(image: Pixels, *, radius: int, sigma_grey: float, sigma_space: float) -> Pixels:
    """Gaussian smoothing among neighbours of like brightness: edges stay.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified.
    radius: of the round window. sigma_grey: brightness difference that still mixes, in grey levels of 8 bits (257 each
    in 16 bit). sigma_space: pixels. Returns the same shape and dtype.
    Source: Tomasi and Manduchi, ICCV 1998.
    """
    image = checked(image)
    channels = 1 if image.ndim == 2 else 3  # OpenCV adds the differences of the channels
    size, reach = 2 * radius + 1, sigma_grey * grey_step(image.dtype) * channels
    if image.dtype == np.uint8:
        return cv2.bilateralFilter(image, size, reach, sigma_space)
    out = np.empty_like(image)
    for begin, end in spans(image.shape[0], STRIP_ROWS):
        top = max(begin - radius, 0)
        strip = image[top : end + radius].astype(np.float32)
        smooth = cv2.bilateralFilter(strip, size, reach, sigma_space)[begin - top : end - top]
        out[begin:end] = np.rint(np.clip(smooth, 0, full_scale(image.dtype)))
    return out


L1_OVER_L2 = 0.8  # mean |d| of Gaussian noise is sqrt(2 / pi) of its rms: the same h then smooths both depths alike


def non_local_means(image: Pixels, *, strength: float, patch_radius: int, search_radius: int) -> Pixels:
    """Every pixel averaged with those near it whose surroundings look alike: grain goes, fine lines stay; slow.

    image: (H, W) or (H, W, 3), uint8 or uint16; not modified.
    strength: h, in grey levels of 8 bits (257 each in 16 bit). patch_radius, search_radius: pixels.
    Returns the same shape and dtype. 8 bit compares patches by squared, 16 bit by absolute differences (OpenCV has no
    other); the strength is matched for Gaussian noise.
    Source: Buades, Coll and Morel, CVPR 2005.
    """
    image = checked(image)
    patch, search = 2 * patch_radius + 1, 2 * search_radius + 1
    if image.dtype == np.uint8:
        return cv2.fastNlMeansDenoising(image, None, strength, patch, search)
    channels = 1 if image.ndim == 2 else 3  # OpenCV adds their differences, then divides the square by their number
    reach = [strength * grey_step(image.dtype) * L1_OVER_L2 * channels**0.5]
    return cv2.fastNlMeansDenoising(image, reach, None, patch, search, cv2.NORM_L1)
