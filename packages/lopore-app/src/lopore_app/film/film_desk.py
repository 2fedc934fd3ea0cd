"""The page Film put together: which film, its work, what is kept where, and the order of the panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from lopore.errors import LoporeError
from lopore.indications.acceptance_profile import Profile
from lopore.indications.options import InspectionOptions
from lopore.models.opening import OpenModel
from lopore_app.film.film_panels import (
    film_downloads,
    mark_panel,
    marks_panel,
    pitch_field,
    profile_fields,
    reviewer_fields,
    run_panel,
    session_field,
    threshold_field,
    verdict_panel,
)
from lopore_app.film.film_review import Reviewer
from lopore_app.film.film_viewer import FILM_VIEWER, show_film
from lopore_app.film.film_work import FilmWork, kept_review, verdict_of
from lopore_app.film.review_store import ReviewStore, work_folder
from lopore_app.film.uploaded_film import film_source, read_film, to_shown
from lopore_app.inspection.films import Upload
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.uploads import on_their_pages, page_control
from lopore_app.inspection.view import MEMORY, component_state
from lopore_app.plain_text import plain
from lopore_app.review.kept_records import record_film_review, record_inspection
from lopore_app.review.prediction_log import name_on_a_page
from lopore_app.wording import words

_WORKS, _CHOSEN = "film/works", "film/chosen"


def film_desk(model: OpenModel | None, uploads: Sequence[Upload]) -> None:
    """Everything about one whole film."""
    memory: Memory = st.session_state.setdefault(MEMORY, Memory())
    uploads = on_their_pages(uploads)
    with st.sidebar:
        reviewer = reviewer_fields()
    top, panel = st.columns([3.4, 1], gap="medium")
    with top:
        upload = _chosen(uploads)
    try:
        film = memory.get(("whole", upload.key), lambda: read_film(upload), lambda it: int(it.pixels.nbytes))
    except LoporeError as error:
        st.error(plain(error, 400))
        return
    store = ReviewStore(folder) if (folder := work_folder()) is not None else None
    works: dict[str, FilmWork] = st.session_state.setdefault(_WORKS, {})
    work = works.setdefault(upload.key, FilmWork())
    try:
        before = kept_review(store, upload.sha256, upload.page, reviewer.name) if work.review is None else None
    except LoporeError as error:
        before, store = None, None
        st.error(plain(error, 400))
    work.take_result(before)
    if work.review is None and before is not None:
        work.review, work.served = before, work.served + 1
    classes = model.record.classes if model is not None else ()
    drawn_class = st.session_state.get("film/draw_as") or (classes[0] if classes else "indication")
    changed = work.take_acts(
        component_state(FILM_VIEWER, "acts") if _is_of(upload) else None,
        reviewer,
        to_shown(film.pixels.shape).inverse(),
        str(drawn_class),
    )
    with panel:
        pitch = pitch_field(film.pixel_pitch_mm)
        if film.source.pages > 1:
            page_control(upload, film.source.pages)
        profile = None
        if model is None:
            st.caption("No model: the film is shown, and marks of earlier sessions.")
        else:
            threshold = threshold_field(model)
            with st.expander("Acceptance"):
                profile, values = profile_fields()
            options = InspectionOptions(threshold=threshold, variables=values, mm_per_pixel=pitch)
            run_panel(work, model, film_source(upload, film, pitch), options, profile, memory)
        heat = _heat_choice(work)
    with top:
        show_film(
            memory,
            upload,
            film.pixels,
            pitch or film.pixel_pitch_mm,
            work,
            heat,
            classes=classes,
            kept=store is not None,
        )
        _status(work, reviewer, store)
    left, right = st.columns([3.4, 1], gap="medium")
    with left:
        marks_panel(work)
        if profile is not None and work.review is not None and work.found is not None:
            verdict_panel(verdict_of(work.review, work.found, profile))
        for note in work.found.notes if work.found is not None else ():
            st.caption(f":orange[:material/warning:] {plain(note, 300)}")
    reviews = [one.review for one in works.values() if one.review is not None]
    with right:
        if classes:
            st.selectbox("Drawn marks are", classes, format_func=words, key="film/draw_as")
        mark_panel(work, tuple(classes), reviewer)
        film_downloads(work, film_source(upload, film, pitch), profile, reviews)
        session_field(work, upload.sha256, upload.page)
    _save(work, store, reviewer, changed)
    _record(work, model, profile)


def _chosen(uploads: Sequence[Upload]) -> Upload:
    names = {upload.sha256: name_on_a_page(upload.name, 80) for upload in uploads}
    chosen = st.selectbox("Film", list(names), format_func=names.__getitem__, key=_CHOSEN, label_visibility="collapsed")
    return next(upload for upload in uploads if upload.sha256 == chosen)


def _is_of(upload: Upload) -> bool:
    """Whether the last acts of the browser are of this film."""
    said = component_state(FILM_VIEWER, "acts")
    return isinstance(said, Mapping) and said.get("film") == f"film/{upload.key}"


def _heat_choice(work: FilmWork) -> str:
    if work.found is None or work.found.map is None:
        return ""
    names = work.found.map.classes
    chosen = st.segmented_control("Heat", names, format_func=words, key="film/heat")
    return str(chosen) if chosen in names else ""


def _status(work: FilmWork, reviewer: Reviewer, store: ReviewStore | None) -> None:
    if work.problem and work.run is None:
        st.error(plain(work.problem, 300))
    if work.review is None:
        return
    where = "kept in the folder of this server" if store else "not kept anywhere: save the session before you leave"
    st.caption(
        f"N and P go through the marks, A accepts, R rejects, U undoes, ? lists all keys. The review is {where}."
        + ("" if reviewer.name else " Enter your name at the left, so that it stands with each verdict.")
    )


def _save(work: FilmWork, store: ReviewStore | None, reviewer: Reviewer, changed: bool) -> None:
    """Keep the review in the folder, where one was named, as soon as it differs from what is kept."""
    key = f"film/saved/{reviewer.name}"
    if store is None or work.review is None or (not changed and st.session_state.get(key) == work.review):
        return
    try:
        store.save(work.review, reviewer.name)
        st.session_state[key] = work.review
    except LoporeError as error:
        st.error(plain(error, 400))


def _record(work: FilmWork, model: OpenModel | None, profile: Profile | None) -> None:
    """Into the records that app and service share: what was found, and what was decided since."""
    try:
        if work.found is not None and model is not None:
            record_inspection(st.session_state, model, work.found, profile)
        if work.review is not None:
            record_film_review(st.session_state, work.review)
    except LoporeError as error:
        st.error(plain(error, 400))
