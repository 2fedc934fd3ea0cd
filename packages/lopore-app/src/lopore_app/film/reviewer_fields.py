"""Who reads films: two fields that stand at the side of the page Film, with or without a film.

A browser whose server was started anew tells the new one what is in the fields that are drawn, and no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from lopore_app.film.film_review import Reviewer

REVIEWER, LEVEL = "film/reviewer", "film/level"
"""Settings that outlive a look at another page."""


def reviewer_fields() -> None:
    """Draw the fields."""
    for key in (REVIEWER, LEVEL):
        if key not in st.session_state and f"remembered/{key}" in st.session_state:
            st.session_state[key] = st.session_state[f"remembered/{key}"]
    name = st.text_input("Reviewer", key=REVIEWER, max_chars=80, placeholder="Name, kept with each verdict")
    level = st.text_input("Level", key=LEVEL, max_chars=40, placeholder="Qualification, such as RT 2")
    st.session_state[f"remembered/{REVIEWER}"], st.session_state[f"remembered/{LEVEL}"] = name, level


def reviewer_of_session() -> Reviewer:
    """Who decides; stands with each verdict."""
    from lopore_app.film.film_review import Reviewer

    name, level = (" ".join(str(st.session_state.get(key) or "").split()) for key in (REVIEWER, LEVEL))
    return Reviewer(name=name, level=level)
