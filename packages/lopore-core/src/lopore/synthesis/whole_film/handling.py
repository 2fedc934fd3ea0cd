"""What fingers, chemistry, sleeves, scanners and panels leave on an image; none of it is in the weld."""

from __future__ import annotations

import math

import numpy as np

from lopore.synthesis.lettering import draw_text
from lopore.synthesis.physics import Field

from .recipe import spread, text


def draw_traces(values: Field, window: tuple[float, float], rng: np.random.Generator, *, pitch_mm: float) -> None:
    """Traces of film handling drawn into density (H, W) in place. window: what black and white stand for."""
    black, white = window
    span = black - white
    for share, most, draw in (
        (0.6, 14, _blotch),
        (0.3, 4, _crimp),
        (0.35, 25, _pinpoint),
        (0.2, 4, _water_mark),
        (0.06, 2, _ink),
        (0.35, 4, _band),
        (0.2, 3, _roller),
    ):
        if rng.random() < share:
            for _ in range(int(rng.integers(1, most + 1))):
                draw(values, span, pitch_mm, rng)
    if rng.random() < 0.7:
        _mottle(values, span, pitch_mm, rng)
    if rng.random() < 0.3:
        _clips(values, black, pitch_mm, rng)


def draw_panel_faults(values: Field, window: tuple[float, float], rng: np.random.Generator) -> None:
    """Dead pixels, pairs of them and lines of a detector that was not corrected, in place."""
    low, high = window
    rows, columns = values.shape
    for _ in range(int(rng.integers(0, 12))):
        y, x = int(rng.integers(rows)), int(rng.integers(columns))
        values[y : y + int(rng.integers(1, 3)), x : x + int(rng.integers(1, 3))] = low if rng.random() < 0.6 else high
    for _ in range(int(rng.integers(0, 3))):
        line = (
            (slice(None), int(rng.integers(columns))) if rng.random() < 0.5 else (int(rng.integers(rows)), slice(None))
        )
        values[line] += np.float32((high - low) * rng.normal(0, 0.03))


