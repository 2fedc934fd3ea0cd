"""The threshold of a model that knows sound films alone, from how high the sound validation films reach."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.messages import counted
from lopore.record.model import Threshold

from .conformal import conformal_quantile, films_needed, worst_by_film

ROUNDING = 1e-3
"""Of what is left up to 1, how far above the highest film the threshold lies: more than any export rounds."""


def false_alarm_threshold(scores: NDArray[Any], groups: NDArray[Any], share: float) -> Threshold:
    """The threshold that calls at most ``share`` of sound films like these, by split conformal prediction (Vovk,
    Gammerman and Shafer, 2005).

    scores: (N,) of sound images in 0..1. groups: (N,) their films; a film counts by its highest image. With too few
    films for the share the threshold lies above the highest, and ``chosen_on`` says that nothing is promised.
    """
    peaks = worst_by_film(np.asarray(scores, np.float64), np.asarray(groups))
    if not len(peaks):
        return Threshold(value=0.5, rule="default", chosen_on="nothing: there are no sound validation images")
    films = f"{counted(len(scores), 'sound validation image')} of {counted(len(peaks), 'group')}"
    limit = conformal_quantile(peaks, 1 - share)
    if limit is None:
        need = films_needed(1 - share)
        return Threshold(
            value=_above(float(peaks.max()), peaks),
            rule="above every sound validation image",
            chosen_on=f"{films}; a promise of at most {share:.0%} of sound films called needs {need} groups",
        )
    return Threshold(value=_above(limit, peaks), rule=f"at most {share:.0%} of sound films called", chosen_on=films)


def _above(limit: float, peaks: NDArray[np.float64]) -> float:
    """Midway to the next higher film, where rounding in an export flips no decision."""
    higher = peaks[peaks > limit]
    if len(higher):
        return float((limit + higher.min()) / 2)
    return float(min(limit + max(ROUNDING * (1 - limit), 1e-6), 1.0))
