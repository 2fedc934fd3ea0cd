"""The frame of the pages that work on the films on the table: model and films at the side, else a welcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from lopore.models.opening import OpenModel
from lopore_app.inspection.films import Upload
from lopore_app.models.catalogue import ModelCatalogue

from .model_choice import choose_model
from .style import STYLE
from .uploads import on_the_table, welcome


def table_page(body: Callable[[OpenModel | None, Sequence[Upload]], None]) -> None:
    """The whole page; ``body`` draws it where there are films."""
    st.html(STYLE)
    with st.sidebar:
        above = st.container()
        uploads = on_the_table()  # the field is there before a model is opened, which takes its time
        with above:
            model = choose_model(ModelCatalogue.find())
    if uploads:
        body(model, uploads)
    else:
        welcome()
