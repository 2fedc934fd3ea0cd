"""The table of models, what one of them is, and what cannot be used."""

from __future__ import annotations

import streamlit as st

from lopore.errors import LoporeError
from lopore.record.folder import ModelFolder
from lopore_app.inspection.model_choice import MODEL, current_model_key
from lopore_app.models.catalogue import ModelCatalogue, unplaced
from lopore_app.models.model_facts import (
    COLUMN_WIDTHS,
    facts,
    input_facts,
    model_row,
    show_files,
    show_scores,
    training_facts,
)
from lopore_app.models.opening import open_folder
from lopore_app.plain_text import plain
from lopore_app.wording import pairs_on_both_sides


def model_table(catalogue: ModelCatalogue) -> ModelFolder:
    """All models; the row that is picked, else the one in use."""
    chosen = catalogue.named(current_model_key()) or catalogue.models[0]
    picked = st.dataframe(
        [model_row(folder) for folder in catalogue.models],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"models/table/{chosen.title}",  # another model in use is looked at first
        selection_default={"selection": {"rows": [catalogue.models.index(chosen)]}},
        column_config={name: st.column_config.TextColumn(width=width) for name, width in COLUMN_WIDTHS.items()},
    )
    rows: list[int] = picked.get("selection", {}).get("rows", [])
    if rows and rows[0] < len(catalogue.models):
        return catalogue.models[int(rows[0])]
    return chosen


def model_details(folder: ModelFolder) -> None:
    """Everything the record says of one model, and what can be done with it."""
    record = folder.record
    left, right = st.columns([3, 2], vertical_alignment="center")
    left.header(plain(folder.title), anchor=False)
    with right.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Check and open", icon=":material/verified:", key=f"open/{folder.title}"):
            _check(folder)
        if st.button(
            "Use in Inspect", type="primary", icon=":material/center_focus_strong:", key=f"use/{folder.title}"
        ):
            st.session_state[MODEL] = folder.title
            st.switch_page("app_pages/inspect.py")
    if record.leaks.leaks:
        st.error(
            f"Trained on a split that leaks ({pairs_on_both_sides(record.leaks.leaks)}): its score is "
            "too good and proves nothing."
        )
    scores, inputs, training, files = st.tabs(["Scores", "Input", "Training", "Files"])
    with scores:
        show_scores(record)
    facts(inputs, input_facts(record))
    facts(training, training_facts(record))
    with files:
        show_files(folder)


def _check(folder: ModelFolder) -> None:
    """Open the model now, which compares every weight file with its checksum."""
    try:
        model = open_folder(folder)
        st.toast(plain(f"{folder.title} is whole and open, by {model.predictor.name}"), icon=":material/check_circle:")
    except LoporeError as error:
        st.error(plain(unplaced(error, folder.path), 400))


def unusable_models(catalogue: ModelCatalogue) -> None:
    """Folders that look like models and cannot be used; they harm nothing else."""
    if not catalogue.broken:
        return
    st.header("Cannot be used", anchor=False)
    st.caption("These folders look like models. They are left out, and nothing else is affected.")
    for item in catalogue.broken:
        with st.container(border=True):
            left, right = st.columns([1, 4])
            left.text(f"{item.path.parent.name}/{item.path.name}")
            right.text(unplaced(item.reason, item.path)[:600])
