"""All films of the field through the model, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from lopore.indications.acceptance_profile import Profile
from lopore.indications.options import InspectionOptions
from lopore.models.opening import OpenModel
from lopore_app.film.film_queue import FilmQueue
from lopore_app.film.film_work import FilmWork, work_for
from lopore_app.film.inspection_run import InspectionRun
from lopore_app.film.run_panel import asked_of
from lopore_app.film.uploaded_film import film_source, read_film
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.upload import Upload

_QUEUE = "film/queue"


def queue_panel(
    memory: Memory, model: OpenModel, uploads: Sequence[Upload], works: dict[tuple[str, str], FilmWork], reviewer: str,
    options: InspectionOptions, profile: Profile | None,
) -> None:  # fmt: skip
    """The button where several films wait, and how far they are."""
    queue: FilmQueue | None = st.session_state.get(_QUEUE)
    if queue is not None and queue.running:
        _progress(queue)
        return
    for (_, name), one in works.items():
        if name == reviewer:
            one.take_result()
    waiting = [(upload, work) for upload in uploads if (work := works.get((upload.key, reviewer))) is None
               or work.found is None]  # fmt: skip
    if len(uploads) < 2 or not waiting:
        return
    label = f"Inspect all {len(waiting)} that wait" if len(waiting) < len(uploads) else f"Inspect all {len(uploads)}"
    if st.button(label, icon=":material/playlist_play:", width="stretch", key="film/all"):
        films = [(work := work_for(works, upload.key, reviewer),
                  partial(_begun, upload, work, model, options, profile, memory)) for upload, _ in waiting]  # fmt: skip
        st.session_state[_QUEUE] = FilmQueue(films, memory).start()
        st.rerun()


def _begun(
    upload: Upload, work: FilmWork, model: OpenModel, options: InspectionOptions, profile: Profile | None,
    memory: Memory,
) -> InspectionRun:  # fmt: skip
    """A run of one film at its own pitch."""
    source = film_source(upload, read_film(upload), work.pitch, work.pitch_from)
    own = options.model_copy(update={"mm_per_pixel": work.pitch})
    work.asked = asked_of(model, source, own, profile)
    return InspectionRun(model, source, own, profile, memory).start()


@st.fragment(run_every=1.0)
def _progress(queue: FilmQueue) -> None:
    if not queue.running:
        st.rerun()
    st.caption(f"Inspecting all films: {queue.text}")
    if st.button("Stop all", icon=":material/stop:", width="stretch", key="film/stop_all"):
        queue.stop()
