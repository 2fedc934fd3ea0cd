"""Quality first: what is known of the film before a verdict, its pitch, the thinnest wire, boxes that are measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import streamlit as st

from lopore.reading.film_source import FilmSource
from lopore.reading.radiograph import Radiograph
from lopore_app.film.areas import MOST_AREAS, AreaStatistics, area_row, area_statistics, parse_areas
from lopore_app.film.film_review import Reviewer
from lopore_app.film.film_viewer import FILM_VIEWER, film_key
from lopore_app.film.film_work import FilmWork
from lopore_app.film.quality import FilmQuality, Line, measure_quality
from lopore_app.film.uploaded_film import GIVEN, to_shown
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.upload import Upload
from lopore_app.inspection.view import component_state
from lopore_app.viewer.pixels import parse_line

NOT_STATED = "not stated"


def quality_of(memory: Memory, upload: Upload, source: FilmSource) -> FilmQuality:
    """Measured once for a film and a pitch."""
    key = "quality", upload.key, str(source.pixel_pitch_mm)
    return memory.get(key, lambda: measure_quality(source), lambda _: 1 << 16)


def quality_panel(lines: Sequence[Line]) -> None:
    """What is known, each statement with its source; several notes are folded."""
    facts, notes = [line for line in lines if line[0] != "Note"], [line for line in lines if line[0] == "Note"]
    if len(notes) < 2:
        st.html(_rows(lines))
        return
    st.html(
        f'{_rows(facts)}<details class="lopore-doubts"><summary>{len(notes)} notes</summary>{_rows(notes)}</details>'
    )


def facts_list(lines: Sequence[Line]) -> None:
    """Statements, one under the other."""
    st.html(_rows(lines))


def header_panel(lines: Sequence[Line]) -> None:
    """What the film's own file says."""
    with st.expander("Header of the file"):
        st.html(_rows(lines, "lopore-facts long"))


def _rows(lines: Sequence[Line], kind: str = "lopore-facts") -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd><bdi>{escape(text)}</bdi></dd>" for name, text in lines)
    return f'<dl class="{kind}">{rows}</dl>'


def pitch_field(upload: Upload, film: Radiograph, work: FilmWork) -> None:
    """The size of a film pixel: as the file states it, as the person gives it, or by a known object on the film."""
    key = f"film/pitch/{upload.key}"
    if key not in st.session_state or work.pitch_restored:
        st.session_state[key], work.pitch_restored = work.pitch, False
    stated = film.pixel_pitch_mm
    given = st.number_input(
        "Pixel pitch in mm",
        min_value=0.0005,
        max_value=10.0,
        step=0.001,
        format="%.5f",
        key=key,
        placeholder=f"{stated:.4g}, stated by the file" if stated else "not known",
        help="Of this film. Without a pitch nothing is measured in mm: it is never guessed.",
    )
    if given != work.pitch:
        work.pitch, work.pitch_from = given, GIVEN
    with st.expander("Calibrate by a known object", icon=":material/straighten:"):
        line = parse_line(component_state(FILM_VIEWER, "line"), film_key(upload))
        if line is None:
            st.caption("Draw a line (tool Line) from one end of an object of known length to the other.")
            return
        pixels = math.hypot(line[2] - line[0], line[3] - line[1])
        st.caption(f"The last line is {pixels:.1f} px long.")
        length = st.number_input("Its true length in mm", min_value=0.1, value=None, key=f"film/length/{upload.key}")
        st.button(
            "Take it as the pitch", on_click=_calibrate, args=(work, key, length, pixels), disabled=not length,
            width="stretch", key="film/calibrate",
        )  # fmt: skip


def _calibrate(work: FilmWork, key: str, length: float, pixels: float) -> None:
    st.session_state[key] = work.pitch = length / pixels
    work.pitch_from = f"calibrated on the film: {length:g} mm over {pixels:.1f} px"


def wire_field(work: FilmWork, reviewer: Reviewer) -> None:
    """The thinnest wire that the reader sees."""
    if work.review is None:
        return
    options = [NOT_STATED, *(f"W{number}" for number in range(1, 20))]
    said = work.review.wire.number if work.review.wire is not None else 0
    chosen = st.selectbox(
        "Thinnest wire seen", options, index=said, help="By its number in ISO 19232-1, with your name at it",
        key=f"film/wire/{work.review.sha256}/{work.review.page}/{reviewer.name}/{work.served}",
    )  # fmt: skip
    number = options.index(chosen)
    if number != said:
        work.step(work.review.with_wire(number or None, reviewer))


def take_areas(upload: Upload, source: FilmSource, work: FilmWork) -> None:
    """Take over the boxes that were drawn since the last time."""
    said = component_state(FILM_VIEWER, "area")
    for number, box in parse_areas(said, film_key(upload), to_shown(source.shape).inverse(), source.shape):
        if number > work.area_taken:
            work.area_taken = number
            work.areas = [*work.areas[-MOST_AREAS + 1 :], box]


def measured_areas(source: FilmSource, work: FilmWork) -> list[AreaStatistics]:
    """Statistics of every box that was drawn; contrast against the first."""
    return [area_statistics(source, box, work.areas[0]) for box in work.areas]


def areas_panel(measured: list[AreaStatistics], work: FilmWork) -> None:
    """The boxes in numbers."""
    if not measured:
        return
    st.dataframe([area_row(number, one) for number, one in enumerate(measured, start=1)], hide_index=True)
    for why in dict.fromkeys(one.why for one in measured if one.why):
        st.caption(escape(why))
    st.button(
        "Take the boxes away", icon=":material/close:", width="stretch", key="film/areas", on_click=work.areas.clear
    )
