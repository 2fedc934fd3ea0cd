"""One image laid on another: a map between their pixels, followed, refined, and what it covers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


def refined(moving: Floats, fixed: Floats, matrix: Floats, *, steps: int) -> Floats:
    """Affine alignment by enhanced correlation (Evangelidis and Psarakis 2008); the start where it runs away."""
    import cv2

    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 1e-3)
    everywhere = np.full(moving.shape, 255, dtype=np.uint8)
    try:
        _, warp = cv2.findTransformECC(fixed, moving, matrix.copy(), cv2.MOTION_AFFINE, criteria, everywhere, 5)
    except cv2.error:
        return matrix
    found = np.asarray(warp, dtype=np.float32)
    (xx, xy), (yx, yy) = found[:, :2].tolist()
    area, spread = abs(xx * yy - xy * yx), xx * xx + xy * xy + yx * yx + yy * yy
    sane = 0.5 < area < 2.0 and spread < 2.4 * area
    return found if sane else matrix


def inside(matrix: Floats, side: int) -> Floats:
    """1 where the laid image covers the other, 0 elsewhere."""
    covered = laid(np.ones((side, side), np.float32), matrix, side) > 0.99
    return covered.astype(np.float32)


def laid(view: Floats, matrix: Floats, side: int) -> Floats:
    import cv2

    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(view, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(laid, dtype=np.float32)


def rescaled(matrix: Floats, factor: float) -> Floats:
    """The same map between images ``factor`` times as large, pixel centres at whole numbers."""
    linear = matrix[:, :2]
    shift = factor * matrix[:, 2:] + (factor - 1) / 2 * (1 - linear.sum(axis=1, keepdims=True))
    return np.hstack([linear, shift]).astype(np.float32)
