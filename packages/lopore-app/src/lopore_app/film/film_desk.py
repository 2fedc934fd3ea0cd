"""The page Film put together: which film, its work, what is kept where, and the order of the panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from lopore.errors import LoporeError
from lopore.indications.acceptance_profile import Profile
from lopore.models.opening import OpenModel
from lopore.reading.radiograph import Radiograph
from lopore_app.film.acceptance_panel import verdict_panel
from lopore_app.film.beside_panel import changes_panel
from lopore_app.film.doubts_panel import cannot_be_judged
from lopore_app.film.film_panel import FilmPanel
from lopore_app.film.film_review import Reviewer, empty_review
from lopore_app.film.film_viewer import FILM_VIEWER, desk_key, show_film
from lopore_app.film.film_work import FilmWork, kept_review, state_text, verdict_of, work_for
from lopore_app.film.mark_panels import marks_panel
from lopore_app.film.quality_panel import measured_areas
from lopore_app.film.review_store import ReviewStore
from lopore_app.film.reviewer_fields import reviewer_of_session
from lopore_app.film.uploaded_film import read_film, to_shown, unreadable
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.upload import Upload
from lopore_app.inspection.uploads import on_their_pages
from lopore_app.inspection.view import MEMORY, component_state
from lopore_app.kept_work import work_folder
from lopore_app.plain_text import plain
from lopore_app.review.kept_records import record_film_review, record_inspection
from lopore_app.review.prediction_log import name_on_a_page
from lopore_app.viewer.component import carry, film_list

_WORKS, _CHOSEN, _LIST = "film/works", "film/chosen", "film/list"


def film_desk(model: OpenModel | None, uploads: Sequence[Upload]) -> None:
    """Everything about one whole film."""
    memory: Memory = st.session_state.setdefault(MEMORY, Memory())
    uploads = on_their_pages(uploads)
    reviewer = reviewer_of_session()
    left, right = st.columns([3.4, 1], gap="medium")
    works: dict[tuple[str, str], FilmWork] = st.session_state.setdefault(_WORKS, {})
    upload = _chosen(uploads)
    with left:
        above = st.container()
        film = _read(memory, upload, uploads)
    if film is None:
        with above:
            _choice(uploads, upload, works, reviewer.name, shown=False)
        return
    work = work_for(works, upload.key, reviewer.name)
    store = _taken_up(work, upload, film, reviewer)
    classes = tuple(model.record.classes) if model is not None else ()
    _acts_of(upload, work, reviewer, film, classes)
    with above:  # now it is known how far this film is
        _choice(uploads, upload, works, reviewer.name, shown=True)
    # What stands beside and under the image is hidden until the image is of the same film.
    with right, st.container(key="dials"), st.container(key="of_film"):
        panel = FilmPanel.drawn(memory, model, uploads, upload, film, work, works, reviewer)
        work.measure(panel.source.pixel_pitch_mm)
    with left:
        show_film(
            memory, upload, film.pixels, panel.source.pixel_pitch_mm, work, panel.heat, classes=classes,
            stored=store is not None, areas=measured_areas(panel.source, work), reviewer=reviewer.name,
            beside=panel.beside,
        )  # fmt: skip
        with st.container(key="below_film"):
            _status(work, reviewer, store)
            _findings(work, film, panel)
    panel.fill(work, reviewer, classes, works, store)
    carry("film/complete", desk_key(upload, reviewer.name), b"")  # after everything else of this film
    _save(work, store, reviewer)
    _record(work, model, panel.profile)


def _read(memory: Memory, upload: Upload, uploads: Sequence[Upload]) -> Radiograph | None:
    """The film, kept between runs of the page; None, and why, where it cannot be read. Files beside it that are none
    are named."""
    for reason in unreadable(memory, [one for one in uploads if one is not upload]):
        st.caption(f":orange[:material/warning:] No film: {plain(reason, 300)}")
    try:
        return memory.get(("whole", upload.key), lambda: read_film(upload), lambda it: int(it.pixels.nbytes))
    except LoporeError as error:
        st.error(plain(error, 400))
        return None


def _findings(work: FilmWork, film: Radiograph, panel: FilmPanel) -> None:
    """What stands under the film: marks, changes, verdict and notes."""
    cannot_be_judged(work)
    marks_panel(work)
    changes_panel(work, film.pixels.shape, panel.beside)
    if panel.profile is not None and work.review is not None and work.found is not None:
        verdict_panel(verdict_of(work.review, work.found, panel.profile), work.review.signature)


def _taken_up(work: FilmWork, upload: Upload, film: Radiograph, reviewer: Reviewer) -> ReviewStore | None:
    """What a run found, and the work of an earlier day; the store of the named folder, None where it cannot be read."""
    store = ReviewStore(folder) if (folder := work_folder()) is not None else None
    if not work.opened:
        work.opened = True
        try:
            before = kept_review(store, upload.sha256, upload.page, reviewer.name)
        except LoporeError as error:
            before, store = None, None
            st.error(plain(error, 400))
        if before is not None:
            work.take_kept(before)
    work.take_result()
    if work.review is None:
        work.review = empty_review(upload.name, upload.sha256, upload.page, film.pixels.shape, work.pitch)
    return store


def _acts_of(upload: Upload, work: FilmWork, reviewer: Reviewer, film: Radiograph, classes: Sequence[str]) -> None:
    """Do what the browser asked for."""
    drawn_class = st.session_state.get("film/draw_as") or (classes[0] if classes else "indication")
    said = component_state(FILM_VIEWER, "acts") if _is_of(upload, reviewer) else None
    work.take_acts(said, reviewer, to_shown(film.pixels.shape).inverse(), str(drawn_class))


def _chosen(uploads: Sequence[Upload]) -> Upload:
    """The film that is looked at: the one that was chosen, else the first; of a file with several pages, on its
    page."""
    wanted = st.session_state.get(_CHOSEN)
    return next((upload for upload in uploads if upload.sha256 == wanted), uploads[0])


def _choice(
    uploads: Sequence[Upload], upload: Upload, works: Mapping[tuple[str, str], FilmWork], reviewer: str, *, shown: bool
) -> None:
    """The films, and how far each is. shown: whether the chosen one can be read."""
    if len(uploads) == 1:
        return
    films = [
        {
            "id": one.sha256,
            "title": f"{name_on_a_page(one.name, 80)}  ·  {state_text(works.get((one.key, reviewer)))}",
        }
        for one in uploads
    ]
    film_list({"films": films, "selected": upload.sha256, "shown": shown}, _LIST, _choose)


def _choose() -> None:
    chosen = component_state(_LIST, "selected")
    if isinstance(chosen, str):
        st.session_state[_CHOSEN] = chosen


def _is_of(upload: Upload, reviewer: Reviewer) -> bool:
    """Whether the last acts of the browser are of this film and this reader."""
    said = component_state(FILM_VIEWER, "acts")
    return isinstance(said, Mapping) and said.get("film") == desk_key(upload, reviewer.name)


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


def _save(work: FilmWork, store: ReviewStore | None, reviewer: Reviewer) -> None:
    """Keep the review in the folder, where one was named, as soon as it differs from what is kept."""
    if store is None or work.review is None or work.review.untouched or work.review == work.saved:
        return
    try:
        work.saved = store.save(work.review, reviewer.name, work.saved)
    except LoporeError as error:
        st.error(plain(error, 400))
        return
    if work.saved != work.review:  # another tab has been at this film
        work.review, work.served = work.saved, work.served + 1
        st.rerun()


def _record(work: FilmWork, model: OpenModel | None, profile: Profile | None) -> None:
    """Into the records that app and service share: what was found, and what was decided since."""
    try:
        if work.found is not None and model is not None:
            record_inspection(st.session_state, model, work.found, profile)
        if work.review is not None and not work.review.untouched:
            record_film_review(st.session_state, work.review)
    except LoporeError as error:
        st.error(plain(error, 400))
