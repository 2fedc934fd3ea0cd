"""Curves of a report; colours and text follow the theme. No Streamlit in here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import altair as alt

from lopore_app.charts.axes import CHART_SIDE, FIFTHS, inline_data
from lopore_app.theme import SERIES
from lopore_app.wording import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lopore.metrics.calibration import ClassCalibration


def curves(points: Mapping[str, NDArray[np.float64]], across: str, up: str, *, diagonal: bool) -> Any:
    """A line a class through (n, 2) points in 0..1."""
    rows = [
        {"class": words(name), "x": float(x), "y": float(y), "at": number}
        for name, line in points.items()
        for number, (x, y) in enumerate(line)
    ]
    domain = [words(name) for name in points]
    chart = (
        alt.Chart(inline_data(rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("x:Q", title=across, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(**FIFTHS)),
            y=alt.Y("y:Q", title=up, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(**FIFTHS)),
            order=alt.Order("at:Q"),
            color=alt.Color(
                "class:N",
                title=None,
                scale=alt.Scale(domain=domain, range=list(SERIES[: len(domain)])),
                legend=alt.Legend(orient="bottom", columns=2),
            ),
            tooltip=["class:N", alt.Tooltip("x:Q", title=across, format=".3f"), alt.Tooltip("y:Q", format=".3f")],
        )
    )
    ends = [{"x": 0, "y": 0}, {"x": 1, "y": 1}] if diagonal else []
    line = (
        alt.Chart(inline_data(ends))
        .mark_line(strokeDash=[4, 4], color="#9aa5b1", strokeWidth=1)
        .encode(x="x:Q", y="y:Q")
    )
    return alt.layer(line, chart).properties(height=CHART_SIDE)


def reliability(one: ClassCalibration) -> Any:
    """Share over mean score of each bin: a line up is its interval, one across the scores that it holds."""
    rows = [
        {
            "score": each.score,
            "share": each.share.value,
            "low": each.share.value if each.share.low is None else each.share.low,
            "high": each.share.value if each.share.high is None else each.share.high,
            "least": each.low,
            "most": each.high,
            "images": each.images,
            "groups": each.groups,
        }
        for each in one.bins
    ]
    unit, fifths = alt.Scale(domain=[0, 1]), alt.Axis(**FIFTHS)
    base = alt.Chart(inline_data(rows)).encode(
        x=alt.X("score:Q", title="score", scale=unit, axis=fifths),
        y=alt.Y("share:Q", title="share that is so", scale=unit, axis=fifths),
        tooltip=[alt.Tooltip("score:Q", title="mean score", format=".3f"), alt.Tooltip("share:Q", format=".3f"),
                 alt.Tooltip("low:Q", format=".3f"), alt.Tooltip("high:Q", format=".3f"), "images:Q", "groups:Q"],
    )  # fmt: skip
    ink: dict[str, Any] = {"color": "#8a94a0", "strokeWidth": 2}
    up = base.mark_rule(**ink).encode(y=alt.Y("low:Q", title="share that is so"), y2="high:Q")
    across = base.mark_rule(**ink, opacity=0.55).encode(x=alt.X("least:Q", title="score"), x2="most:Q")
    line = base.mark_line(strokeWidth=2, color=SERIES[0])
    points = base.mark_circle(size=70, opacity=1, color=SERIES[0])
    ends = [{"x": 0, "y": 0}, {"x": 1, "y": 1}]
    right = alt.Chart(inline_data(ends)).mark_line(strokeDash=[4, 4], color="#9aa5b1", strokeWidth=1)
    return alt.layer(right.encode(x="x:Q", y="y:Q"), across, up, line, points).properties(height=CHART_SIDE)
