"""What speaks against the marks of a film: "cannot be judged" is a result with a tone of its own."""

from __future__ import annotations

from html import escape

import streamlit as st

from lopore_app.film.film_work import FilmWork
from lopore_app.inspection.prediction_card import folded

UNJUDGED = "Cannot be judged by this model"


def cannot_be_judged(work: FilmWork) -> None:
    """The doubts and notes on an inspection, those of an earlier day where the marks are; nothing where there are
    none."""
    cautions = work.cautions
    if not cautions:
        return
    judged = not any(one.blocks for one in cautions)
    with st.container(key=f"call-{'doubted' if judged else 'unjudged'}", gap="xsmall"):
        if not judged:
            st.markdown(f"**{UNJUDGED}**: its marks are proposals all the same, and what is not marked is not sound.")
        if work.found is None:
            st.caption("Said when the marks were found:")
        lines = [
            f'<div class="lopore-caution {"grave" if one.blocks else ""}"><bdi>{escape(one.text)}</bdi></div>'
            for one in cautions
        ]
        st.html(folded(lines))
