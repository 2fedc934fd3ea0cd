"""Scores as `train`, `eval` and `show` print them: one order, one form, the interval behind each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lopore.messages import plain

if TYPE_CHECKING:
    from lopore.metrics.indication_figures import IndicationMetrics
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
    width = max([18, *map(len, names)])
    return [f"{name:<{width}} {score_text(scores[name])}" for name in names]


def indication_summary(found: IndicationMetrics) -> str:
    """Marks hit, false calls and sizes of each class, for a terminal."""
    from lopore.metrics.sizing import SizingError

    lines = [found.text]
    for title, ap in (("masks", found.mask_ap), ("boxes", found.box_ap)):
        if ap is not None and ap.ap.value is not None:
            lines.append(f"  AP of {title:<11} {score_text(ap.ap)}; at IoU 0.5 {score_text(ap.ap50)}")
    for name, one in found.per_class.items():
        lines.append(f"  {plain(name, 60)}: {one.hit} of {one.marks} marks hit; {one.false_calls} false calls")
        lines.append(f"    hits             {score_text(one.hits)}")
        lines.append(f"    false per film   {score_text(one.false_per_film)}")
        if one.false_per_100_mm.value is not None:
            lines.append(f"    false per 100 mm {score_text(one.false_per_100_mm)}")
        for at in one.hits_at if one.marks else ():
            lines.append(f"    hits at {at.false_per_film:<4g}     {score_text(at.hits)}")
        if isinstance(one.sizing, SizingError):
            bias = f"{one.sizing.bias.value:+.2f} mm, 95 % within {one.sizing.low:+.2f} to {one.sizing.high:+.2f}"
            lines.append(f"    length           {bias}")
    return "\n".join(lines)
