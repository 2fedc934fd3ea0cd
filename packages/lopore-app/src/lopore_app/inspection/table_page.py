"""The frame of the pages that work on the films on the table: model and films at the side, else a welcome.

The field and the welcome stand before what a film needs is imported and the model is opened: both take their time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

import streamlit as st

from lopore_app.inspection.upload import Upload

from .style import STYLE
from .uploads import on_the_table, welcome

if TYPE_CHECKING:
    from lopore.models.opening import OpenModel


def table_page(module: str, name: str, side: Callable[[], None] | None = None) -> None:
    """The whole page; ``name`` of ``module`` is given the model and the films, where there are any.

    side: draws what stands under the field.
    """
    st.html(STYLE)
    with st.sidebar:
        above = st.container()
        uploads = on_the_table()
        if side is not None:
            side()
    if not uploads:
        welcome()
    with above:
        model = _chosen_model()
    if uploads:
        body: Callable[[OpenModel | None, Sequence[Upload]], None] = getattr(import_module(module), name)
        body(model, uploads)


def _chosen_model() -> OpenModel | None:
    from lopore_app.models.catalogue import ModelCatalogue

    from .model_choice import choose_model

    return choose_model(ModelCatalogue.find())
