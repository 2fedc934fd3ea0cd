"""Which model answers: found at run time, chosen by the visitor, kept over pages."""

from __future__ import annotations

import streamlit as st

from lopore.errors import LoporeError
from lopore.metrics.score_names import score_name
from lopore.models.opening import OpenModel
from lopore.record.folder import ModelFolder
from lopore_app.models.catalogue import ModelCatalogue, unplaced
from lopore_app.models.opening import open_folder, runtimes
from lopore_app.plain_text import plain
from lopore_app.wording import bounds

MODEL = "model"
"""Where the session state keeps the title (``NAME/VERSION``) of the model that the user chose."""
_CHOICE = "model_choice"


def choose_model(catalogue: ModelCatalogue) -> OpenModel | None:
    """Model and version from what was found; opens on choice."""
    folder = None
    if not catalogue.models:
        st.info(
            "No model found. Install one (`pip install lopore-weld`), train one, or start with `lopore app --models "
            "FOLDER`."
        )
        if current_model_key() is not None:
            st.warning(f"The model {plain(current_model_key())} is gone from this server; nothing answers.")
    else:
        titles = [model.title for model in catalogue.models]
        known = current_model_key()
        gone = known is not None and known not in titles
        at = titles.index(known) if known in titles else None if gone else 0
        if st.session_state.get(_CHOICE) not in (*titles, None):
            del st.session_state[_CHOICE]  # else Streamlit would take the first in its place
        st.selectbox("Model", titles, index=at, key=_CHOICE, on_change=_model_chosen, placeholder="Choose a model")
        chosen = st.session_state[_CHOICE]
        if chosen is None:
            st.warning(
                f"The model {plain(known)} is gone from this server. Choose another one; nothing answers until then."
            )
        else:
            folder = catalogue.named(chosen)
            st.session_state[MODEL] = chosen
    if folder is not None:
        show_facts(folder)
    if catalogue.broken:
        with st.expander(f"{len(catalogue.broken)} unusable"):
            for broken in catalogue.broken:
                st.text(f"{broken.path.parent.name}/{broken.path.name}: {unplaced(broken.reason, broken.path)}")
    try:
        return open_folder(folder, _runtime(folder)) if folder is not None else None
    except LoporeError as error:
        st.error(plain(unplaced(error, folder.path) if folder else error, 400))
        return None


def _runtime(folder: ModelFolder) -> str | None:
    """The format that is opened, where several are installed for: another runtime may have other explainers."""
    found = runtimes(folder)
    if len(found) < 2:
        return None
    key, options = f"runtime/{folder.title}", list(found)
    if key not in st.session_state:
        st.session_state[key] = st.session_state.get(f"remembered/{key}", options[0])
    chosen = st.selectbox(
        "Runtime",
        options,
        format_func=lambda format: found[format],
        key=key,
        help="What runs the model. Some explainers, such as integrated gradients, need a runtime with gradients.",
    )
    st.session_state[f"remembered/{key}"] = chosen
    return chosen


def _model_chosen() -> None:
    st.session_state[MODEL] = st.session_state[_CHOICE]


def show_facts(folder: ModelFolder) -> None:
    """Score with bounds, and what goes in."""
    record = folder.record
    main = record.main_score
    lines = [f"version {plain(record.version)}"]
    if main is not None:
        name, score = main
        found = bounds(score)
        within = f" ({found})" if found else ""
        lines.append(plain(f"{score_name(name)} {score.value:.3f}{within}, {record.metrics_split}"))
    if record.leaks.leaks:
        lines.append(":red[its split leaks: this score proves nothing]")
    plan = record.preprocessing
    lines += [plain(record.backbone), f"{plan.size[1]} x {plan.size[0]} px, {plan.depth} bit"]
    st.caption("  \n".join(lines))


def current_model_key() -> str | None:
    """Title of the model that this session's user chose; None before a choice."""
    chosen = st.session_state.get(MODEL)
    return chosen if isinstance(chosen, str) else None
