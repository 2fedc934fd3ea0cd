"""Extensions: what is installed, from which package, what is wrong with it, and what to install for what."""

from __future__ import annotations

import os

import streamlit as st

from lopore.plugins.registry import discover
from lopore_app.extensions_panel import plugins, problems, registry_entries, to_install
from lopore_app.plain_text import plain


def page() -> None:
    """The whole page."""
    registry = discover()
    st.title("Extensions", anchor=False)
    st.caption(
        "Found at run time: anything installed with the entry-point group `lopore` appears here and on the other pages."
    )
    problems(registry)
    st.header("Packages", anchor=False)
    plugins(registry)
    st.header("What they offer", anchor=False)
    registry_entries(registry)
    st.header("What to install for what", anchor=False)
    to_install()
    if os.environ.get("LOPORE_MODELS"):
        st.caption(f"LOPORE_MODELS: {plain(os.environ['LOPORE_MODELS'], 300)}")


page()
