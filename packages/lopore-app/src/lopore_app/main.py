"""The page list; what Streamlit runs."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

PAGES = Path(__file__).with_name("pages")

st.set_page_config(page_title="lopore", page_icon=":material/center_focus_strong:", layout="wide")
st.navigation(
    [
        st.Page(PAGES / "inspect.py", title="Inspect", icon=":material/center_focus_strong:", default=True),
        st.Page(PAGES / "extensions.py", title="Extensions", icon=":material/extension:"),
    ],
    position="top",
).run()
