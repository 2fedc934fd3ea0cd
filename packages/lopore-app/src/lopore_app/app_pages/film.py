"""Film: one whole film, its marks, and what a person decides on each of them."""

from __future__ import annotations

import streamlit as st

from lopore_app.film.film_desk import film_desk
from lopore_app.inspection.model_choice import choose_model
from lopore_app.inspection.style import STYLE
from lopore_app.inspection.uploads import on_the_table, welcome
from lopore_app.models.catalogue import ModelCatalogue


def page() -> None:
    """The whole page."""
    st.html(STYLE)
    with st.sidebar:
        model = choose_model(ModelCatalogue.find())
        uploads = on_the_table()
    if uploads:
        film_desk(model, uploads)
    else:
        welcome()


page()
