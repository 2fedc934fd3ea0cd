"""Two films of one weld, such as before and after a repair: laid over each other, and their marks matched.

No Streamlit in here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.preprocessing.pipeline import percentile_limits
from lopore.preprocessing.resampling import resize
from lopore_app.film.film_review import ReviewedMark

SEARCHED = 512
"""Pixels of the longer side of the small films that are laid over each other."""
LEAST_RESPONSE = 0.2
"""Peak of the phase correlation under which a shift means nothing."""
NEAR_PX = 12.0


@dataclass(frozen=True)
class Overlay:
    """to_first: from places on the second film to places on the first. evidence: how it was found, in words."""

    to_first: Affine
    evidence: str


def laid_over(first: Pixels, second: Pixels, pitches: tuple[float | None, float | None]) -> Overlay:
    """How a second film lies on a first one: scaled by the pitches, else as it is, and shifted where they correlate.

    first, second: (H, W) as they are shown. A proposal: turned or bent films are not found.
    """
    import cv2

    scale = pitches[1] / pitches[0] if pitches[0] and pitches[1] else 1.0
    factor = min(1.0, SEARCHED / max(*first.shape, *(side * scale for side in second.shape)))
    size = SEARCHED, SEARCHED
    small = [_small(first, factor, size), _small(second, factor * scale, size)]
    window = cv2.createHanningWindow(size, cv2.CV_32F)
    (right, down), response = cv2.phaseCorrelate(small[1], small[0], window)
    how = "scaled by their pitches" if pitches[0] and pitches[1] else "pixel by pixel, a pitch is not known"
    if response < LEAST_RESPONSE:
        return Overlay(Affine(xx=scale, yy=scale), f"{how}; no shift was found, so their corners lie on each other")
    move = Affine(xx=scale, yy=scale, x0=right / factor, y0=down / factor)
    return Overlay(
        move, f"{how}, shifted by {move.x0:.0f}, {move.y0:.0f} px (correlation {response:.2f}); check it by eye"
    )


def _small(pixels: Pixels, factor: float, size: tuple[int, int]) -> NDArray[np.float32]:
    """The film at ``factor``, its usual grey from 0 to 1 less its mean, in the upper left corner of a square."""
    made = np.zeros(size, np.float32)
    shape = [max(1, min(side, round(length * factor))) for side, length in zip(size, pixels.shape, strict=True)]
    low, high = percentile_limits(pixels, 0.5, 99.5)
    part = (resize(pixels, (shape[0], shape[1])).astype(np.float32) - low) / max(high - low, 1.0)
    made[: shape[0], : shape[1]] = np.clip(part, 0, 1) - float(np.clip(part, 0, 1).mean())
    return made


@dataclass(frozen=True)
class Change:
    """One mark on either film or on both. first, second: its number there, None where it is not."""

    what: Literal["same", "new", "gone"]
    class_name: str
    first: int | None
    second: int | None


def changes(first: Sequence[ReviewedMark], second: Sequence[ReviewedMark], to_first: Affine) -> tuple[Change, ...]:
    """Marks of this film and of an earlier one, by place: in both, new on this one, gone since the other.

    Rejected marks are left out. Marks are the same where their centres lie nearer than the longer one's half length,
    12 px at least.
    """
    left = [mark for mark in second if mark.verdict != "rejected"]
    found: list[Change] = []
    for mark in first:
        if mark.verdict == "rejected":
            continue
        near = [(_apart(mark, other, to_first), other) for other in left]
        distance, best = min(near, key=lambda pair: pair[0], default=(np.inf, None))
        if best is None or distance > max(NEAR_PX, mark.indication.length_px / 2, best.indication.length_px / 2):
            found.append(Change("new", mark.class_name, mark.number, None))
            continue
        left.remove(best)
        found.append(Change("same", mark.class_name, mark.number, best.number))
    return (*found, *(Change("gone", mark.class_name, None, mark.number) for mark in left))


def _apart(one: ReviewedMark, other: ReviewedMark, to_first: Affine) -> float:
    x, y = to_first(*other.indication.centre)
    return float(np.hypot(x - one.indication.centre[0], y - one.indication.centre[1]))
