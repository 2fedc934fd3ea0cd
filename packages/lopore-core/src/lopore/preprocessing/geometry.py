"""Where a point of the network's input lies on the original image, and back."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.errors import ConfigError
from lopore.record.preprocessing import ResizeMode

from .resampling import resize_grey


@dataclass(frozen=True)
class Geometry:
    """Where the network's input lies on the original image.

    original: (height, width) of the file's image; size: (height, width) of the network's input.
    to_input: from original pixels to input pixels, corners at whole numbers (see ``Affine``).
    """

    original: tuple[int, int]
    size: tuple[int, int]
    to_input: Affine

    @property
    def to_original(self) -> Affine:
        return self.to_input.inverse()

    def map_to_original(self, values: NDArray[np.floating[Any]], fill: float = 0.0) -> NDArray[np.float32]:
        """A map over the input, ``(h, w)`` at any resolution, drawn over the original image by bilinear sampling.

        Returns (H, W) float32 on the same scale; ``fill`` where the network saw nothing (outside a crop).
        """
        import cv2

        height, width = values.shape
        scale = Affine(xx=width / self.size[1], yy=height / self.size[0])
        move = self.to_input.then(scale)
        # cv2 puts (0, 0) on the centre of the first pixel, Affine on its corner.
        centre = Affine(x0=0.5, y0=0.5).then(move).then(Affine(x0=-0.5, y0=-0.5))
        matrix = np.array([[centre.xx, centre.xy, centre.x0], [centre.yx, centre.yy, centre.y0]], np.float64)
        out_height, out_width = self.original
        source = np.ascontiguousarray(values, np.float32)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        drawn = cv2.warpAffine(source, matrix, (out_width, out_height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(self._blank_outside(drawn, fill), np.float32)

    def _blank_outside(self, drawn: NDArray[Any], fill: float) -> NDArray[Any]:
        rows, columns = np.arange(self.original[0])[:, None] + 0.5, np.arange(self.original[1])[None, :] + 0.5
        m = self.to_input
        # Without a turn x hangs on the column alone and y on the row: lines, not two arrays of the image's size.
        x = m.xx * columns + (m.xy * rows if m.xy else 0.0) + m.x0
        y = (m.yx * columns if m.yx else 0.0) + m.yy * rows + m.y0
        inside = (x >= 0) & (x <= self.size[1]) & (y >= 0) & (y <= self.size[0])
        return np.where(inside, drawn, np.float32(fill))


def fit_to_input(pixels: Pixels, mode: ResizeMode, size: tuple[int, int]) -> tuple[Pixels, Affine]:
    """Put an image onto the network's input.

    stretch: both sides to ``size``. letterbox: the longer side fits, the rest is the image's median grey.
    crop: the shorter side fits, the middle is kept. tile: the image is one tile already, else ConfigError: a film is
    covered by many (``film_input``). Same depth out. Returns the pixels and the move from the source.
    """
    height, width = pixels.shape[:2]
    if (height, width) == tuple(size):
        return pixels, Affine()
    if mode == "tile":
        raise ConfigError(
            f"the image is {width} x {height} px and the model takes tiles of {size[1]} x {size[0]} px of a film; "
            "use `lopore inspect`, which covers a film with them"
        )
    if mode == "stretch":
        move = Affine(xx=size[1] / width, yy=size[0] / height)
        return resize_grey(pixels, size), move
    if mode == "crop":
        ratio = min(Fraction(height, size[0]), Fraction(width, size[1]))
        left, top = (width - size[1] * ratio) / 2, (height - size[0] * ratio) / 2
        cut = resize_grey(pixels, size, (left, top, left + size[1] * ratio, top + size[0] * ratio))
        scale, x0, y0 = float(ratio), float(left), float(top)
        return cut, Affine(xx=1 / scale, x0=-x0 / scale, yy=1 / scale, y0=-y0 / scale)
    return _letterbox(pixels, size)


def _letterbox(pixels: Pixels, size: tuple[int, int]) -> tuple[Pixels, Affine]:
    height, width = pixels.shape[:2]
    scale = min(Fraction(size[0], height), Fraction(size[1], width))
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    fill = np.median(pixels[:: max(1, height // 64), :: max(1, width // 64)], axis=(0, 1))
    canvas = np.empty((*size, *pixels.shape[2:]), pixels.dtype)
    canvas[...] = fill.astype(pixels.dtype)
    canvas[top : top + inner[0], left : left + inner[1]] = resize_grey(pixels, inner)
    return canvas, Affine(xx=inner[1] / width, x0=float(left), yy=inner[0] / height, y0=float(top))
