"""Lead that is no single letter: stencilled position plates, the label of a wire indicator, and its plastic sleeve."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lopore.affine import Affine
from lopore.synthesis.lettering import draw_text
from lopore.synthesis.markings import Patch
from lopore.synthesis.physics import Field, lead_attenuation_per_mm
from lopore.synthesis.spec import FilmSpec
from lopore.synthesis.stamping import lay, local_to_px


def lead_plates(spec: FilmSpec, rng: np.random.Generator) -> Iterator[Patch]:
    """Patches of lead in mm beside the seam; some films have none."""
    for drawing, where in _drawings(spec, rng):
        laid = lay(drawing, _to_px(spec, where, rng.normal(0, 1.5), drawing), spec.size)
        if laid is not None:
            yield laid


def _to_px(spec: FilmSpec, where: tuple[float, float], angle: float, drawing: Field) -> Affine:
    return local_to_px(spec.mm_to_px(), where, angle, drawing.shape, spec.pixel_pitch_mm)


def _drawings(spec: FilmSpec, rng: np.random.Generator) -> Iterator[tuple[Field, tuple[float, float]]]:
    if rng.random() < 0.2:
        step, side, first = rng.uniform(40, 70), float(rng.choice([-1, 1])), int(rng.integers(0, 40))
        begin = spec.start_mm - spec.size[1] * spec.pixel_pitch_mm / 2 + rng.uniform(0, step)
        height = rng.uniform(9, 15)
        for number in range(int(spec.size[1] * spec.pixel_pitch_mm / step) + 1):
            plate = stencil_plate(str(first + 5 * number), height / spec.pixel_pitch_mm, rng) * np.float32(1.2)
            yield plate, (begin + number * step, side * _beside(spec, 0.6 * height, side, rng))
    if spec.markings.first_wire is not None:
        side = float(rng.choice([-1, 1]))
        middle = spec.start_mm + rng.uniform(-0.45, 0.45) * spec.size[1] * spec.pixel_pitch_mm
        height = rng.uniform(6, 9)
        label = indicator_label(height / spec.pixel_pitch_mm, rng) * np.float32(1.0)
        yield label, (middle, side * _beside(spec, 0.5 * height, side, rng))
        yield _sleeve(spec, rng), (middle, rng.normal(0, 3.0))
    if rng.random() < 0.25:
        yield _sleeve(spec, rng), (spec.start_mm + rng.uniform(-90, 90), rng.normal(0, 20.0))


def _beside(spec: FilmSpec, clearance: float, side: float, rng: np.random.Generator) -> float:
    """A distance from the seam at which a plate lies on the sheet, or is cut by the film's edge."""
    near = spec.seam.width_mm / 2 + clearance
    far = spec.size[0] * spec.pixel_pitch_mm / 2 - side * spec.offset_mm
    return near + rng.uniform(0.2, 1.0) * max(far - near, 0.0)


def stencil_plate(digits: str, height_px: float, rng: np.random.Generator) -> Field:
    """A sheet of lead with figures cut out and a row of holes; 1 is lead."""
    import cv2

    wobble = np.zeros(len(digits))
    cut = draw_text(digits, 0.6 * height_px, stroke=rng.uniform(0.09, 0.15), narrow=0.85, gap=0.35, wobble=wobble)
    rows, columns = cut.shape
    for corner in range(int(rng.choice([0, 4, 5]))):
        x = round((corner + 0.5) * columns / 5)
        for y in (round(0.07 * rows), rows - round(0.07 * rows)):
            cv2.circle(cut, (x, y), max(1, round(0.03 * rows)), 255, -1, cv2.LINE_AA)
    lead = 1.0 - cut.astype(np.float32) / 255
    return np.asarray(np.pad(lead, 2), np.float32)


def indicator_label(height_px: float, rng: np.random.Generator) -> Field:
    """The block letters of a wire indicator with the bar beneath them; 1 is lead."""
    import cv2

    said = f"{int(rng.choice([1, 6, 10, 13]))} {rng.choice(['FE', 'AL', 'CU'])} {rng.choice(['EN', 'DIN', 'ISO'])}"
    canvas = draw_text(said, height_px, stroke=0.17, narrow=0.75, gap=0.12, wobble=np.zeros(len(said)))
    rows, columns = canvas.shape
    low = rows - round(height_px / 3) + round(0.12 * height_px)
    cv2.rectangle(
        canvas, (round(height_px / 5), low), (columns - round(height_px / 5), low + round(height_px / 7)), 255, -1
    )
    if rng.random() < 0.4:
        cv2.rectangle(canvas, (round(height_px / 5), rows - low - round(height_px / 7)),
                      (columns - round(height_px / 5), rows - low), 255, -1)  # fmt: skip
    return np.asarray(np.pad(canvas.astype(np.float32) / 255, 2), np.float32)


def _sleeve(spec: FilmSpec, rng: np.random.Generator) -> Field:
    """Plastic around an indicator or beneath letters: a rectangle that weakens the beam by some thousandths."""
    rows, columns = (round(side / spec.pixel_pitch_mm) for side in (rng.uniform(20, 60), rng.uniform(25, 60)))
    loss = rng.uniform(0.002, 0.03) / lead_attenuation_per_mm(spec.energy_kev)
    sleeve = np.full((rows, columns), loss, np.float32)
    rim = max(1, round(rng.uniform(0.5, 3) / spec.pixel_pitch_mm))
    if rng.random() < 0.5:
        sleeve[rim:-rim, rim:-rim] *= np.float32(rng.uniform(0.5, 0.95))
    return np.asarray(np.pad(sleeve, 2), np.float32)
