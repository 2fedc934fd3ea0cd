"""Image and mask moved alike by an affine map; whole turns and mirrors touch no grey value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels

_NEAR = 1e-9


def moved(pixels: Pixels, mask: NDArray[Any] | None, move: Affine) -> tuple[Pixels, NDArray[Any] | None]:
    """Both after ``move``, in the same frame; what comes from outside is reflected, so no black wedge can be learned.

    pixels: (H, W, C) uint8 or uint16, bilinear. mask: (H, W) of whole numbers, nearest neighbours.
    """
    import cv2

    exact = _exact(pixels, move), None if mask is None else _exact(mask, move)
    if exact[0] is not None:
        return exact[0], exact[1]
    height, width = pixels.shape[:2]
    # OpenCV counts from the centre of the first pixel, an Affine from its corner
    matrix = np.array([
        [move.xx, move.xy, move.x0 + 0.5 * (move.xx + move.xy) - 0.5],
        [move.yx, move.yy, move.y0 + 0.5 * (move.yx + move.yy) - 0.5],
    ])  # fmt: skip
    edge = cv2.BORDER_REFLECT_101
    image = cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=edge)
    if mask is None:
        return image.reshape(pixels.shape), None
    drawn = cv2.warpAffine(for_opencv(mask), matrix, (width, height), flags=cv2.INTER_NEAREST, borderMode=edge)
    return image.reshape(pixels.shape), drawn.astype(mask.dtype, copy=False)


def for_opencv(mask: NDArray[Any]) -> NDArray[Any]:
    """A mask in a type that OpenCV moves; float64 holds every whole number of 32 bits."""
    return mask if mask.dtype in (np.uint8, np.uint16, np.int16) else mask.astype(np.float64)


def _exact(array: NDArray[Any], move: Affine) -> NDArray[Any] | None:
    """The array mirrored or turned by quarters, where the move is that and maps the frame onto itself."""
    import cv2

    height, width = array.shape[:2]
    across, down = (move.xx, move.x0, width), (move.yy, move.y0, height)
    turned = abs(move.xx) + abs(move.yy) < _NEAR
    if turned:
        across, down = (move.xy, move.x0, width), (move.yx, move.y0, height)
    if (turned and height != width) or (not turned and abs(move.xy) + abs(move.yx) >= _NEAR):
        return None
    for sign, shift, length in (across, down):
        if abs(abs(sign) - 1) > _NEAR or abs(shift - (0 if sign > 0 else length)) > _NEAR * length:
            return None
    given = for_opencv(array)
    image = np.asarray(cv2.transpose(given)) if turned else given
    axes = across[0] < 0, down[0] < 0
    if any(axes):
        image = np.asarray(cv2.flip(image, {(True, False): 1, (False, True): 0, (True, True): -1}[axes]))
    elif not turned:
        image = image.copy()
    return image.reshape(array.shape).astype(array.dtype, copy=False)
