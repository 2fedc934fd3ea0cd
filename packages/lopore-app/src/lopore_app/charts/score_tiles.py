"""Overall scores in frames, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from lopore.metrics.score_names import score_name
from lopore.record.interval import Interval
from lopore_app.wording import bounds


def score_tiles(overall: Mapping[str, Interval]) -> None:
    """Scores in frames with their intervals."""
    summary = {name: value for name, value in overall.items() if value.value is not None}
    for column, (name, value) in zip(st.columns(max(4, len(summary))), summary.items(), strict=False):
        with column.container(border=True, gap=None):
            st.metric(score_name(name), f"{value.value:.3f}")
            st.caption(bounds(value) or "no bounds")
