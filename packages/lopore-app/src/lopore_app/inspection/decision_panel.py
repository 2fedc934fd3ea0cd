"""The operating point of the model or one's own, the smallest region that counts, and the visitor's verdict."""

from __future__ import annotations

import streamlit as st

from lopore.models.opening import OpenModel
from lopore_app.inspection.view import LEAST, View, remember_now
from lopore_app.plain_text import plain
from lopore_app.review import records
from lopore_app.review.prediction_log import shown_name
from lopore_app.wording import words

VERDICTS = {"accept": "Accept", "reject": "Reject", "relabel": "Relabel"}


def threshold(model: OpenModel | None) -> float | None:
    """The reviewer's own threshold, at first the model's; None where the model's holds."""
    if model is None or not st.session_state.get("own_threshold"):
        return None
    # Set before the slider is drawn: the run that switches it on already decides by it.
    return float(st.session_state.setdefault("threshold", float(model.record.threshold.value or 0.5)))


def threshold_panel(model: OpenModel | None) -> None:
    """The model's operating point, or one's own."""
    if model is None:
        st.caption("No model, no threshold.")
        return
    own = model.record.threshold
    if st.toggle(
        "Set my own threshold",
        key="own_threshold",
        help=plain(f"The model's own: {own.value:.3f}, {own.rule}", 200),
        on_change=remember_now,
        args=("own_threshold",),
    ):
        st.slider("Threshold", 0.0, 1.0, step=0.01, key="threshold", on_change=remember_now, args=("threshold",))


def least_area_panel(now: View) -> None:
    """The smallest region of a segmentation model that counts."""
    st.number_input(
        "Leave out regions under (px)",
        min_value=0,
        max_value=1_000_000,
        step=10,
        key=LEAST,
        on_change=remember_now,
        args=(LEAST,),
        help="Area in pixels of the film. A smaller region is not outlined and makes no call; the log names the rule.",
    )
    pitch, least = now.film.full.pixel_pitch_mm if now.film is not None else None, st.session_state.get(LEAST)
    if pitch and least:
        st.caption(f"{least} px of this film are {least * pitch**2:.3g} mm².")


def verdict(key: str, classes: tuple[str, ...]) -> None:
    """What the reviewer says of the call; it goes into the session's records."""
    entry = next((entry for entry in records.entries(st.session_state) if entry.key == key), None)
    if entry is None:
        return
    with st.container(key="verdict"):
        _verdict(entry, classes)


def _verdict(entry: records.Entry, classes: tuple[str, ...]) -> None:
    said = entry.review.verdict if entry.review.verdict in VERDICTS else None
    word = st.segmented_control(
        f"Your verdict on {plain(shown_name(entry, 40))}",
        list(VERDICTS),
        default=said,
        format_func=VERDICTS.__getitem__,
        key=f"verdict/{entry.key}",
        width="stretch",
        help="Kept in the table on the Records page, where it can be given a note and downloaded.",
    )
    label = entry.review.label
    if word == "relabel":
        names = [name for name in classes if name not in entry.prediction.decision.labels]
        at = names.index(label) if label in names else None
        label = st.selectbox("It is", names, index=at, format_func=words, placeholder="Choose the right class") or ""
        word = word if label else None  # no class is put into the reviewer's mouth
    if (word or "open") != entry.review.verdict or (word == "relabel" and label != entry.review.label):
        records.review(st.session_state, entry.key, word or "open", label, entry.review.note)
