"""Calibration of a report: may a score be read as a frequency, said in a sentence, drawn and in numbers."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from lopore.messages import counted
from lopore.metrics.calibration import (
    LEAST_A_SIDE,
    LEAST_GROUPS,
    TOP_LABEL,
    Calibration,
    ClassCalibration,
    ReliabilityBin,
)
from lopore.record.interval import Interval
from lopore_app.charts import lines
from lopore_app.plain_text import plain
from lopore_app.wording import bounds, number, words

Finding = Literal["short", "high", "low", "apart", "fits"]
_SHOWN = {"short": st.info, "high": st.warning, "low": st.warning, "apart": st.warning, "fits": st.success}


def calibration_panel(found: Calibration) -> None:
    """One class at a time, then all of them in a table."""
    st.caption(
        "May a score be read as a frequency? Of the images that are scored 0.8, 80 of 100 should carry the class. "
        "Intervals are 95 % over resampled groups; nothing here changes a score."
    )
    names = [name for name, _, _ in found.described]
    chosen = names[0]
    if len(names) > 1:
        chosen = st.segmented_control(
            "Scores of", names, default=names[0], required=True, format_func=_called, key="evaluation/calibration"
        )
    _one(chosen, next(one for name, one, _ in found.described if name == chosen))
    st.markdown("**All of them**")
    st.dataframe(_table(found), hide_index=True)
    st.caption(
        "Brier score: mean squared distance of score and truth, 0 is best; beside it that of always answering the "
        "share of the class, which a useful model stays below. Expected calibration error: mean distance of score and "
        "share over the bins, 0 is best; beside it about what chance alone gives on so few groups."
    )


def _one(name: str, one: ClassCalibration) -> None:
    finding, text = meaning(name, one)
    _SHOWN[finding](plain(text, 600))
    if not one.bins:
        return
    drawn, summary = st.columns([1, 1.25], gap="large")
    drawn.markdown("**Reliability**")
    drawn.altair_chart(lines.reliability(one))
    drawn.caption(
        "Below the dashed line scores are too high, above it too low. Upright lines are 95 % intervals, level ones the "
        "scores that a bin holds."
    )
    with summary:
        st.markdown("**Its bins**")
        st.dataframe(_bins(one), hide_index=True)
        st.caption(
            plain(f"{counted(one.groups, 'group stands', 'groups stand')} behind this: {_counts(name, one)}.", 300)
        )


def meaning(name: str, one: ClassCalibration) -> tuple[Finding, str]:
    """What the figures mean to whoever reads scores on films; plain text, not yet escaped.

    high, low: the highest scores are surely too high, too low. apart: scores as a whole surely are not the shares.
    fits: neither. short: too few films to tell.
    """
    whose = "" if name == TOP_LABEL else f" for {words(name)}"
    if not one.enough:
        return "short", (
            f"Too few films to tell whether a score{whose} is right as a frequency: {counted(one.groups, 'group')}, "
            f"{_counts(name, one)}; at least {LEAST_GROUPS} are needed, {LEAST_A_SIDE} of each kind. Until then read "
            "scores as an order of films, not as odds."
        )
    top = one.bins[-1]
    share, score = top.share, f"{top.score:.2f}"
    what = "answers were right" if name == TOP_LABEL else f"images carried {words(name)}"
    those = f"where the model said {score}{whose} on average, {_counted(top)} {what}{_percent(share)}"
    groups = f"On {counted(one.groups, 'group')}"
    if share.high is not None and share.high < top.score:
        return "high", f"{groups}, the highest scores{whose} are too high: {those}. Trust them less than they sound."
    if share.low is not None and share.low > top.score:
        return "low", f"{groups}, the highest scores{whose} are too low: {those}. They are surer than they sound."
    if one.ece.low:
        return "apart", (
            f"{groups}, scores{whose} are no frequencies: they lie {one.ece.value:.2f} off on average "
            f"({bounds(one.ece)}), more than chance gives. Read them as an order of films, not as odds."
        )
    return "fits", f"{groups}, nothing speaks against reading a score{whose} as a frequency: {those}."


def _counted(one: ReliabilityBin) -> str:
    return f"{round((one.share.value or 0.0) * one.images)} of {one.images}"


def _percent(share: Interval) -> str:
    return "" if share.low is None or share.high is None else f" ({100 * share.low:.0f} to {100 * share.high:.0f} %)"


def _called(name: str) -> str:
    return "the answer given" if name == TOP_LABEL else words(name)


def _counts(name: str, one: ClassCalibration) -> str:
    if name == TOP_LABEL:
        return f"{one.groups_with} with right answers and {one.groups_without} with wrong ones"
    return f"{one.groups_with} with {words(name)} and {one.groups_without} without"


def _table(found: Calibration) -> list[dict[str, object]]:
    return [
        {
            "Scores of": _called(name),
            "Groups": one.groups,
            "With": one.groups_with,
            "Without": one.groups_without,
            "Brier score": number(one.brier),
            "Always the share": "" if one.brier_of_share is None else f"{one.brier_of_share:.3f}",
            "Calibration error": number(one.ece) if one.enough else "too few groups",
            "By chance": "" if one.ece_by_chance is None else f"{one.ece_by_chance:.3f}",
        }
        for name, one, _ in found.described
    ]


def _bins(one: ClassCalibration) -> list[dict[str, object]]:
    return [
        {
            "Scores": f"{each.low:.3f} to {each.high:.3f}",
            "RecordImages": each.images,
            "Groups": each.groups,
            "Mean score": f"{each.score:.3f}",
            "Share that is so": number(each.share),
        }
        for each in one.bins
    ]
