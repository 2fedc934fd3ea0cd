"""The film's number in lead letters, read where a person asks for it."""

from __future__ import annotations

from importlib.util import find_spec

import streamlit as st

from lopore.reading.film_source import FilmSource
from lopore_app.film.film_work import FilmWork
from lopore_app.film.lead_letters import LeadLetters
from lopore_app.film.letters_run import LettersRun
from lopore_app.film.quality import Line
from lopore_app.film.quality_panel import facts_list
from lopore_app.inspection.upload import Upload
from lopore_app.plain_text import plain

_RUNS = "film/letters"


def letters_panel(upload: Upload, source: FilmSource, work: FilmWork) -> None:
    """The button, and what was read; nothing where the extra ``letters`` is not installed and nothing was read."""
    runs: dict[str, LettersRun] = st.session_state.setdefault(_RUNS, {})
    run = runs.get(upload.key)
    if work.review is None:
        return
    if work.review.lead is None and run is not None and run.result is not None:
        work.review = work.review.model_copy(update={"lead": run.result})
    if work.review.lead is not None:
        facts_list(letters_lines(work.review.lead))
    elif run is not None and run.running:
        _progress(run)
    elif find_spec("rapidocr") is not None:
        if st.button(
            "Read the film number", icon=":material/pin:", width="stretch", key="film/letters/read",
            help="In lead letters, by the recogniser on this server: some seconds. What is read is a proposal.",
        ):  # fmt: skip
            runs[upload.key] = LettersRun(source).start()
            st.rerun()
        if run is not None and run.error is not None:
            st.error(plain(run.error, 300))


def letters_lines(lead: LeadLetters) -> tuple[Line, ...]:
    """The number as a proposal, and every string that was read."""
    if not lead.letters:
        return (("Film number", "no lead letters were read"),)
    number = f"{lead.number}: likely, confirm it on the film" if lead.number else "none among the letters"
    return ("Film number", number), ("Letters", ", ".join(lead.letters))


@st.fragment(run_every=0.7)
def _progress(run: LettersRun) -> None:
    if not run.running:
        st.rerun()
    st.caption(":material/hourglass_top: Reading the lead letters, some seconds")
