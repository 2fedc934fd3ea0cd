"""The bench: picture, films, decision and dials. One fragment, so that a dial reruns this and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import streamlit as st

from lopore.errors import LoporeError
from lopore.models.opening import OpenModel
from lopore.preprocessing.enhancement_chain import Chain
from lopore_app.filmstrip import State, answer_some, state_of, tally, thumbnails, waiting
from lopore_app.inspect.card import prediction_card, verdict
from lopore_app.inspect.enhancing import enhance_panel, eye_panel
from lopore_app.inspect.evidence import Wish, evidence_panel, heat_maps
from lopore_app.inspect.looking import (
    CHAIN,
    EYE,
    LEAST,
    Look,
    choose,
    chosen,
    component_state,
    desk_for,
    dialled,
    good_chain,
    keep,
    look,
    remember,
    remember_now,
)
from lopore_app.inspect.pictures import show_pictures
from lopore_app.logs import log_json, name_on_a_page
from lopore_app.records import entries
from lopore_app.session import Desk, Upload, enhanced_file
from lopore_app.steps import Dialled
from lopore_app.viewer import carry, filmstrip
from lopore_app.widgets import plain

STRIP, MORE = "strip", "more"
AROUND, AROUND_STRIP = 92, 154
"""Pixels of the page that the viewer leaves to what lies above and below it."""


@st.fragment
def workbench(model: OpenModel | None, uploads: Sequence[Upload]) -> None:
    """Everything about the films on the table."""
    remember()
    desk = desk_for(model)
    steps, edit = dialled(CHAIN)
    eye_steps, eye_edit = dialled(EYE)
    chain, wrong = good_chain(steps)
    own = threshold(model)
    now = look(desk, chosen(uploads), chain, own)
    picture, panel = st.columns([2.6, 1], gap="medium")
    with panel:
        card = st.container()
        wish = evidence_panel(desk) if model is not None else Wish()
    # Before anything is shown, so that whoever turns to another page at once finds it there.
    kept = keep(desk, now.upload, chain, now.answer, wish.one) if now.answer is not None and not edit.live else None
    with card:
        prediction_card(desk, now)
    with picture:
        around = AROUND + (AROUND_STRIP if len(uploads) > 1 else 0)
        show_pictures(desk, now, heat_maps(desk, now, wish, edit.live), _eye(eye_steps), around)
        if now.film is None:
            no_picture(around)
        if len(uploads) > 1:
            strip(desk, uploads, now, own)
    with panel, st.container(key="dials"):
        enhancing, deciding, saving = st.tabs(["Enhance", "Decision", "Save"])
        with enhancing:
            enhance_panel(desk, now, steps, edit, wrong)
            eye_panel(eye_steps, eye_edit)
        with deciding:
            threshold_panel(model)
            if desk.has_maps:
                least_area_panel(now)
            if now.answer is not None and kept is not None:
                verdict(kept, tuple(now.answer.prediction.scores))
        with saving:
            downloads(desk, uploads, now, wish, own)


def no_picture(around: int) -> None:
    """What stands in the place of the viewer where a file shows no film, so that nothing else moves."""
    with st.container(gap=None, key="picture"):
        st.html(
            f'<div class="lopore-nofilm" style="--around:{around}px">'
            "This file shows no film. The others are not touched by it.</div>"
        )


def _eye(steps: Dialled) -> Chain:
    try:
        return steps.chain()
    except LoporeError:
        return Chain()


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
        help=f"The model's own: {own.value:.3f}, {own.rule}",
        on_change=remember_now,
        args=("own_threshold",),
    ):
        st.slider("Threshold", 0.0, 1.0, step=0.01, key="threshold", on_change=remember_now, args=("threshold",))


def least_area_panel(now: Look) -> None:
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


def strip(desk: Desk, uploads: Sequence[Upload], now: Look, own: float | None) -> None:
    """The films; those that were not looked at are answered while the browser is idle."""
    if st.session_state.pop(MORE, False):
        for upload, answer in answer_some(desk, uploads, now.chain, own):
            keep(desk, upload, now.chain, answer)
    found = thumbnails(desk, uploads)
    text = json.dumps(found)
    states = [_state(desk, upload, now, own) for upload in uploads]
    films = [
        {"id": upload.sha256, "name": name_on_a_page(upload.name), "state": state.text, "tone": state.tone}
        for upload, state in zip(uploads, states, strict=True)
    ]
    more = bool(waiting(desk, uploads, now.chain))
    data = {"films": films, "selected": now.upload.sha256, "more": more, "tally": tally(states)}
    with st.container(gap=None):
        filmstrip(data, STRIP, _film_chosen, _more_asked)
        carry("thumbnails", hashlib.blake2b(text.encode(), digest_size=8).hexdigest(), text.encode())


def _state(desk: Desk, upload: Upload, now: Look, own: float | None) -> State:
    if upload is now.upload and now.film is None:
        return State("cannot be read", "broken")
    return state_of(desk, upload, now.chain, own)


def _film_chosen() -> None:
    choose(component_state(STRIP, "selected"))


def _more_asked() -> None:
    st.session_state[MORE] = True


def downloads(desk: Desk, uploads: Sequence[Upload], now: Look, wish: Wish, own: float | None) -> None:
    """The enhanced picture and the log of the films that have an answer."""
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
    if desk.model is None:
        return
    st.download_button(
        "Prediction log",
        lambda: log_of(desk, uploads, now.chain, wish, own),
        "lopore-log.json",
        "application/json",
        width="stretch",
        on_click="ignore",
        icon=":material/receipt_long:",
    )
    st.caption("The Records page has everything of this session: table, ZIP with overlays, report.")
    if now.answer is not None:
        spent = ", ".join(f"{name} {value:.0f} ms" for name, value in now.answer.milliseconds.items())
        st.caption(f"{spent}, by {plain(desk.model.predictor.name)}")


def log_of(desk: Desk, uploads: Sequence[Upload], chain: Chain, wish: Wish, own: float | None) -> str:
    """The log of every film that was answered after this chain."""
    keys = []
    for upload in uploads:
        if desk.broken(upload) is None and desk.answered(upload, chain):
            found = look(desk, upload, chain, own).answer
            keys += [keep(desk, upload, chain, found, wish.one)] if found is not None else []
    by_key = {entry.key: entry for entry in entries(st.session_state)}
    return log_json(by_key[key] for key in keys)
