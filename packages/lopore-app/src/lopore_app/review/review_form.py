"""Accept, reject or relabel one prediction."""

from __future__ import annotations

import streamlit as st

from lopore.errors import LoporeError
from lopore_app.plain_text import plain
from lopore_app.review.kept_records import record_review
from lopore_app.review.records import MAX_NOTE, Entry, review
from lopore_app.review.records_table import SHOWN
from lopore_app.wording import words

_WORDS = {"accept": "Accept", "reject": "Reject", "relabel": "Relabel"}


def form(found: list[Entry], index: int) -> None:
    """Accept, reject or relabel, with a note; saving goes on to the next open film."""
    entry, said = found[index], found[index].review
    with st.form(f"review/{entry.key}", border=True):
        options = list(_WORDS)
        verdict = st.segmented_control(
            "Review of this call",
            options,
            default=said.verdict if said.verdict in options else None,
            format_func=lambda word: _WORDS[word],
            key=f"verdict/{entry.key}",
        )
        called = entry.prediction.decision.labels
        classes = list(dict.fromkeys([*(name for name in entry.classes if name not in called), *called]))
        given = [part for part in said.label.split("|") if part]
        labels = st.multiselect(
            "Right class, where it is relabelled",
            list(dict.fromkeys([*classes, *given])),
            default=given,
            format_func=words,
            accept_new_options=True,
            key=f"label/{entry.key}",
            placeholder="Choose, or write a new class",
        )
        note = st.text_area("Note", said.note, max_chars=MAX_NOTE, height=68, key=f"note/{entry.key}")
        if st.form_submit_button("Save and go on", type="primary", icon=":material/check:", width="stretch"):
            save(found, index, str(verdict or "open"), [str(label) for label in labels], note)


def save(found: list[Entry], index: int, verdict: str, labels: list[str], note: str) -> None:
    """Write the review down and look at the next film that is open."""
    if verdict == "open" and not note:
        st.warning("Choose accept, reject or relabel.")
        return
    try:
        record_review(st.session_state, review(st.session_state, found[index].key, verdict, "|".join(labels), note))
    except LoporeError as error:
        st.error(plain(error, 300))
        return
    order = [*found[index + 1 :], *found[:index]]
    following = next((entry for entry in order if entry.review.verdict == "open"), found[index])
    st.session_state[SHOWN] = following.key
    st.rerun()
