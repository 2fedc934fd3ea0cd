"""Marks that a person draws, measured as the model's are. No Streamlit in here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from lopore.errors import ConfigError
from lopore.indications.indication import Indication

Shape = Literal["box", "ellipse", "polyline"]


def contour_of(shape: Shape, points: Sequence[float], width: int, height: int) -> list[tuple[float, float]]:
    """A closed line on the film; ConfigError for one that is no area of it."""
    finite = len(points) % 2 == 0 and all(math.isfinite(value) for value in points)
    if not finite or len(points) < (6 if shape == "polyline" else 4) or len(points) > 4000:
        raise ConfigError(f"{len(points)} numbers draw no {shape}; two corners are needed, of a polyline three")
    pairs = [
        (min(max(float(x), 0.0), float(width)), min(max(float(y), 0.0), float(height)))
        for x, y in zip(points[::2], points[1::2], strict=True)
    ]
    if shape == "polyline":
        line = pairs
    else:
        (x0, y0), (x1, y1) = pairs[:2]
        x0, x1, y0, y1 = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
        line = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        if shape == "ellipse":
            angles = [2 * math.pi * step / 48 for step in range(48)]
            half = (x1 - x0) / 2, (y1 - y0) / 2
            line = [(x0 + half[0] * (1 + math.cos(a)), y0 + half[1] * (1 + math.sin(a))) for a in angles]
    if _area(line) < 1:
        raise ConfigError("the mark that was drawn covers less than one pixel of the film; draw it larger")
    return line


def stretched(
    line: Sequence[tuple[float, float]], box: tuple[float, ...], into: tuple[float, float, float, float]
) -> list[tuple[float, float]]:
    """A closed line moved from its box (left, top, right, bottom) into another one."""
    wide, high = max(box[2] - box[0], 1e-9), max(box[3] - box[1], 1e-9)
    across, down = (into[2] - into[0]) / wide, (into[3] - into[1]) / high
    return [(into[0] + (x - box[0]) * across, into[1] + (y - box[1]) * down) for x, y in line]


def _area(line: Sequence[tuple[float, float]]) -> float:
    following = [*line[1:], line[0]]
    return abs(sum(x * v - u * y for (x, y), (u, v) in zip(line, following, strict=True))) / 2


def drawn_indication(
    number: int,
    line: Sequence[tuple[float, float]],
    class_name: str,
    pitch_mm: float | None,
    before: Indication | None = None,
) -> Indication:
    """Place and size of a closed line, measured as the model's marks are: Feret diameters, area, box, centre."""
    xs, ys = [x for x, _ in line], [y for _, y in line]
    extents = []
    for step in range(180):
        angle = math.pi * step / 180
        along = [x * math.cos(angle) + y * math.sin(angle) for x, y in line]
        extents.append((max(along) - min(along), step))
    (length, at), (least, _) = max(extents), min(extents)
    area = _area(line)
    turned = -at if at <= 90 else 180 - at
    return Indication(
        id=number,
        class_name=class_name,
        iso_6520=before.iso_6520 if before else None,
        peak=before.peak if before else 0.0,
        mean=before.mean if before else 0.0,
        centre=((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2),
        box=(min(xs), min(ys), max(xs), max(ys)),
        contour=tuple(line),
        area_px=area,
        length_px=length,
        width_px=least,
        diameter_px=2 * math.sqrt(area / math.pi),
        orientation_deg=float(turned if turned > -90 else 90),
    ).in_mm(pitch_mm)
