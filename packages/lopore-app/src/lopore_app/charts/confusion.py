"""The confusion matrix. No Streamlit in here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

from lopore_app.charts.axes import CHART_SIDE, EVERY_LABEL, inline_data
from lopore_app.wording import words

if TYPE_CHECKING:
    pass


def confusion(names: Sequence[str], table: Sequence[Sequence[int]], *, dark: bool = False) -> Any:
    """Rows true, columns answered; shade is the share of the row. dark: the page's ground is."""
    rows = [
        {
            "true": words(name),
            "answered": words(names[column]),
            "count": count,
            "share": count / max(1, sum(row)),
            "text": f"{count}",
            "dark": count / max(1, sum(row)) > 0.7,
        }
        for name, row in zip(names, table, strict=True)
        for column, count in enumerate(row)
    ]
    order = [words(name) for name in names]
    base = alt.Chart(inline_data(rows)).encode(
        x=alt.X("answered:N", sort=order, title="answered", axis=alt.Axis(labelAngle=-30, orient="top", **EVERY_LABEL)),
        y=alt.Y("true:N", sort=order, title="true", axis=alt.Axis(**EVERY_LABEL)),
        tooltip=["true:N", "answered:N", "count:Q", alt.Tooltip("share:Q", format=".0%")],
    )
    shade = alt.Scale(domain=[0, 1], range=["#1f83b41a", "#12618a"])
    cells = base.mark_rect(cornerRadius=3, stroke="#9aa5b166").encode(
        color=alt.Color("share:Q", scale=shade, legend=None)
    )
    text = base.mark_text(fontSize=15).encode(
        text="text:N",
        color=alt.condition("datum.dark", alt.value("#ffffff"), alt.value("#eef2f6" if dark else "#0f1720")),
    )
    return alt.layer(cells, text).properties(height=max(CHART_SIDE, 60 * len(names) + 90))
