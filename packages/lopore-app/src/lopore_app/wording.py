"""Scores and names in words for people."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from lopore.messages import counted
from lopore.record.interval import Interval

_SCORES = {"roc_auc": "ROC AUC", "pr_auc": "PR AUC", "f1": "F1", "balanced_accuracy": "Balanced acc."}


def words(name: str) -> str:
    """``lack_of_penetration`` as "lack of penetration"."""
    return name.replace("_", " ")


def rule_text(rule: str) -> str:
    """How a threshold was chosen, for people."""
    return "the best F1" if rule == "f1" else words(rule)


def score_name(name: str) -> str:
    """``roc_auc`` as "ROC AUC"."""
    return _SCORES.get(name) or words(name).capitalize()


def pairs_on_both_sides(leaks: int) -> str:
    """How far a split leaks, in words."""
    return f"{counted(leaks, 'pair of pictures stands', 'pairs of pictures stand')} on both sides"


def bounds(interval: Interval) -> str:
    """The 95 % interval, empty where there is none."""
    return "" if interval.low is None or interval.high is None else f"{interval.low:.3f} to {interval.high:.3f}"


def number(interval: Interval) -> str:
    """A score with its bounds for one cell."""
    if interval.value is None:
        return "not defined"
    told = bounds(interval)
    return f"{interval.value:.3f} ({told})" if told else f"{interval.value:.3f}"


def tiles(overall: Mapping[str, Interval]) -> None:
    """Scores in frames with their intervals."""
    told = {name: value for name, value in overall.items() if value.value is not None}
    for column, (name, value) in zip(st.columns(max(4, len(told))), told.items(), strict=False):
        with column.container(border=True, gap=None):
            st.metric(score_name(name), f"{value.value:.3f}")
            st.caption(bounds(value) or "no bounds")
