"""Records: every prediction of this session, what the reviewer says of it, and the way out."""

from __future__ import annotations

import streamlit as st

from lopore_app.review.record_downloads import record_downloads
from lopore_app.review.records import entries, forget, newest, unanswered
from lopore_app.review.records_table import ALL, LATEST, panel, progress, table, warn_of_equal_names, without_answer
from lopore_app.review.review_form import form


def page() -> None:
    """The whole page."""
    st.title("Records", anchor=False)
    everything, failed = entries(st.session_state), unanswered(st.session_state)
    if not everything:
        st.info("No predictions yet in this session. Drop films on the page Inspect; each answer is kept here.")
        st.page_link("app_pages/inspect.py", label="Go to Inspect", icon=":material/center_focus_strong:")
        without_answer(failed)
        return
    above, switch = st.columns([5, 3], gap="medium", vertical_alignment="bottom")
    progress(above, everything)
    view = switch.segmented_control(
        "Show", [LATEST, ALL], default=LATEST, required=True, label_visibility="collapsed", key="records/view"
    )
    found = list(reversed(newest(everything) if view == LATEST else everything))
    left, right = st.columns([5, 3], gap="medium")
    with left:
        index = table(found)
        warn_of_equal_names(found)
    with right:
        panel(found, index)
        form(found, index)
    with left:
        record_downloads(list(reversed(found)), everything, failed)
        without_answer(failed)
        with st.expander("Forget this session's records"):
            st.caption("Drops every prediction and review of this page. Films that are still uploaded stay.")
            if st.button("Forget all records", icon=":material/delete:"):
                forget(st.session_state)
                st.rerun()


page()
