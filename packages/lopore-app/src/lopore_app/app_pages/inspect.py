"""Inspect: choose a model, drop films, dial enhancements, see the decision and what drove it."""

from __future__ import annotations

import streamlit as st

from lopore.errors import LoporeError
from lopore.models.opening import OpenModel
from lopore.record.folder import ModelFolder
from lopore_app.inspect.films import on_the_table, welcome
from lopore_app.inspect.style import STYLE
from lopore_app.inspect.workbench import workbench
from lopore_app.shelf import MODEL, Shelf, current_model_key, open_folder, unplaced
from lopore_app.widgets import plain

_CHOICE = "model_choice"


def choose_model(shelf: Shelf) -> OpenModel | None:
    """Model and version from what was found; opens on choice."""
    folder = None
    if not shelf.models:
        st.info("No model found. Train one, or start with `lopore app --models FOLDER`.")
    else:
        titles = [model.title for model in shelf.models]
        known = current_model_key()
        at = titles.index(known) if known in titles else 0
        st.selectbox("Model", titles, index=at, key=_CHOICE, on_change=_model_chosen)
        folder = shelf.named(st.session_state[_CHOICE])
        st.session_state[MODEL] = st.session_state[_CHOICE]
    if folder is not None:
        show_facts(folder)
    if shelf.broken:
        with st.expander(f"{len(shelf.broken)} unusable"):
            for broken in shelf.broken:
                st.text(f"{broken.path.parent.name}/{broken.path.name}: {unplaced(broken.reason, broken.path)}")
    try:
        return open_folder(folder) if folder is not None else None
    except LoporeError as error:
        st.error(plain(unplaced(error, folder.path) if folder else error, 400))
        return None


def _model_chosen() -> None:
    st.session_state[MODEL] = st.session_state[_CHOICE]


def show_facts(folder: ModelFolder) -> None:
    """Score with bounds, and what goes in."""
    record = folder.record
    auc = record.metrics.get("roc_auc")
    lines = [f"version {plain(record.version)}"]
    if auc is not None and auc.value is not None:
        bounds = f" ({auc.low:.3f} to {auc.high:.3f})" if auc.low is not None else ""
        lines.append(f"AUC {auc.value:.3f}{bounds}, {plain(record.metrics_split)}")
    if record.leaks.leaks:
        lines.append(":red[its split leaks: this score proves nothing]")
    plan = record.preprocessing
    lines += [plain(record.backbone), f"{plan.size[1]} x {plan.size[0]} px, {plan.depth} bit"]
    st.caption("  \n".join(lines))


def page() -> None:
    """The whole page."""
    st.html(STYLE)
    with st.sidebar:
        model = choose_model(Shelf.look())
        uploads = on_the_table()
    if uploads:
        workbench(model, uploads)
    else:
        welcome()


page()
