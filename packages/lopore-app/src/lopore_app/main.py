"""The page list; what Streamlit runs."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from lopore_app.notices import footer, lost_session
from lopore_app.theme import STYLE

PAGES = Path(__file__).with_name("app_pages")
# An image of our own: Streamlit fetches named icons for the browser's tab from another host.
ICON = Path(__file__).with_name("icon.png")

st.set_page_config(page_title="lopore", page_icon=str(ICON), layout="wide")
page = st.navigation(
    [
        st.Page(PAGES / "inspect.py", title="Inspect", icon=":material/center_focus_strong:", default=True),
        st.Page(PAGES / "film.py", title="Film", icon=":material/panorama_horizontal:"),
        st.Page(PAGES / "models.py", title="Models", icon=":material/model_training:"),
        st.Page(PAGES / "records.py", title="Records", icon=":material/fact_check:"),
        st.Page(PAGES / "evaluation.py", title="Evaluation", icon=":material/monitoring:"),
        st.Page(PAGES / "extensions.py", title="Extensions", icon=":material/extension:"),
    ],
    position="top",
)
st.html(STYLE)
lost_session()
page.run()
footer()
