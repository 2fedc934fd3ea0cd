"""At which threshold, and the run of the model over the film."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from lopore.errors import LoporeError
from lopore.indications.acceptance_profile import Profile
from lopore.indications.options import InspectionOptions
from lopore.messages import counted
from lopore.models.opening import OpenModel
from lopore.reading.film_source import FilmSource
from lopore_app.film.film_viewer import carry_parts
from lopore_app.film.film_work import FilmWork, decided_anew
from lopore_app.film.inspection_run import InspectionRun
from lopore_app.film.uploaded_film import to_shown
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.upload import Upload
from lopore_app.models.opening import fingerprint, model_key
from lopore_app.plain_text import plain


def threshold_field(model: OpenModel) -> float | None:
    """The probability that a mark reaches; None for the model's own."""
    own, key = float(model.record.threshold.value), f"film/threshold/{fingerprint(model.folder)}"
    if key not in st.session_state:
        st.session_state[key] = st.session_state.get(f"remembered/{key}", own)
    chosen = float(
        st.slider(
            "Threshold",
            0.0,
            1.0,
            step=0.01,
            key=key,
            help="Another threshold asks the network nothing: the film's map is there.",
        )
    )
    st.session_state[f"remembered/{key}"] = chosen
    if chosen == own:
        st.caption("The model's own")
        return None
    st.button(f"Back to the model's own, {own:.3f}", on_click=_own_threshold, args=(key, own), width="stretch")
    return chosen


def seam_field() -> Literal["off", "only"]:
    """Whether marks beside the weld, such as those of lead letters, are set aside; they stay in every file."""
    key = "film/seam"
    if key not in st.session_state:
        st.session_state[key] = st.session_state.get(f"remembered/{key}", False)
    only = st.toggle("Set aside marks beside the weld", key=key, help="Where a weld is found; they stay in the report")
    st.session_state[f"remembered/{key}"] = only
    return "only" if only else "off"


def set_aside_line(work: FilmWork) -> None:
    """How many marks are set aside, once it is known."""
    if work.found is None or work.found.options.seam == "off":
        return
    set_aside = f"{counted(len(work.found.set_aside), 'mark')} set aside"
    st.caption(set_aside if work.found.seam is not None else "No weld was found: nothing is set aside")


def _own_threshold(key: str, own: float) -> None:
    st.session_state[key] = own


def asked_of(
    model: OpenModel, source: FilmSource, options: InspectionOptions, profile: Profile | None
) -> tuple[tuple[object, ...], tuple[object, ...]]:
    """What a map depends on, and what the marks on it depend on."""
    covering = model_key(model), source.sha256, source.page, source.pixel_pitch_mm
    values = tuple(sorted(options.variables.items()))
    return covering, (options.threshold, options.seam, profile.sha256 if profile else "", values)


def run_panel(
    work: FilmWork,
    upload: Upload,
    model: OpenModel,
    source: FilmSource,
    options: InspectionOptions,
    profile: Profile | None,
    visitor: Memory,
) -> None:
    """The button, the bar while it runs, and why nothing came."""
    covering, deciding = asked_of(model, source, options, profile)
    if work.run is not None and work.run.running:
        _progress(work.run, upload, source.shape)
        return
    if work.found is not None and work.asked[:1] == (covering,) and work.asked[1:] != (deciding,):
        try:
            work.set_found(decided_anew(work.found, model, source, options, profile))
            work.asked = covering, deciding
        except LoporeError as error:
            st.error(plain(error, 400))
    stale = work.found is not None and work.asked[:1] != (covering,)
    if stale:
        st.caption(":orange[:material/warning:] The marks are of another model or pitch; inspect the film again.")
    label = "Inspect the film" if work.found is None or stale else "Inspect it again"
    kind: Literal["primary", "secondary"] = "primary" if work.found is None or stale else "secondary"
    if st.button(label, type=kind, icon=":material/search:", width="stretch", key="film/inspect"):
        work.run = InspectionRun(model, source, options, profile, visitor).start()
        work.asked = covering, deciding
        st.rerun()
    if work.problem:
        st.error(plain(work.problem, 400))


@st.fragment(run_every=0.7)
def _progress(run: InspectionRun, upload: Upload, shape: tuple[int, int]) -> None:
    if not run.running:
        st.rerun()
    now = run.progress
    carry_parts(upload, run.parts, to_shown(shape))
    st.progress(now.share, text=plain(now.text, 120) if now.total else "Reading the film")
    if st.button("Stop", icon=":material/stop:", width="stretch", key="film/stop"):
        run.stop()
