"""What is looked at now: which film, after which chain, with which answer; kept in the session's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lopore.errors import LoporeError
from lopore.inference.regions import DetectionRule
from lopore.models.opening import OpenModel
from lopore.preprocessing.enhancement_chain import Chain
from lopore_app.inspection.edited_chain import EditedChain, as_data
from lopore_app.inspection.films import Enhanced, Film, InspectionResult
from lopore_app.inspection.filmstrip import tone_of
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.session import InspectionSession, explained_class
from lopore_app.inspection.upload import Upload
from lopore_app.models.opening import chain_key
from lopore_app.plain_text import plain
from lopore_app.review import records
from lopore_app.review.kept_records import record_answer

CHAIN, EYE = "chain", "eye"
LEAST = "least_area"
WIDGETS = ("own_threshold", "threshold", LEAST, "explainer", "all_explainers", "eye_step")
MEMORY = "memory"
_FILM, _IN_VIEW, _GOOD, _KEPT, _SEEN = "film", "film_in_view", "good_steps", "kept", "seen_edit"


@dataclass(frozen=True)
class Edit:
    """What the browser said of the dials. live: still moving. curve: a response curve is wanted for ``moved``."""

    number: int = 0
    live: bool = False
    curve: bool = False
    moved: tuple[int, str] | None = None


@dataclass(frozen=True)
class View:
    """One film after one chain. answer: None without a model, or where ``wrong`` says why there is none."""

    upload: Upload
    chain: Chain
    film: Film | None = None
    enhanced: Enhanced | None = None
    answer: InspectionResult | None = None
    wrong: str | None = None


def remember() -> None:
    """Keep what was set on this page while another page is looked at: Streamlit forgets widgets that are not drawn."""
    for key in WIDGETS:
        if key in st.session_state:
            st.session_state[f"remembered/{key}"] = st.session_state[key]
        elif f"remembered/{key}" in st.session_state:
            st.session_state[key] = st.session_state[f"remembered/{key}"]


def remember_now(key: str) -> None:
    """Keep one setting as soon as it changes: a run that another one overtakes may end before ``remember`` is there."""
    if key in st.session_state:
        st.session_state[f"remembered/{key}"] = st.session_state[key]


def session_for(model: OpenModel | None) -> InspectionSession:
    """This session's desk; what it computed stays when the model changes."""
    memory = st.session_state.setdefault(MEMORY, Memory())
    return InspectionSession(memory, model, DetectionRule(minimum_area_px=float(st.session_state.get(LEAST) or 0)))


def chosen(uploads: Sequence[Upload]) -> Upload:
    """The film that is looked at: the one that was chosen, else the first."""
    wanted = st.session_state.get(_FILM)
    found = next((upload for upload in uploads if upload.sha256 == wanted), uploads[0])
    st.session_state[_IN_VIEW] = found.sha256
    return found


def film_in_view() -> str | None:
    """sha256 of the film that is looked at, where one was."""
    return st.session_state.get(_IN_VIEW)


def choose(sha256: object) -> None:
    """Look at another film."""
    if isinstance(sha256, str):
        st.session_state[_FILM] = sha256


def edited_chain(key: str) -> tuple[EditedChain, Edit]:
    """The steps under a key as they stand after what the browser sent last."""
    before = st.session_state.setdefault(key, EditedChain())
    said = component_state(f"{key}/editor", "edit")
    now = before.edited(said)
    st.session_state[key] = now
    if not isinstance(said, Mapping) or said.get("version") != now.version:
        return now, Edit()
    return now, _edit(said)


def _edit(said: Mapping[str, Any]) -> Edit:
    number, moved = said.get("seq"), said.get("moved")
    known = isinstance(moved, list) and len(moved) == 2 and isinstance(moved[0], int) and isinstance(moved[1], str)
    return Edit(
        number if isinstance(number, int) else 0,
        said.get("live") is True,
        said.get("curve") is True,
        (moved[0], moved[1]) if known and isinstance(moved, list) else None,
    )


def component_state(key: str, name: str) -> object:
    """One state of a component, None before it has any."""
    state = st.session_state.get(key)
    return state.get(name) if isinstance(state, Mapping) else None


def new_edit(key: str, edit: Edit) -> bool:
    """Whether this edit was not seen before in this session."""
    seen = st.session_state.setdefault(_SEEN, {})
    fresh = bool(seen.get(key) != edit.number)
    seen[key] = edit.number
    return fresh


def good_steps(steps: EditedChain) -> tuple[EditedChain, str | None]:
    """The steps; where a value is not allowed, the last ones that were, and what is wrong."""
    try:
        Chain.parse(as_data(steps.active))
    except LoporeError as error:
        return st.session_state.get(_GOOD, EditedChain()), str(error)
    st.session_state[_GOOD] = steps
    return steps, None


def view_of(session: InspectionSession, upload: Upload, chain: Chain, threshold: float | None) -> View:
    """Film, enhanced image and answer, as far as they go; never an exception that a user can cause."""
    film = enhanced = None
    try:
        film = session.film(upload)
        enhanced = session.enhanced(film, chain)
        answer = session.answer(film, chain, threshold) if session.model is not None else None
    except LoporeError as error:
        return View(upload, chain, film, enhanced, None, str(error))
    return View(upload, chain, film, enhanced, answer)


def entry_of(
    session: InspectionSession, upload: Upload, answer: InspectionResult, explainer: str | None = None
) -> records.Entry:
    """The record of an answer. explainer: the one whose evidence is looked at, where one is."""
    assert session.model is not None
    return records.Entry.of(
        session.model,
        answer.prediction,
        film=upload.name,
        content=upload.content,
        explainer=explainer,
        explained_class=explained_class(answer.prediction) if explainer else None,
        milliseconds=answer.milliseconds,
        outlines=answer.regions.lines if answer.regions is not None else (),
        doubts=tuple(doubt.text for doubt in answer.doubts),
        tone=tone_of(answer.prediction.decision, answer.doubts),
    )


def keep(
    session: InspectionSession, upload: Upload, chain: Chain, answer: InspectionResult, explainer: str | None = None
) -> str:
    """Put an answer into the session's records, once; returns the record's key."""
    assert session.model is not None
    threshold = answer.prediction.decision.threshold
    recorded: dict[tuple[object, ...], str] = st.session_state.setdefault(_KEPT, {})
    asked = upload.key, session.model_key, chain_key(chain), threshold, session.rule, explainer
    if asked not in recorded or not any(entry.key == recorded[asked] for entry in records.entries(st.session_state)):
        entry = entry_of(session, upload, answer, explainer)
        recorded[asked] = records.keep(st.session_state, entry)
        try:
            record_answer(st.session_state, session.model, entry)
        except LoporeError as error:
            st.error(plain(error, 300))
    return recorded[asked]


def keep_unanswered(session: InspectionSession, upload: Upload, reason: str) -> None:
    """Put a film without an answer into the session's records, so that no file that leaves is silent about it."""
    model = session.model.folder.title if session.model is not None else ""
    records.keep_unanswered(
        st.session_state, records.Unanswered(upload.name, upload.sha256, upload.page, model, reason)
    )
