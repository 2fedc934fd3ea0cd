"""The regions that a segmentation model found, as outlines on the original film. No Streamlit in here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.inference.regions import Detection, Detections, Mask
from lopore.preprocessing.geometry import Geometry

MOST_OUTLINES = 300
"""More regions than these are no help to an eye; the list and the log have all."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Outline:
    """One closed line around a region. points: (x, y) in pixels of the original, its outer corner at (0, 0)."""

    class_name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Regions:
    """What a segmentation model found on one film under a rule, and the lines around it."""

    seen: Detections
    lines: tuple[Outline, ...]

    @property
    def nbytes(self) -> int:
        return int(self.seen.regions.nbytes) + 64 * sum(len(line.points) for line in self.lines)


def outlines(seen: Detections, geometry: Geometry, classes: Sequence[str]) -> tuple[Outline, ...]:
    """The outer and inner borders of what was found, class by class; at most ``MOST_OUTLINES``."""
    shape = seen.regions.shape[1:]
    to_film = Affine(xx=geometry.size[1] / shape[1], yy=geometry.size[0] / shape[0]).then(geometry.to_original)
    found = (
        Outline(name, tuple(to_film(x, y) for x, y in border))
        for name, mask in zip(classes, seen.regions, strict=True)
        for border in _borders(mask)
    )
    return tuple(line for line, _ in zip(found, range(MOST_OUTLINES), strict=False))


def _borders(mask: Mask) -> Iterator[list[Point]]:
    """Borders of a mask's regions in its own pixels, a quarter pixel inside them."""
    import cv2

    # At twice the size the line through the middles of the border's pixels lies near the border itself.
    double = np.ascontiguousarray(mask.repeat(2, axis=0).repeat(2, axis=1), np.uint8)
    lines, _ = cv2.findContours(double, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    for line in lines:
        yield [((float(x) + 0.5) / 2, (float(y) + 0.5) / 2) for x, y in line[:, 0]]


def colours(classes: Sequence[str]) -> dict[str, str]:
    """A colour for each class, told apart on a grey film and from its heat."""
    bright = ("#4fd1ff", "#ffd24a", "#7ee787", "#ff8f8f", "#d2a8ff", "#ffffff")
    return {name: bright[at % len(bright)] for at, name in enumerate(classes)}


def area_text(found: Detection) -> str:
    """How large a region is: in mm2 where the film states its pitch, else in pixels."""
    return f"{found.area_px:.0f} px²" if found.area_mm2 is None else f"{found.area_mm2:.3g} mm²"


def extent_text(found: Detection, pitch_mm: float | None) -> str:
    """Width and height of the region's box."""
    left, top, right, bottom = found.box
    factor, unit = (pitch_mm, "mm") if pitch_mm else (1.0, "px")
    digits = 1 if pitch_mm else 0
    return f"{(right - left) * factor:.{digits}f} × {(bottom - top) * factor:.{digits}f} {unit}"


def draw(
    image: NDArray[np.uint8], lines: Sequence[Outline], shape: tuple[int, int], classes: Sequence[str]
) -> NDArray[np.uint8]:
    """A copy of an RGB image (h, w, 3) with outlines of a film of ``shape`` (height, width) on it."""
    import cv2

    factor = np.array([image.shape[1] / shape[1], image.shape[0] / shape[0]])
    drawn: Any = np.ascontiguousarray(image).copy()
    ink = colours(classes)
    for line in lines:
        # cv2 puts (0, 0) on the centre of the first pixel; 4 further bits place a line between pixels.
        points = np.rint((np.array(line.points) * factor - 0.5) * 16).astype(np.int32)
        red, green, blue = bytes.fromhex(ink[line.class_name][1:])
        cv2.polylines(drawn, [points], True, (red, green, blue), 1, cv2.LINE_AA, shift=4)
    return np.asarray(drawn, np.uint8)
