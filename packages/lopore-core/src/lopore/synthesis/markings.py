"""Lead letters, arrows, image quality wires, spatter, scratches, dust and film edges: never a sign of the class."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .lettering import draw_text
from .physics import Field, wire_diameter_mm
from .spec import FilmSpec
from .stamping import lay, local_to_px

Patch = tuple[tuple[slice, slice], Field]
"""Rows and columns of the image, and values in mm for them."""

_TAPE_MM_LEAD = 0.03


def _plaque(text: str, height_px: float, rng: np.random.Generator) -> Field:
    """Raised lead characters on a plaque that is itself just visible; 1 is full lead."""
    import cv2

    height = max(6.0, height_px)
    style = {"stroke": rng.uniform(0.08, 0.14), "narrow": rng.uniform(0.65, 1.05), "gap": rng.uniform(0.12, 0.45)}
    canvas = draw_text(text, height, **style, wobble=rng.normal(0, 0.02, len(text)))
    if rng.random() < 0.25:
        low = round(height / 8)
        cv2.rectangle(canvas, (low, canvas.shape[0] - 2 * low), (canvas.shape[1] - low, canvas.shape[0] - low), 255, -1)
    lead = canvas.astype(np.float32) * np.float32(1 / 255)
    tape = _TAPE_MM_LEAD * rng.uniform(0.0, 1.2)
    return np.asarray(np.pad(np.maximum(lead, np.float32(tape)), 2), dtype=np.float32)


def _arrow(height_px: float) -> Field:
    import cv2

    side = max(12, round(height_px))
    canvas = np.zeros((side, side), np.uint8)
    tip, tail = (side // 2, side - 3), (side // 2, 3)
    cv2.arrowedLine(canvas, tail, tip, 255, max(1, side // 8), cv2.LINE_AA, tipLength=0.45)
    return canvas.astype(np.float32) / np.float32(255)


def _half_view_mm(spec: FilmSpec) -> tuple[float, float]:
    """Half the image's extent along the seam and across it."""
    angle = math.radians(spec.angle_deg)
    cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
    rows, columns = (side * spec.pixel_pitch_mm / 2 for side in spec.size)
    return columns * cosine + rows * sine, columns * sine + rows * cosine


def _beside_seam(spec: FilmSpec, clearance_mm: float, rng: np.random.Generator) -> tuple[float, float]:
    """A place on the plate, on either side of the seam; it may be cut by the image's edge."""
    along, across = _half_view_mm(spec)
    side = 1.0 if rng.random() < 0.5 else -1.0
    near = spec.seam.width_mm / 2 + clearance_mm
    far = max(near + 1.0, across + side * spec.offset_mm - 0.2 * clearance_mm)
    return spec.start_mm + rng.uniform(-0.95, 0.95) * along, side * rng.uniform(near, far)


def _meet(one: tuple[slice, slice], other: tuple[slice, slice]) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))


def lead_marks(spec: FilmSpec, rng: np.random.Generator) -> Iterator[Patch]:
    """Lead in mm over the plate: letters, numbers and an arrow; what would lie on another is left off."""
    marks, pitch = spec.markings, spec.pixel_pitch_mm
    height = marks.letter_height_mm / pitch
    drawings = [(_plaque(text, height, rng), 0.85 * marks.letter_height_mm) for text in marks.letters]
    if marks.arrow:
        drawings.append((_arrow(height), 0.6 * marks.letter_height_mm))
    taken: list[tuple[slice, slice]] = []
    for drawing, clearance in drawings:
        upright = 180.0 if rng.random() < 0.3 else 0.0
        position, angle = _beside_seam(spec, clearance, rng), upright + rng.normal(0, 2.0)
        laid = lay(drawing, local_to_px(spec.mm_to_px(), position, angle, drawing.shape, pitch), spec.size)
        if laid is not None and not any(_meet(laid[0], other) for other in taken):
            taken.append(laid[0])
            yield laid[0], laid[1] * np.float32(marks.lead_mm)


def _wire(diameter: float, length: float, step: float) -> Field:
    half = math.ceil(diameter / step / 2) + 2
    across = (np.arange(-half, half) + 0.5) * step
    chord = 2.0 * np.sqrt(np.maximum((diameter / 2) ** 2 - across**2, 0.0))
    return np.repeat(chord.astype(np.float32)[:, None], round(length / step), axis=1)


