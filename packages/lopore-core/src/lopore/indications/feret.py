"""Length, width and direction of a set of points by their Feret diameters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_HULL = 512
"""Corners of a hull that are compared with one another; a hull of more is thinned evenly."""


@dataclass(frozen=True)
class Feret:
    """length: largest distance between two points. width: smallest distance of two parallel lines about all points.

    orientation_deg: of the length, 0 along x, counter-clockwise as seen (y points down), in (-90, 90].
    """

    length: float
    width: float
    orientation_deg: float


def feret_diameters(points: NDArray[np.float64]) -> Feret:
    """Feret diameters of points (n, 2); a single point has none in any direction."""
    hull = _hull(points)
    if len(hull) == 1:
        return Feret(0.0, 0.0, 0.0)
    apart = hull[:, None, :] - hull[None, :, :]
    squares = (apart**2).sum(axis=2)
    one, two = np.unravel_index(int(squares.argmax()), squares.shape)
    x, y = hull[two] - hull[one]
    angle = math.degrees(math.atan2(-y, x))
    angle = angle - 180 if angle > 90 else angle + 180 if angle <= -90 else angle
    return Feret(float(math.sqrt(squares[one, two])), _width(hull), angle)


def _hull(points: NDArray[np.float64]) -> NDArray[np.float64]:
    import cv2

    hull = cv2.convexHull(np.asarray(points, np.float32)).reshape(-1, 2).astype(np.float64)
    return hull if len(hull) <= MOST_HULL else hull[:: -(-len(hull) // MOST_HULL)]


def _width(hull: NDArray[np.float64]) -> float:
    """The smallest width lies across one of the hull's sides."""
    if len(hull) < 3:
        return 0.0
    edges = np.concatenate([hull[1:], hull[:1]]) - hull
    lengths = np.hypot(edges[:, 0], edges[:, 1])
    edges, starts = edges[lengths > 0], hull[lengths > 0]
    normals = np.stack([-edges[:, 1], edges[:, 0]], axis=1) / lengths[lengths > 0][:, None]
    reach = normals @ hull.T - (normals * starts).sum(axis=1)[:, None]
    return float(np.abs(reach).max(axis=1).min())
