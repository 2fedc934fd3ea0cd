"""Inspect: choose a model, drop films, dial enhancements, see the decision and what drove it."""

from __future__ import annotations

import streamlit as st

from lopore_app.inspection.model_choice import choose_model
from lopore_app.inspection.style import STYLE
from lopore_app.inspection.uploads import on_the_table, welcome
from lopore_app.inspection.workbench import workbench
from lopore_app.models.catalogue import ModelCatalogue


def page() -> None:
    """The whole page."""
    st.html(STYLE)
    with st.sidebar:
        model = choose_model(ModelCatalogue.find())
        uploads = on_the_table()
    if uploads:
        workbench(model, uploads)
    else:
        welcome()


page()
