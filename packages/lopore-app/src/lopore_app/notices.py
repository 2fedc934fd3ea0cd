"""What every page says at its end: what this is, what it is not, and where uploads live."""

from __future__ import annotations

import streamlit as st

from lopore_app.kept_work import films_may_be_kept, work_folder
from lopore_app.viewer.session_notice import lost_session_notice
from lopore_app.wording import DEMONSTRATION

PRIVACY = (
    "Uploads and records live in the memory of this server, for this session: closing or reloading the page drops "
    "them. Nothing is kept on disk or sent elsewhere, and no usage statistics are collected."
)
PRIVACY_WITH_FOLDER = (
    "Uploads and records live in the memory of this server, for this session: closing or reloading the page drops "
    "them. Reviews of films (hashes, marks, verdicts, names of reviewers, no pixels) are kept in the folder that the "
    "server was given. Nothing is sent elsewhere, and no usage statistics are collected."
)
PRIVACY_WITH_FILMS = (
    "Uploads and records live in the memory of this server, for this session. Reviews of films are kept in the folder "
    "that the server was given; films are kept there only where you ask for it at the left, until you delete them. "
    "Nothing is sent elsewhere, and no usage statistics are collected."
)
LOST = (
    "The server was started anew, or this page was away for too long. The films and records of the session before are "
    "gone; drop the films once more."
)


def lost_session() -> None:
    """Said over the page in a browser that still shows what an earlier session held."""
    with st.container(key="lost_session", gap=None):
        lost_session_notice(LOST)


def footer() -> None:
    """The notices, small, under the page."""
    st.divider()
    left, right = st.columns(2, gap="large")
    left.caption(f":material/person_search: {DEMONSTRATION}")
    folder = PRIVACY_WITH_FILMS if films_may_be_kept() else PRIVACY_WITH_FOLDER
    right.caption(f":material/lock: {PRIVACY if work_folder() is None else folder}")
