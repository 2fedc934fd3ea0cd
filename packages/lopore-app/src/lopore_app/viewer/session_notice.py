"""Whose session a page is of, and the notice on a page that outlived its session.

The first page waits for what this imports.
"""

from __future__ import annotations

import secrets

import streamlit as st

from lopore_app.viewer.front_files import front_text

_OWN = "session_number"
_session = st.components.v2.component(
    "lopore.session", css=front_text("session.css"), js=front_text("store.js", "session.js")
)


def _nothing() -> None:
    """Streamlit keeps a component's state only where it has a callback."""


def lost_session_notice(text: str) -> None:
    """Say ``text`` in a browser whose page began under another session: that one's films and records are gone.

    A page that comes back to a server is drawn anew, whichever session it finds there.
    """
    _session(data={"session": session_number(), "text": text}, key="session", on_back_change=_nothing)


def session_number() -> str:
    """A name for this visitor's session, which no other one has."""
    return str(st.session_state.setdefault(_OWN, secrets.token_hex(8)))
