"""Characters as lead marks show them: one stroke of even width with round ends, the same with every OpenCV."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

# Strokes on a grid of 4 x 6 units, "|" between strokes; "~" rounds the corners of a stroke. Sets of lead letters have
# one character for zero and O.
_STROKES = {
    "A": "0,6 2,0 4,6|0.7,4.1 3.3,4.1", "B": "0,6 0,0|~0,0 3.6,0 3.6,2.9 0,2.9|~0,2.9 4,2.9 4,6 0,6",
    "C": "~4,1.3 3.7,0 0,0 0,6 3.7,6 4,4.7", "D": "0,0 0,6|~0,0 4,0 4,6 0,6", "E": "4,0 0,0 0,6 4,6|0,3 3,3",
    "F": "4,0 0,0 0,6|0,3 3,3", "G": "~4,1.3 3.7,0 0,0 0,6 4,6 4,3.3|4,3.3 2.2,3.3", "H": "0,0 0,6|4,0 4,6|0,3 4,3",
    "I": "2,0 2,6", "J": "~3.5,0 3.5,6 0,6 0,4.4", "K": "0,0 0,6|4,0 0,3.4|1.3,2.4 4,6", "L": "0,0 0,6 4,6",
    "M": "0,6 0,0 2,3.5 4,0 4,6", "N": "0,6 0,0 4,6 4,0",
    "O": "~2,0 0,0 0,6 4,6 4,0 2,0", "P": "0,6 0,0|~0,0 4,0 4,3.4 0,3.4",
    "Q": "~2,0 0,0 0,6 4,6 4,0 2,0|2.6,4.4 4,6.2", "R": "0,6 0,0|~0,0 4,0 4,3.2 0,3.2|1.8,3.2 4,6",
    "S": "~4,1.2 3.8,0 0,0 0,2.9 4,2.9 4,6 0,6 0,4.8", "T": "0,0 4,0|2,0 2,6",
    "U": "~0,0 0,6 4,6 4,0", "V": "0,0 2,6 4,0",
    "W": "0,0 1,6 2,2 3,6 4,0", "X": "0,0 4,6|4,0 0,6", "Y": "0,0 2,3 4,0|2,3 2,6", "Z": "0,0 4,0 0,6 4,6",
    "0": "~2,0 0,0 0,6 4,6 4,0 2,0", "1": "0.8,1.3 2.2,0 2.2,6", "2": "~0,1.6 0,0 4,0 4,2.6 0,6|0,6 4,6",
    "3": "~0,1 0.3,0 3.8,0 3.8,2.8 1.6,2.8|~1.6,2.8 4,2.8 4,6 0,6 0,4.9", "4": "3,6 3,0 0,4.4 4,4.4",
    "5": "3.8,0 0.4,0 0.2,2.7|~0.2,2.7 4,1.9 4,6 0.2,6 0,4.8", "6": "~3.8,1.1 3.5,0 0,0 0,6 4,6 4,2.6 0.1,2.6 0,4.2",
    "7": "0,0 4,0 1.4,6", "8": "~2,2.8 0.3,2.8 0.3,0 3.7,0 3.7,2.8 2,2.8|~2,2.8 0,2.8 0,6 4,6 4,2.8 2,2.8",
    "9": "~0.2,4.9 0.5,6 4,6 4,0 0,0 0,3.4 3.9,3.4 4,1.8", "-": "0.6,3 3.4,3", " ": "",
}  # fmt: skip
CHARACTERS = frozenset(_STROKES)
"""What a lead mark can say."""


def _rounded(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Chaikin's corner cutting, three times, ends kept."""
    for _ in range(3):
        cut = np.stack([0.75 * points[:-1] + 0.25 * points[1:], 0.25 * points[:-1] + 0.75 * points[1:]], axis=1)
        points = np.concatenate([points[:1], cut.reshape(-1, 2), points[-1:]])
    return points


@cache
def _strokes(character: str) -> tuple[NDArray[np.float64], ...]:
    strokes = []
    for stroke in filter(None, _STROKES[character].split("|")):
        points = np.array([[float(value) for value in point.split(",")] for point in stroke.lstrip("~").split()])
        strokes.append(_rounded(points) if stroke.startswith("~") else points)
    return tuple(strokes)


def draw_text(
    text: str, height_px: float, *, stroke: float, narrow: float, gap: float, wobble: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """A line of characters, 255 on 0, (H, W) uint8, with a margin of a third of their height.

    text: of ``CHARACTERS``. stroke: its width in heights. narrow: a character's width over two thirds of its height.
    gap: between characters, in heights. wobble: shift of each character up or down, in heights.
    """
    import cv2

    unit = height_px / 6.0
    margin, pitch = height_px / 3.0, (4.0 * narrow * unit) + (stroke + gap) * height_px
    canvas = np.zeros(
        (round(height_px + 2 * margin), round(pitch * len(text) - gap * height_px + 2 * margin)), np.uint8
    )
    width = max(1, round(stroke * height_px))
    for index, character in enumerate(text):
        corner = np.array([margin + stroke * height_px / 2 + index * pitch, margin + wobble[index] * height_px])
        for points in _strokes(character):
            pixels = np.round((points * [narrow * unit, unit] + corner) * 16).astype(np.int32)
            cv2.polylines(canvas, [pixels], False, 255, width, cv2.LINE_AA, 4)
    return canvas
