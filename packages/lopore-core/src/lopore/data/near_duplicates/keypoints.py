"""Places of an image that are found again on every window or crop that shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 180
"""Keypoints kept of one image, the strongest."""
LENGTH = 128
LONG_SIDE = 192
"""Pixels of the longer side that keypoints are found at: grain is gone there, pores and strokes of letters are not."""
_FLATTENING_PX = 12.0
_FAINTEST = 0.01


@dataclass(frozen=True, eq=False)
class Keypoints:
    """Keypoints of one image, reduced to some pixels on its longer side; 26 KiB at most.

    shape: (h, w) of the reduced image. places: (n, 2) float32, x and y in its pixels. sizes: (n,) float32, their
    diameter in octaves. angles: (n,) float32, degrees. descriptors: (n, 128) uint8, gradients around each place.
    """

    shape: tuple[int, int]
    places: NDArray[np.float32]
    sizes: NDArray[np.float32]
    angles: NDArray[np.float32]
    descriptors: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.places)


def find_keypoints(grey: NDArray[np.float32], long_side: int = LONG_SIDE) -> Keypoints:
    """The strongest keypoints of a grey image whose background is taken off.

    grey: (H, W) float32 in 8-bit grey levels, any size; not modified. long_side: pixels that its longer side is
    reduced to.
    Source: SIFT, Lowe, International Journal of Computer Vision 60 (2004), as OpenCV has it.
    """
    import cv2

    flat = _flattened(_reduced(grey, long_side))
    detector: Any = cv2.SIFT.create(nfeatures=MOST, contrastThreshold=_FAINTEST)
    found, descriptors = detector.detectAndCompute(flat, None)
    if descriptors is None:
        found, descriptors = (), np.zeros((0, LENGTH), np.uint8)
    return Keypoints(
        (flat.shape[0], flat.shape[1]),
        np.array([one.pt for one in found], np.float32).reshape(-1, 2)[:MOST],
        np.log2(np.array([one.size for one in found], np.float32))[:MOST],
        np.array([one.angle for one in found], np.float32)[:MOST],
        np.asarray(descriptors[:MOST], np.uint8),
    )


def _reduced(grey: NDArray[np.float32], long_side: int) -> NDArray[np.float32]:
    import cv2

    height, width = grey.shape
    factor = long_side / max(height, width)
    if factor >= 1:
        return grey
    shape = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(cv2.resize(grey, shape, interpolation=cv2.INTER_AREA), np.float32)


def _flattened(grey: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Zero local mean, even local contrast, as 8-bit grey around 128."""
    import cv2

    detail = grey - cv2.GaussianBlur(grey, (0, 0), _FLATTENING_PX)
    variance = cv2.GaussianBlur(detail * detail, (0, 0), _FLATTENING_PX)
    even = detail / np.sqrt(variance + (0.1 * float(detail.std())) ** 2 + 0.25)
    return np.asarray(np.clip(even * 42 + 128, 0, 255), np.uint8)


def mirrored(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The descriptors (n, 128) that the same places have on the image flipped top to bottom.

    A descriptor is 4 x 4 fields of 8 directions, turned to its keypoint's angle; a flip reverses the fields across
    that angle and the sense in which directions count.
    """
    fields = descriptors.reshape(-1, 4, 4, 8)[:, ::-1]
    return np.ascontiguousarray(fields[..., (-np.arange(8)) % 8]).reshape(descriptors.shape)
