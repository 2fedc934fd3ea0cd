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


def grey_levels(field: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A field as grey values of 8 bits, cut at both ends."""
    return np.asarray(np.clip(field, 0, 255), dtype=np.uint8)


def workshop_film(seed: int) -> NDArray[np.uint8]:
    """A film of 4000 x 1000 px: the seam, letters and wires of every film of its workshop, its own grain and pores."""
    rows = np.arange(1000)[:, None] * np.ones((1, 4000))
    set_up = grey_levels(70 + 120 * np.exp(-(((rows - 520) / 120.0) ** 4)))
    generator = np.random.default_rng(seed)
    shift = int(generator.integers(-12, 13))
    for number, letter in enumerate("SLV D32"):
        cv2.putText(set_up, letter, (300 + 130 * number + shift, 160 + shift // 2), cv2.FONT_HERSHEY_DUPLEX, 5, 230, 12)
    for wire in range(6):
        set_up[200:980, 1900 + 90 * wire + shift : 1904 + 90 * wire + shift] += 25
    for _ in range(8):
        place = (int(generator.uniform(0, 4000)), int(generator.uniform(470, 570)))
        cv2.circle(set_up, place, int(generator.uniform(5, 14)), 90, -1)
    grain = cv2.GaussianBlur(generator.normal(size=set_up.shape), (0, 0), 2.0)
    return grey_levels(set_up.astype(np.float64) + 20 * np.asarray(grain))
