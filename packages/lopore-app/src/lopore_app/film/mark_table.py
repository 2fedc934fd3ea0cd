"""The marks of a film as a table and as CSV; the same figures as the inspection's. No Streamlit in here."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from lopore.data.cells import shown_cell
from lopore.messages import score_text
from lopore_app.film.film_review import FilmReview, ReviewedMark

COLUMNS = (
    "number", "class", "class_of_the_model", "iso_6520", "origin", "verdict", "score", "x_mm", "y_mm", "length_mm",
    "width_mm", "area_mm2", "next_mm", "x_px", "y_px", "length_px", "width_px", "area_px", "group", "note", "reviewer",
    "level", "when", "signed", "doubts",
)  # fmt: skip


def mark_row(mark: ReviewedMark) -> dict[str, Any]:
    """One mark as the page's table draws it: numbers as numbers, texts as plain text."""
    one = mark.indication
    metric = one.length_mm is not None
    distance = one.distance_mm if metric else one.distance_px
    x, y = one.position_mm if one.position_mm is not None else one.centre
    return {
        "number": mark.number,
        "class": mark.class_name.replace("_", " ")[:60],
        "iso": one.iso_6520 or "",
        "score": None if mark.origin == "drawn" else one.peak,
        "score_text": "drawn" if mark.origin == "drawn" else score_text(one.peak),
        "x": round(x, 1),
        "y": round(y, 1),
        "length": round(one.length_mm if one.length_mm is not None else one.length_px, 2 if metric else 0),
        "width": round(one.width_mm if one.width_mm is not None else one.width_px, 2 if metric else 0),
        "area": round(one.area_mm2 if one.area_mm2 is not None else one.area_px, 3 if metric else 0),
        "next": None if distance is None else round(distance, 1),
        "verdict": mark.verdict,
        "note": mark.note[:200],
    }


def marks_csv(review: FilmReview) -> str:
    """One line a mark; mm are empty where the film's pitch is not known. signed, doubts: of the film, in every line.

    A film without a mark has a line of its own that holds them.
    """
    said, text = (signed_text(review), doubts_text(review)), io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = [_cells(mark) for mark in review.marks] or [[""] * (len(COLUMNS) - 2)] * any(said)
    for row in rows:
        writer.writerow([shown_cell("" if cell is None else cell) for cell in (*row, *said)])
    return text.getvalue()


def doubts_text(review: FilmReview) -> str:
    """Every doubt and note about a film in one line."""
    return " ".join(one.text for one in review.cautions)


def signed_text(review: FilmReview) -> str:
    """The film's answer, and who gave it; empty where nobody signed."""
    signed = review.signature
    return "" if signed is None else f"{signed.answer}, {signed.reader.title}, {signed.when}"


def _cells(mark: ReviewedMark) -> Sequence[object]:
    one = mark.indication
    x, y = one.position_mm if one.position_mm is not None else (None, None)
    score = None if mark.origin == "drawn" else f"{one.peak:.6f}"
    return (
        mark.number, mark.class_name, one.class_name, one.iso_6520, mark.origin, mark.verdict, score, x, y,
        one.length_mm, one.width_mm, one.area_mm2, one.distance_mm, *one.centre, one.length_px, one.width_px,
        one.area_px, one.group_id, mark.note, mark.reviewer.name, mark.reviewer.level, mark.when,
    )  # fmt: skip
