"""Whole films as arrays, with marks of known place and size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def ground(height: int, width: int, level: int = 40) -> NDArray[np.uint8]:
    """A film without a mark."""
    return np.full((height, width), level, np.uint8)


def disc(pixels: NDArray[np.uint8], x: float, y: float, diameter: float, level: int = 220) -> None:
    """Draw a disc whose edge pixels have the grey of their covered share, as a scanner sees it."""
    reach = int(diameter / 2 + 2)
    left, top = max(int(x) - reach, 0), max(int(y) - reach, 0)
    part = pixels[top : int(y) + reach + 1, left : int(x) + reach + 1]
    fine = 8
    rows = (np.arange(part.shape[0] * fine) + 0.5) / fine + top - y
    columns = (np.arange(part.shape[1] * fine) + 0.5) / fine + left - x
    inside = np.hypot(rows[:, None], columns[None, :]) < diameter / 2
    share = cv2.resize(inside.astype(np.float32), part.shape[::-1], interpolation=cv2.INTER_AREA)
    part[...] = np.rint(part + share * (level - part.astype(np.float32))).astype(np.uint8)


def bar(
    pixels: NDArray[np.uint8], start: tuple[float, float], end: tuple[float, float], width: float, level: int = 220
) -> None:
    """Draw a straight line with round ends, ``width`` px wide, its edge pixels by their covered share."""
    (x0, y0), (x1, y1) = start, end
    reach, fine = int(width / 2 + 2), 4
    left, top = max(int(min(x0, x1)) - reach, 0), max(int(min(y0, y1)) - reach, 0)
    part = pixels[top : int(max(y0, y1)) + reach + 1, left : int(max(x0, x1)) + reach + 1]
    y = (np.arange(part.shape[0] * fine) + 0.5)[:, None] / fine + top
    x = (np.arange(part.shape[1] * fine) + 0.5)[None, :] / fine + left
    along = ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
    along = np.clip(along, 0, 1)
    inside = np.hypot(x - x0 - along * (x1 - x0), y - y0 - along * (y1 - y0)) < width / 2
    share = cv2.resize(inside.astype(np.float32), part.shape[::-1], interpolation=cv2.INTER_AREA)
    part[...] = np.rint(part + share * (level - part.astype(np.float32))).astype(np.uint8)
