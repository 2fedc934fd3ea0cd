"""Whether what stands out on a film is brighter or darker than its ground: the polarity that most files do not state.

Lead letters, wires and the weld's own beads take radiation away, so on a film they are brighter than their ground, and
there is more of them than of flaws; on the same film inverted they are darker.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lopore.record.likeness import TrainingRelief

if TYPE_CHECKING:
    from lopore.preprocessing.film_input import FilmInput

PITCH_MM, WIDEST_MM, LEAST_SIDE_MM = 0.4, 4.0, 20.0
"""The film is looked at by ``PITCH_MM`` a pixel; what is narrower than ``WIDEST_MM`` stands out."""
RATE = 0.025
"""Share of films like those of training that may lie beyond each end."""
_LEAST = 0.05
"""Mean root of the heights, in grey values of 8 bits, under which a film has no relief."""


def relief_of(film: FilmInput) -> float | None:
    """From -1, all that stands out is darker than its ground, to 1, all is brighter; inverted it has the other sign.

    A white top-hat against a black one (Serra, Image Analysis and Mathematical Morphology, 1982) over the film as it is
    after the user's own steps; of the heights the roots are taken, so that one blot of ink counts no more than a line
    of wires. None where the pitch is not known or too coarse, the film is shorter than ``LEAST_SIDE_MM`` on a side, or
    nothing stands out.
    """
    import cv2

    pitch = film.pitch_mm
    if pitch is None or min(film.source.shape) * pitch < LEAST_SIDE_MM:
        return None
    pixels = film.coarse(max(PITCH_MM / pitch, 1.0))
    side = round(WIDEST_MM / max(PITCH_MM, pitch)) | 1
    if side < 5:
        return None
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    grey = pixels.astype(np.float32) * np.float32(255 / np.iinfo(pixels.dtype).max)
    bright = grey - cv2.morphologyEx(grey, cv2.MORPH_OPEN, element, borderType=cv2.BORDER_REFLECT)
    dark = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, element, borderType=cv2.BORDER_REFLECT) - grey
    above, below = (float(np.mean(np.sqrt(height), dtype=np.float64)) for height in (bright, dark))
    return None if above + below < _LEAST else (above - below) / (above + below)


def fit_relief(seen: Sequence[float | None]) -> TrainingRelief | None:
    """The bounds of training films by their reliefs: all but ``RATE`` beyond each end where the films are enough to
    prove it (split conformal), else all of them. None where no film has one."""
    values = np.sort([value for value in seen if value is not None])
    if not len(values):
        return None
    beyond = int(RATE * (len(values) + 1))
    rank = max(beyond - 1, 0)
    return TrainingRelief(
        low=float(values[rank]),
        middle=float(np.median(values)),
        high=float(values[-1 - rank]),
        false_alarms=RATE if beyond else None,
        films=len(values),
    )
