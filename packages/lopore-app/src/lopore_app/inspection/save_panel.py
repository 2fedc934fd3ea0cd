"""What can be saved from the page Inspect: the enhanced film, and the log of the films on the table."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lopore.preprocessing.enhancement_chain import Chain
from lopore_app.inspection.filmstrip import ChainOf
from lopore_app.inspection.session import InspectionSession, enhanced_file
from lopore_app.inspection.upload import Upload
from lopore_app.inspection.view import View, entry_of, view_of
from lopore_app.plain_text import plain
from lopore_app.review.prediction_log import log_json
from lopore_app.review.records import Entry, Unanswered, entries, unanswered, with_what_is_known


def downloads(
    session: InspectionSession, uploads: Sequence[Upload], now: View, chain_of: ChainOf, own: float | None
) -> None:
    """The enhanced image and the log of the films that have an answer.

    A file is made outside the visitor's script run, where nothing of a session is at hand: all that it needs is given
    to it here.
    """
    enhanced = now.enhanced
    if enhanced is not None:
        stem = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in now.upload.name.rsplit(".", 1)[0])
        st.download_button(
            "Enhanced image",
            lambda: enhanced_file(enhanced),
            f"{stem[:80]}-enhanced.png",
            "image/png",
            width="stretch",
            on_click="ignore",
            icon=":material/image:",
        )
    if session.model is None:
        return
    table, failed = entries(st.session_state), unanswered(st.session_state)
    asked = [(upload, chain_of(upload)) for upload in uploads]
    st.download_button(
        "Prediction log",
        lambda: log_of(session, asked, own, table, failed),
        "lopore-log.json",
        "application/json",
        width="stretch",
        on_click="ignore",
        icon=":material/receipt_long:",
    )
    st.caption("The Records page has everything of this session: table, ZIP with overlays, report.")
    if now.answer is not None:
        spent = ", ".join(f"{name} {value:.0f} ms" for name, value in now.answer.milliseconds.items())
        st.caption(f"{spent}, by {plain(session.model.predictor.name)}")


def log_of(
    session: InspectionSession,
    asked: Sequence[tuple[Upload, Chain]],
    threshold: float | None,
    table: Sequence[Entry],
    failed: Sequence[Unanswered],
) -> str:
    """The log of every film on the table that was answered after its chain, and of those that could not be.

    table, failed: the visitor's records and files without an answer, as they were when the page was drawn. A film that
    was answered under other settings than its record's is asked again; what the visitor said of the same call stays.
    """
    found = []
    for upload, chain in asked:
        if session.broken(upload) is None and session.answered(upload, chain):
            view = view_of(session, upload, chain, threshold)
            if view.answer is not None:
                found.append(with_what_is_known(entry_of(session, upload, view.answer), table))
    hashes = {upload.sha256 for upload, _ in asked}
    return log_json(found, [one for one in failed if one.sha256 in hashes])
