"""A heat map drawn on its radiograph, with a scale bar in the explainer's own unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels
from lopore.preprocessing.pipeline import percentile_limits, stretch_between
from lopore.preprocessing.resampling import resize_grey

if TYPE_CHECKING:
    from numpy import uint8

COLOUR_MAPS = ("inferno", "viridis", "turbo", "jet")
SMALLEST_SHOWN = 400


def for_screen(pixels: Pixels) -> NDArray[uint8]:
    """(H, W, 3) uint8 for a screen: 8-bit images as they are, 16-bit between their 0.1 and 99.9 percentiles."""
    if pixels.dtype == np.uint16:
        low, high = percentile_limits(pixels, 0.1, 99.9)
        pixels = stretch_between(pixels, low, high, np.dtype(np.uint8))
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def blend(
    image: NDArray[uint8],
    values: NDArray[np.float32],
    *,
    opacity: float,
    limits: tuple[float, float],
    colour_map: str = "inferno",
) -> NDArray[uint8]:
    """Heat over an image: the hotter the more opaque, NaN left as it is.

    image: (H, W, 3) uint8 RGB. values: (H, W) float32. opacity: 0..1 at the upper limit. limits: raw values at the
    ends of the colour scale; they are the caller's, so that images stay comparable.
    """
    low, high = limits
    level = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-12), 0, 1)
    colours = _colours(colour_map)[np.rint(level * 255).astype(np.uint8)].astype(np.float32)
    alpha = (opacity * np.sqrt(level))[..., None]
    mixed = np.rint(image * (1 - alpha) + colours * alpha)
    return np.asarray(mixed, np.uint8)


def _colours(name: str) -> NDArray[uint8]:
    import cv2

    code = getattr(cv2, f"COLORMAP_{name.upper()}")
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return np.asarray(cv2.applyColorMap(ramp, code)[:, 0, ::-1], np.uint8)


def colour_ramp(name: str, height: int = 10) -> NDArray[uint8]:
    """(height, 256, 3) uint8 RGB from the lower to the upper end of a colour map."""
    return np.repeat(_colours(name)[None], height, axis=0)


def natural_limits(values: NDArray[np.float32], scale: str) -> tuple[float, float]:
    """Ends of the colour scale: 0 to 1 for probabilities, else 0 to the map's maximum, shown beside the bar."""
    finite = values[np.isfinite(values)]
    top = float(finite.max()) if finite.size else 0.0
    return (0.0, 1.0) if scale == "probability" else (0.0, max(top, 1e-6))


def draw_overlay(
    pixels: Pixels,
    values: NDArray[np.float32],
    *,
    opacity: float = 0.6,
    limits: tuple[float, float] | None = None,
    scale: str = "raw",
    title: str = "",
    colour_map: str = "inferno",
) -> NDArray[uint8]:
    """Radiograph with heat, a caption line above and a scale bar with raw values at its right side.

    pixels: (H, W) or (H, W, 3), 8 or 16 bit. values: (H, W) float32 on the original image.
    Returns (k * H + caption, k * W + bar, 3) uint8 RGB; k is 1, and more only for images under 200 px, whose pixels
    are shown as squares so that bar and caption can be read.
    """
    limits = limits or natural_limits(values, scale)
    shown = for_screen(pixels)
    if shown.shape[:2] != values.shape:  # a JPEG that its decoder shrank
        shown = resize_grey(shown, values.shape)
    image = blend(shown, values, opacity=opacity, limits=limits, colour_map=colour_map)
    times = max(1, SMALLEST_SHOWN // max(image.shape[:2]))
    image = image.repeat(times, axis=0).repeat(times, axis=1)
    height, width = image.shape[:2]
    text_scale = max(0.45, min(height, 2 * width) / 1400)
    bar = _scale_bar(height, limits, text_scale, colour_map)
    body = np.concatenate([image, bar], axis=1)
    return np.concatenate([_caption(body.shape[1], title, text_scale), body]) if title else body


def _caption(width: int, text: str, text_scale: float) -> NDArray[uint8]:
    """One line of text, made smaller and at last cut where it is wider than the image."""
    import cv2

    line = "".join(letter if letter.isprintable() else "?" for letter in text)[:300]
    room, margin = width - 16, round(30 * text_scale)

    def wide(part: str, size: float) -> int:
        return int(cv2.getTextSize(part, cv2.FONT_HERSHEY_SIMPLEX, size, 1)[0][0])

    fitting = max(0.4, min(text_scale, text_scale * room / max(1, wide(line, text_scale))))
    while len(line) > 4 and wide(line, fitting) > room:
        line = f"{line[:-4]}..."
    strip = np.full((round(44 * text_scale), width, 3), 24, np.uint8)
    return _write(strip, line, (8, margin), fitting)


def _scale_bar(height: int, limits: tuple[float, float], text_scale: float, colour_map: str) -> NDArray[uint8]:
    width = round(170 * text_scale)
    strip = np.full((height, width, 3), 24, np.uint8)
    top, bottom = round(height * 0.08), round(height * 0.92)
    ramp = np.rint(np.linspace(255, 0, bottom - top)).astype(np.uint8)
    left, right = round(14 * text_scale), round(46 * text_scale)
    strip[top:bottom, left:right] = _colours(colour_map)[ramp][:, None]
    for share in (0.0, 0.5, 1.0):
        value = limits[0] + share * (limits[1] - limits[0])
        y = round(bottom - share * (bottom - top))
        strip = _write(strip, f"{value:.3g}", (right + round(8 * text_scale), y + round(8 * text_scale)), text_scale)
    return strip


def _write(strip: NDArray[uint8], text: str, origin: tuple[int, int], text_scale: float) -> NDArray[uint8]:
    import cv2

    drawn: Any = cv2.putText(
        np.ascontiguousarray(strip), text, origin, cv2.FONT_HERSHEY_SIMPLEX, text_scale, (235, 235, 235), 1, cv2.LINE_AA
    )
    return np.asarray(drawn, np.uint8)
