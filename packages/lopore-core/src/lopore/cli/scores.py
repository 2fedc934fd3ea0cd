"""Scores as `train`, `eval` and `show` print them: one order, one form, the interval behind each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lopore.record.interval import Interval

_ORDER = ("roc_auc", "pr_auc", "f1", "precision", "recall", "balanced_accuracy", "accuracy")


def score_text(score: Interval) -> str:
    """Value and bounds, such as ``0.981  0.960 to 0.995``."""
    value = "not defined" if score.value is None else f"{score.value:.3f}"
    return value if score.low is None else f"{value}  {score.low:.3f} to {score.high:.3f}"


def score_lines(scores: Mapping[str, Interval]) -> list[str]:
    """A line for each score of the whole set; those of single classes, ``CLASS/NAME``, are left to the report."""
    names = [name for name in _ORDER if name in scores]
    names += [name for name in scores if name not in names and "/" not in name]
    return [f"{name:<18} {score_text(scores[name])}" for name in names]
