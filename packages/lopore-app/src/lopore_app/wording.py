"""Scores, names and the standing notice in words for people. No Streamlit in here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lopore.messages import counted

if TYPE_CHECKING:
    from lopore.record.interval import Interval

DEMONSTRATION = (
    "A demonstration with a human in the loop. It certifies nothing and replaces no qualified radiographer: a person "
    "looks at every film and decides."
)


def words(name: str) -> str:
    """``lack_of_penetration`` as "lack of penetration"."""
    return name.replace("_", " ")


def rule_text(rule: str) -> str:
    """How a threshold was chosen, for people."""
    return "the best F1" if rule == "f1" else words(rule)


def pairs_on_both_sides(leaks: int) -> str:
    """How far a split leaks, in words."""
    return f"{counted(leaks, 'pair of images stands', 'pairs of images stand')} in both splits"


def bounds(interval: Interval) -> str:
    """The 95 % interval, empty where there is none."""
    return "" if interval.low is None or interval.high is None else f"{interval.low:.3f} to {interval.high:.3f}"


def number(interval: Interval) -> str:
    """A score with its bounds for one cell."""
    if interval.value is None:
        return "not defined"
    summary = bounds(interval)
    return f"{interval.value:.3f} ({summary})" if summary else f"{interval.value:.3f}"
