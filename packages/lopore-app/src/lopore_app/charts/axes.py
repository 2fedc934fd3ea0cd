"""What every chart shares: size, axes, inline data. No Streamlit in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt

if TYPE_CHECKING:
    pass

CHART_SIDE = 400
FIFTHS: dict[str, Any] = {"values": [0, 0.2, 0.4, 0.6, 0.8, 1]}
EVERY_LABEL: dict[str, Any] = {"labelOverlap": False, "labelLimit": 112}


def inline_data(rows: Sequence[Mapping[str, Any]]) -> Any:
    inline: Any = alt.Data  # untyped in altair
    return inline(values=list(rows))
