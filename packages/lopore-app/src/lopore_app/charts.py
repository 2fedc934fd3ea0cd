"""Charts of the evaluation and model pages; colours and text follow the theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from lopore_app.theme import SERIES
from lopore_app.wording import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lopore.evaluation.shortcuts import Effect
    from lopore.metrics.calibration import ClassCalibration

_SIDE = 400
_FIFTHS: dict[str, Any] = {"values": [0, 0.2, 0.4, 0.6, 0.8, 1]}
_EVERY: dict[str, Any] = {"labelOverlap": False, "labelLimit": 112}


def _data(rows: Sequence[Mapping[str, Any]]) -> Any:
    inline: Any = alt.Data  # untyped in altair
    return inline(values=list(rows))


def curves(points: Mapping[str, NDArray[np.float64]], across: str, up: str, *, diagonal: bool) -> Any:
    """A line a class through (n, 2) points in 0..1."""
    rows = [
        {"class": words(name), "x": float(x), "y": float(y), "at": place}
        for name, line in points.items()
        for place, (x, y) in enumerate(line)
    ]
    domain = [words(name) for name in points]
    chart = (
        alt.Chart(_data(rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("x:Q", title=across, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(**_FIFTHS)),
            y=alt.Y("y:Q", title=up, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(**_FIFTHS)),
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
    line = alt.Chart(_data(ends)).mark_line(strokeDash=[4, 4], color="#9aa5b1", strokeWidth=1).encode(x="x:Q", y="y:Q")
    return alt.layer(line, chart).properties(height=_SIDE)


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
            "pictures": each.images,
            "groups": each.groups,
        }
        for each in one.bins
    ]
    unit, fifths = alt.Scale(domain=[0, 1]), alt.Axis(**_FIFTHS)
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("score:Q", title="score", scale=unit, axis=fifths),
        y=alt.Y("share:Q", title="share that is so", scale=unit, axis=fifths),
        tooltip=[alt.Tooltip("score:Q", title="mean score", format=".3f"), alt.Tooltip("share:Q", format=".3f"),
                 alt.Tooltip("low:Q", format=".3f"), alt.Tooltip("high:Q", format=".3f"), "pictures:Q", "groups:Q"],
    )  # fmt: skip
    ink: dict[str, Any] = {"color": "#8a94a0", "strokeWidth": 2}
    up = base.mark_rule(**ink).encode(y=alt.Y("low:Q", title="share that is so"), y2="high:Q")
    across = base.mark_rule(**ink, opacity=0.55).encode(x=alt.X("least:Q", title="score"), x2="most:Q")
    line = base.mark_line(strokeWidth=2, color=SERIES[0])
    points = base.mark_circle(size=70, opacity=1, color=SERIES[0])
    ends = [{"x": 0, "y": 0}, {"x": 1, "y": 1}]
    right = alt.Chart(_data(ends)).mark_line(strokeDash=[4, 4], color="#9aa5b1", strokeWidth=1)
    return alt.layer(right.encode(x="x:Q", y="y:Q"), across, up, line, points).properties(height=_SIDE)


def confusion(names: Sequence[str], table: Sequence[Sequence[int]], *, dark: bool = False) -> Any:
    """Rows true, columns answered; shade is the share of the row. dark: the page's ground is."""
    rows = [
        {
            "true": words(name),
            "answered": words(names[column]),
            "count": count,
            "share": count / max(1, sum(row)),
            "text": f"{count}",
            "dark": count / max(1, sum(row)) > 0.5,
        }
        for name, row in zip(names, table, strict=True)
        for column, count in enumerate(row)
    ]
    order = [words(name) for name in names]
    base = alt.Chart(_data(rows)).encode(
        x=alt.X("answered:N", sort=order, title="answered", axis=alt.Axis(labelAngle=-30, orient="top", **_EVERY)),
        y=alt.Y("true:N", sort=order, title="true", axis=alt.Axis(**_EVERY)),
        tooltip=["true:N", "answered:N", "count:Q", alt.Tooltip("share:Q", format=".0%")],
    )
    shade = alt.Scale(domain=[0, 1], range=["#1f83b41a", "#12618a"])
    cells = base.mark_rect(cornerRadius=3, stroke="#9aa5b166").encode(
        color=alt.Color("share:Q", scale=shade, legend=None)
    )
    text = base.mark_text(fontSize=15).encode(
        text="text:N",
        color=alt.condition("datum.dark", alt.value("#ffffff"), alt.value("#b6c0ca" if dark else "#4c5965")),
    )
    return alt.layer(cells, text).properties(height=max(_SIDE, 60 * len(names) + 90))


def drops(effects: Mapping[str, Effect], tolerance: float) -> Any:
    """The mean fall of the score for each region with its bounds, and where a finding begins."""
    rows = [
        {
            "region": region,
            "drop": effect.drop.value or 0.0,
            "low": effect.drop.low if effect.drop.low is not None else effect.drop.value,
            "high": effect.drop.high if effect.drop.high is not None else effect.drop.value,
            "kind": "the defect" if region == "mark" else "beside it",
        }
        for region, effect in effects.items()
    ]
    order = list(effects)
    base = alt.Chart(_data(rows)).encode(y=alt.Y("region:N", sort=order, title=None))
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=["the defect", "beside it"], range=[SERIES[0], SERIES[1]]),
        legend=alt.Legend(orient="bottom"),
    )
    bars = base.mark_bar(height=16, cornerRadius=2).encode(
        x=alt.X("drop:Q", title="mean fall of the score", scale=alt.Scale(domain=[-0.2, 1])),
        color=colour,
        tooltip=["region:N", alt.Tooltip("drop:Q", format=".3f"), alt.Tooltip("low:Q", format=".3f"),
                 alt.Tooltip("high:Q", format=".3f")],
    )  # fmt: skip
    bounds = base.mark_rule(color="#8a94a0", strokeWidth=2).encode(x="low:Q", x2="high:Q")
    line = alt.Chart(_data([{"x": tolerance}])).mark_rule(strokeDash=[4, 4], color="#c0504d").encode(x="x:Q")
    return alt.layer(bars, bounds, line).properties(height=44 * max(2, len(rows)) + 60)


def paired_scores(table: Sequence[tuple[str, float | None, float | None]], titles: tuple[str, str]) -> Any:
    """Two bars a class, one a model."""
    rows = [
        {"class": words(name), "model": title, "score": score}
        for name, *scores in table
        for title, score in zip(titles, scores, strict=True)
        if score is not None
    ]
    return (
        alt.Chart(_data(rows))
        .mark_bar(cornerRadius=2)
        .encode(
            x=alt.X("score:Q", scale=alt.Scale(domain=[0, 1]), title="score"),
            y=alt.Y("class:N", title=None, sort=[words(row[0]) for row in table]),
            yOffset=alt.YOffset("model:N", sort=list(titles)),
            color=alt.Color(
                "model:N",
                title=None,
                sort=list(titles),
                scale=alt.Scale(domain=list(titles), range=list(SERIES[:2])),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["model:N", "class:N", alt.Tooltip("score:Q", format=".4f")],
        )
        .properties(height=64 * max(2, len(table)) + 110)
    )