def steel_marks(spec: FilmSpec, rng: np.random.Generator) -> Iterator[Patch]:
    """Additional steel in mm: IQI wires across the seam (ISO 19232-1) and spatter beside it."""
    marks, step = spec.markings, spec.pixel_pitch_mm / 2
    if marks.first_wire is not None:
        along, _ = _half_view_mm(spec)
        first = spec.start_mm + rng.uniform(-1.1, 0.5) * along
        length, shift, lean = rng.choice([25.0, 50.0]), rng.normal(0, 4.0), 90.0 + rng.normal(0, 1.0)
        for index in range(marks.wire_count):
            wire = _wire(wire_diameter_mm(min(marks.first_wire + index, 19)), length, step)
            position = (first + 5.0 * index + rng.normal(0, 0.15), shift)
            laid = lay(
                wire, local_to_px(spec.mm_to_px(), position, lean + rng.normal(0, 0.3), wire.shape, step), spec.size
            )
            if laid is not None:
                yield laid
    for _ in range(marks.spatter):
        drop = _drop(rng.uniform(0.4, 2.2), step, rng)
        position = _beside_seam(spec, rng.uniform(0.2, 4.0), rng)
        laid = lay(drop, local_to_px(spec.mm_to_px(), position, rng.uniform(0, 180), drop.shape, step), spec.size)
        if laid is not None:
            yield laid


def _drop(diameter: float, step: float, rng: np.random.Generator) -> Field:
    axis = np.arange(-math.ceil(diameter / step), math.ceil(diameter / step) + 1) * step
    squared = (2 * axis[None, :] / diameter) ** 2 + (2 * axis[:, None] / (diameter * rng.uniform(0.6, 1.0))) ** 2
    return np.asarray(0.35 * diameter * np.sqrt(np.maximum(1.0 - squared, 0.0)), dtype=np.float32)


def _scratch(density: Field, span: float, rng: np.random.Generator) -> None:
    """One fine line, mostly along the transport of the scanner, lighter (rubbed) or darker (pressed)."""
    import cv2

    rows, columns = density.shape
    upright = rng.random() < 0.6
    reach = rows if upright else columns
    count = int(rng.integers(3, 7))
    along = np.sort(rng.uniform(-0.2, 1.2, 2)) * reach
    if along[1] - along[0] < 8:
        return
    lean = rng.normal(0, 0.02) if rng.random() < 0.7 else rng.normal(0, 0.5)
    run = np.linspace(along[0], along[1], count)
    side = rng.uniform(0, columns if upright else rows) + lean * (run - run[0]) + np.cumsum(rng.normal(0, 1.0, count))
    points = np.stack([side, run] if upright else [run, side], axis=1)
    low = np.clip(np.floor(points.min(axis=0)) - 2, 0, [columns, rows]).astype(int)
    high = np.clip(np.ceil(points.max(axis=0)) + 3, 0, [columns, rows]).astype(int)
    if (high <= low).any():
        return
    layer = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    cv2.polylines(layer, [np.round((points - low) * 16).astype(np.int32)], False, 255, 1, cv2.LINE_AA, 4)
    strength = span * rng.uniform(0.01, 0.06) * (-1.0 if rng.random() < 0.7 else 1.0)
    density[low[1] : high[1], low[0] : high[0]] += layer * np.float32(strength / 255)


def _speck(density: Field, span: float, rng: np.random.Generator) -> None:
    import cv2

    rows, columns = density.shape
    radius = min(rng.exponential(0.8) + 0.5, 4.0)
    reach = math.ceil(radius) + 2
    top, left = int(rng.integers(0, rows - 2 * reach)), int(rng.integers(0, columns - 2 * reach))
    layer = np.zeros((2 * reach, 2 * reach), np.uint8)
    axes = (round(radius * 16), round(radius * rng.uniform(0.4, 1.0) * 16))
    cv2.ellipse(layer, (reach * 16, reach * 16), axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA, 4)
    density[top : top + 2 * reach, left : left + 2 * reach] -= layer * np.float32(span * rng.uniform(0.03, 0.3) / 255)


def _edge(density: Field, black: float, white: float, rng: np.random.Generator) -> None:
    """The film ends a little inside the scan; beyond it the scanner sees its black bed or its lamp."""
    import cv2

    rows, columns = density.shape
    depth = float(rng.uniform(2, 0.04 * min(rows, columns) + 3))
    lean = float(rng.normal(0, 0.012) * max(rows, columns))
    view = np.rot90(density, int(rng.integers(4)))
    height, width = min(round(depth + abs(lean)) + 2, view.shape[0]), view.shape[1]
    layer = np.zeros((height, width), np.uint8)
    corners = np.array([[0, 0], [width, 0], [width, depth + lean / 2], [0, depth - lean / 2]])
    cv2.fillPoly(layer, [np.round(corners * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    cover = layer * np.float32(1 / 255)
    strip = view[:height]
    strip += cover * (np.float32(black if rng.random() < 0.75 else white) - strip)


def mark_film(density: Field, spec: FilmSpec, grey_range: tuple[float, float], rng: np.random.Generator) -> None:
    """Scratches, dust and the film's edge, drawn into ``density`` (H, W) in place."""
    black, white = grey_range
    for _ in range(spec.markings.scratches):
        _scratch(density, black - white, rng)
    for _ in range(spec.markings.dust):
        _speck(density, black - white, rng)
    if spec.markings.film_edge:
        _edge(density, black, white, rng)
