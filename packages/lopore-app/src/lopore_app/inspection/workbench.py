"""The bench: films, decision and dials. One fragment, so that a dial reruns this and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import streamlit as st

from lopore.errors import LoporeError
from lopore.models.opening import OpenModel
from lopore.preprocessing.enhancement_chain import Chain
from lopore_app.inspection.decision_panel import least_area_panel, threshold, threshold_panel, verdict
from lopore_app.inspection.edited_chain import EditedChain
from lopore_app.inspection.enhance_panel import enhance_panel, eye_panel
from lopore_app.inspection.explainer_panel import ExplainerChoice, evidence_panel, heat_maps
from lopore_app.inspection.filmstrip import ChainOf, State, answer_some, state_of, tally, thumbnails, waiting
from lopore_app.inspection.panes import show_images
from lopore_app.inspection.prediction_card import prediction_card
from lopore_app.inspection.save_panel import downloads
from lopore_app.inspection.session import InspectionSession
from lopore_app.inspection.upload import Upload
from lopore_app.inspection.uploads import on_their_pages, page_control
from lopore_app.inspection.view import (
    CHAIN,
    EYE,
    View,
    choose,
    chosen,
    component_state,
    edited_chain,
    good_steps,
    keep,
    keep_unanswered,
    remember,
    session_for,
    view_of,
)
from lopore_app.review.prediction_log import name_on_a_page
from lopore_app.viewer.component import carry, filmstrip

STRIP, MORE = "strip", "more"
AROUND, AROUND_STRIP = 92, 154
"""Pixels of the page that the viewer leaves to what lies above and below it."""


@st.fragment
def workbench(model: OpenModel | None, uploads: Sequence[Upload]) -> None:
    """Everything about the films on the table."""
    remember()
    session = session_for(model)
    steps, edit = edited_chain(CHAIN)
    eye_steps, eye_edit = edited_chain(EYE)
    good, wrong = good_steps(steps)
    own = threshold(model)

    def chain_of(upload: Upload) -> Chain:
        return good.chain(upload.sha256)

    uploads = on_their_pages(uploads)
    upload = chosen(uploads)
    now = view_of(session, upload, chain_of(upload), own)
    image, panel = st.columns([2.6, 1], gap="medium")
    with panel:
        card = st.container()
        choice = evidence_panel(session) if model is not None else ExplainerChoice()
    # Before anything is shown, so that whoever turns to another page at once finds it there.
    entry = None if edit.live else _logged(session, now, choice)
    with card:
        _card(session, now)
    with image:
        around = AROUND + (AROUND_STRIP if len(uploads) > 1 else 0)
        show_images(session, now, heat_maps(session, now, choice, edit.live), _eye(eye_steps), around)
        if now.film is None:
            no_film(around)
        if len(uploads) > 1:
            strip(session, uploads, now, chain_of, own)
    with panel, st.container(key="dials"):
        enhancing, deciding, saving = st.tabs(["Enhance", "Decision", "Save"])
        with enhancing:
            enhance_panel(session, now, steps, edit, wrong)
            eye_panel(eye_steps, eye_edit)
        with deciding:
            _deciding(session, model, now, entry)
        with saving:
            downloads(session, uploads, now, chain_of, own)


def _logged(session: InspectionSession, now: View, choice: ExplainerChoice) -> str | None:
    """The key of the entry in the prediction log; a film without an answer is noted as such."""
    if now.wrong is not None:
        keep_unanswered(session, now.upload, now.wrong)
    return None if now.answer is None else keep(session, now.upload, now.chain, now.answer, choice.one)


def _card(session: InspectionSession, now: View) -> None:
    if now.film is not None and now.film.full.source.pages > 1:
        page_control(now.upload, now.film.full.source.pages)
    prediction_card(session, now)


def _deciding(session: InspectionSession, model: OpenModel | None, now: View, entry: str | None) -> None:
    threshold_panel(model)
    if session.has_maps:
        least_area_panel(now)
    if now.answer is not None and entry is not None:
        verdict(entry, tuple(now.answer.prediction.scores))


def no_film(around: int) -> None:
    """What stands in the place of the viewer where a file shows no film, so that nothing else moves."""
    with st.container(gap=None, key="image"):
        st.html(
            f'<div class="lopore-nofilm" style="--around:{around}px">'
            "This file shows no film. The others are not touched by it.</div>"
        )


def _eye(steps: EditedChain) -> Chain:
    try:
        return steps.chain()
    except LoporeError:
        return Chain()


def strip(
    session: InspectionSession, uploads: Sequence[Upload], now: View, chain_of: ChainOf, own: float | None
) -> None:
    """The films; those that were not looked at are answered while the browser is idle."""
    if st.session_state.pop(MORE, False):
        for upload, answer in answer_some(session, uploads, chain_of, own):
            if isinstance(answer, str):
                keep_unanswered(session, upload, answer)
            else:
                keep(session, upload, chain_of(upload), answer)
    found = thumbnails(session, uploads)
    for upload in uploads:
        reason = session.broken(upload)
        if reason is not None:
            keep_unanswered(session, upload, reason)
    text = json.dumps(found)
    states = [_state(session, upload, now, chain_of, own) for upload in uploads]
    films = [
        {"id": upload.sha256, "name": name_on_a_page(upload.name), "state": state.text, "tone": state.tone}
        for upload, state in zip(uploads, states, strict=True)
    ]
    more = bool(waiting(session, uploads, chain_of))
    data = {
        "films": films,
        "selected": now.upload.sha256,
        "shown": now.film is not None,
        "more": more,
        "tally": tally(states),
    }
    with st.container(gap=None):
        filmstrip(data, STRIP, _film_chosen, _more_asked)
        carry("thumbnails", hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), text.encode())


def _state(session: InspectionSession, upload: Upload, now: View, chain_of: ChainOf, own: float | None) -> State:
    if upload is now.upload and now.film is None:
        return State("cannot be read", "broken")
    return state_of(session, upload, chain_of(upload), own)


def _film_chosen() -> None:
    choose(component_state(STRIP, "selected"))


def _more_asked() -> None:
    st.session_state[MORE] = True
