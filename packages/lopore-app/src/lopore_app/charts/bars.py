"""Bars: falls of a score, scores of two models. No Streamlit in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from lopore_app.charts.axes import inline_data
from lopore_app.theme import SERIES
from lopore_app.wording import words

if TYPE_CHECKING:
    from lopore.evaluation.shortcuts import Effect


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
    base = alt.Chart(inline_data(rows)).encode(y=alt.Y("region:N", sort=order, title=None))
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
    line = alt.Chart(inline_data([{"x": tolerance}])).mark_rule(strokeDash=[4, 4], color="#c0504d").encode(x="x:Q")
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
        alt.Chart(inline_data(rows))
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
