"""What speaks against the marks of a film: "cannot be judged" is a result with a tone of its own."""

from __future__ import annotations

from html import escape

import streamlit as st

from lopore.indications.film_inspection import FilmInspection
from lopore_app.inspection.prediction_card import folded

UNJUDGED = "Cannot be judged by this model"


def cannot_be_judged(found: FilmInspection | None) -> None:
    """The doubts about an inspection; nothing where there are none."""
    if found is None or not found.doubts:
        return
    with st.container(key=f"call-{'doubted' if found.judged else 'unjudged'}", gap="xsmall"):
        if not found.judged:
            st.markdown(f"**{UNJUDGED}**: its marks are proposals all the same, and what is not marked is not sound.")
        lines = [
            f'<div class="lopore-caution {"grave" if doubt.blocks else ""}">{escape(doubt.text)}</div>'
            for doubt in found.doubts
        ]
        st.html(folded(lines))