def _area(values: Field, reach: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """A square of ``2 * reach`` pixels, or what the image has of it."""
    rows, columns = values.shape
    top, left = int(rng.integers(-reach, rows - reach)), int(rng.integers(-reach, columns - reach))
    return slice(max(top, 0), min(top + 2 * reach, rows)), slice(max(left, 0), min(left + 2 * reach, columns))


def _lay_layer(values: Field, layer: Field, rng: np.random.Generator) -> None:
    """A square layer added at a random place."""
    rows, columns = _area(values, layer.shape[0] // 2, rng)
    values[rows, columns] += layer[: rows.stop - rows.start, : columns.stop - columns.start]


def _blotch(values: Field, span: float, pitch: float, rng: np.random.Generator) -> None:
    """A soft stain of a chemical or of pressure."""
    import cv2

    radius = spread(rng, 0.6, 6.0) / pitch
    reach = max(4, math.ceil(1.6 * radius))
    layer = np.zeros((2 * reach, 2 * reach), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        middle = tuple(int(reach + rng.normal(0, 0.3 * radius)) for _ in range(2))
        axes = (max(1, round(radius * rng.uniform(0.3, 0.8))), max(1, round(radius * rng.uniform(0.3, 0.8))))
        cv2.ellipse(layer, middle, axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
    soft = cv2.GaussianBlur(layer, (0, 0), max(0.6, radius * rng.uniform(0.15, 0.6)))
    _lay_layer(values, soft * np.float32(span * spread(rng, 0.004, 0.03) * rng.choice([-1, 1])), rng)


def _mottle(values: Field, span: float, pitch: float, rng: np.random.Generator) -> None:
    """Uneven grain and development, a few tenths of a millimetre wide."""
    import cv2

    scale = spread(rng, 0.2, 0.8) / pitch
    rows, columns = (max(4, round(side / scale)) for side in values.shape)
    coarse = rng.standard_normal((rows, columns), np.float32) * np.float32(span * spread(rng, 0.0006, 0.005))
    values += cv2.resize(coarse, values.shape[::-1], interpolation=cv2.INTER_CUBIC)


def _crimp(values: Field, span: float, pitch: float, rng: np.random.Generator) -> None:
    """A crescent where the film was bent."""
    import cv2

    radius = spread(rng, 1.0, 4.0) / pitch
    reach = math.ceil(1.3 * radius) + 4
    layer = np.zeros((2 * reach, 2 * reach), np.float32)
    start, width = rng.uniform(0, 360), max(1, round(rng.uniform(0.2, 1.0) / pitch))
    axes, lean = (round(radius), round(radius * rng.uniform(0.3, 1.0))), rng.uniform(0, 180)
    cv2.ellipse(layer, (reach, reach), axes, lean, start, start + rng.uniform(60, 170), 1.0, width)
    soft = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.8, 3.0) * 0.1 / pitch + 0.4)
    _lay_layer(values, soft * np.float32(span * spread(rng, 0.01, 0.05) * rng.choice([-1, 1], p=[0.75, 0.25])), rng)


def _pinpoint(values: Field, span: float, pitch: float, rng: np.random.Generator) -> None:
    """A grain of dust or a pinhole: sharper than anything that the beam has drawn. Where grains are light, large ones
    would be taken for tungsten by any reader."""
    dark = rng.random() < 0.35
    size = max(1, round(spread(rng, 0.04, 0.25 if dark else 0.12) / pitch))
    rows, columns = values.shape
    y, x = int(rng.integers(rows)), int(rng.integers(columns))
    strength = span * spread(rng, 0.05, 0.6) * (1.0 if dark else -1.0) * min(1.0, 0.08 / pitch + 0.2)
    values[y : y + size, x : x + max(1, size + int(rng.integers(-1, 2)))] += np.float32(strength)


def _water_mark(values: Field, span: float, pitch: float, rng: np.random.Generator) -> None:
    """The rim of a dried drop."""
    import cv2

    radius = spread(rng, 2.0, 12.0) / pitch
    reach = math.ceil(1.2 * radius) + 4
    layer = np.zeros((2 * reach, 2 * reach), np.float32)
    axes = (round(radius), round(radius * rng.uniform(0.5, 1.0)))
    cv2.ellipse(layer, (reach, reach), axes, rng.uniform(0, 180), 0, 360, 1.0, max(1, round(0.3 / pitch)))
    soft = cv2.GaussianBlur(layer, (0, 0), rng.uniform(0.1, 0.5) / pitch)
    _lay_layer(values, soft * np.float32(span * spread(rng, 0.005, 0.04) * rng.choice([-1, 1])), rng)


def _ink(values: Field, span: float, pitch: float, rng: np.random.Generator) -> None:
    """A number written on the film by hand."""
    said = text(rng)
    style = {"stroke": rng.uniform(0.06, 0.12), "narrow": rng.uniform(0.7, 1.1), "gap": rng.uniform(0.2, 0.5)}
    ink = draw_text(said, rng.uniform(3.5, 9.0) / pitch, **style, wobble=rng.normal(0, 0.08, len(said)))
    layer = np.asarray(ink, np.float32) * np.float32(span * rng.uniform(0.05, 0.4) / 255)
    rows, columns = values.shape
    side = int(rng.integers(3))
    top = (0, max(0, rows - ink.shape[0]), int(rng.integers(max(1, rows - ink.shape[0]))))[side]
    left = int(rng.integers(max(1, columns - ink.shape[1])))
    part = values[top : top + ink.shape[0], left : left + ink.shape[1]]
    part += layer[: part.shape[0], : part.shape[1]]


def _band(values: Field, span: float, pitch: float, rng: np.random.Generator) -> None:
    """Columns that the scanner saw through another gain, with straight edges."""
    columns = values.shape[1]
    left, width = int(rng.integers(columns)), round(spread(rng, 0.5, 60.0) / pitch)
    values[:, left : left + width] += np.float32(span * rng.normal(0, 0.004))


def _roller(values: Field, span: float, pitch: float, rng: np.random.Generator) -> None:
    """A fine straight line over the whole film, along or across it."""
    rows, columns = values.shape
    strength = np.float32(span * spread(rng, 0.004, 0.03) * rng.choice([-1, 1]))
    if rng.random() < 0.5:
        values[int(rng.integers(rows))] += strength
    else:
        values[:, int(rng.integers(columns))] += strength


def _clips(values: Field, black: float, pitch: float, rng: np.random.Generator) -> None:
    """Where the film was held: dark notches at one end."""
    rows, columns = values.shape
    width = max(2, round(rng.uniform(0.3, 1.2) / pitch))
    for _ in range(int(rng.integers(1, 3))):
        top = int(rng.integers(rows))
        notch = (slice(top, top + round(rng.uniform(3, 25) / pitch)), slice(0, width))
        values[notch if rng.random() < 0.5 else (notch[0], slice(columns - width, columns))] = np.float32(black)
