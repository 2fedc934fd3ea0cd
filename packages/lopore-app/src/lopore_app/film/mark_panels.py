"""The table of marks, and the form of the one that is chosen."""

from __future__ import annotations

import streamlit as st

from lopore_app.film.film_review import Reviewer, Verdict
from lopore_app.film.film_work import FilmWork
from lopore_app.film.mark_table import mark_row
from lopore_app.viewer.component import mark_table
from lopore_app.wording import words

COLUMNS = (
    ("number", "No."), ("verdict", "Verdict"), ("class", "Class"), ("iso", "ISO 6520"), ("score", "Score"),
    ("x", "Along"), ("y", "Across"), ("length", "Length"), ("width", "Width"), ("area", "Area"), ("next", "To next"),
    ("note", "Note"),
)  # fmt: skip
BUTTONS: tuple[tuple[str, Verdict], ...] = (
    ("Accept (A)", "accepted"), ("Reject (R)", "rejected"), ("Keep open (O)", "open"),
)  # fmt: skip


def marks_panel(work: FilmWork) -> None:
    """The table, linked with the film."""
    review = work.review
    rows = [] if review is None else [mark_row(mark) for mark in review.marks]
    metric = review is not None and review.pixel_pitch_mm is not None
    units = dict.fromkeys(("x", "y", "length", "width", "next"), "mm" if metric else "px")
    units["area"] = "mm²" if metric else "px²"
    text = {"class", "iso", "verdict", "note"}
    columns = [
        {"key": key, "title": f"{title}, {units[key]}" if key in units else title, "number": key not in text}
        for key, title in COLUMNS
    ]
    looked = work.found is not None
    empty = "No indication was found." if looked else "No mark yet. Inspect the film, or draw what you see."
    mark_table({"columns": columns, "rows": rows, "empty": empty}, "film/marks")


def regions_panel(work: FilmWork) -> None:
    """The regions that are not to be judged, and the way back for each."""
    review = work.review
    if review is None or not review.ignored:
        return
    names = [
        f"{at}: x {one.box[0]:.0f} to {one.box[2]:.0f}, y {one.box[1]:.0f} to {one.box[3]:.0f} px"
        for at, one in enumerate(review.ignored, start=1)
    ]
    chosen = st.selectbox("Not judged", names, key=f"film/regions/{len(names)}")
    if st.button("Judge this region again", width="stretch", key="film/judge"):
        work.step(review.judging(names.index(chosen)))
        st.rerun()


def mark_panel(work: FilmWork, classes: tuple[str, ...], reviewer: Reviewer) -> None:
    """Class and note of the mark that is chosen by number; the verdict is a key or a button beside the film."""
    review = work.review
    if review is None or not review.marks:
        return
    numbers = [mark.number for mark in review.marks]
    at = numbers.index(work.selected) if work.selected in numbers else 0
    with st.form(f"film/mark/{work.served}/{work.taken}/{work.selected}", border=True):
        number = st.selectbox("Mark", numbers, index=at)
        chosen = review.mark(number)
        names = list(dict.fromkeys([*classes, *(mark.class_name for mark in review.marks)]))
        name = st.selectbox(
            "Class", names, index=names.index(chosen.class_name), format_func=words, accept_new_options=True
        )
        note = st.text_input("Note", chosen.note, max_chars=2000)
        said = [(st.form_submit_button(label, width="stretch"), verdict) for label, verdict in BUTTONS]
    for pressed, verdict in said:
        if pressed:
            work.step(review.decided(number, verdict, reviewer, class_name=str(name), note=note))
            work.selected = number
            st.rerun()
