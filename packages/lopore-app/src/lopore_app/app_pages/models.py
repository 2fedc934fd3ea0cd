"""Models: what was found, what each one is, what cannot be used, and two of them on the same film."""

from __future__ import annotations

import streamlit as st

from lopore.models.catalogue import model_roots
from lopore_app.inspection.comparison_panel import compare
from lopore_app.models.catalogue import ModelCatalogue
from lopore_app.models.catalogue_panel import model_details, model_table, unusable_models
from lopore_app.plain_text import plain

ALL_MODELS, COMPARE = "All models", "Compare two"


def page() -> None:
    """The whole page."""
    st.title("Models", anchor=False)
    catalogue = ModelCatalogue.find()
    if not catalogue.models:
        roots = ", ".join(f"`{plain(root)}`" for root in model_roots()[1:])
        st.info(
            "No model found. Install one (`pip install lopore-weld`), train one with `lopore train`, or start with "
            "`lopore app --models FOLDER`." + (f" Looked in {roots} and in `./models/final`." if roots else "")
        )
        unusable_models(catalogue)
        return
    view = st.segmented_control(
        "View", [ALL_MODELS, COMPARE], default=ALL_MODELS, required=True, label_visibility="collapsed"
    )
    if view == COMPARE:
        compare(catalogue)
        return
    st.caption("Found at run time in the model folders of this server; a model is loaded when it is first used.")
    model_details(model_table(catalogue))
    unusable_models(catalogue)


page()
