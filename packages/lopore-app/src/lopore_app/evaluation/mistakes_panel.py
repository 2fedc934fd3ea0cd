"""The mistakes of a report, with their heat maps."""

from __future__ import annotations

import streamlit as st

from lopore.errors import DataError
from lopore_app.evaluation.reports import (
    EvaluationReport,
    Gallery,
    read_galleries,
)
from lopore_app.plain_text import plain
from lopore_app.wording import words

_PER_ROW = 3


def mistakes(report: EvaluationReport) -> None:
    """False positives, false negatives and wrong classes, each kind by itself, with their heat maps."""
    if not report.has("report.html"):
        st.info("This report has no gallery: `lopore eval MODEL` writes one beside the scores.")
        return
    try:
        galleries = read_galleries(report)
    except DataError as error:
        st.error(plain(error, 300))
        return
    titles = [f"{gallery.title} ({len(gallery.images)})" for gallery in galleries]
    if not titles:
        st.caption("The report has no gallery.")
        return
    chosen = st.segmented_control("Mistakes", titles, default=titles[0], required=True, label_visibility="collapsed")
    show_gallery(galleries[titles.index(chosen)])


def show_gallery(gallery: Gallery) -> None:
    """Film beside its heat map, with score, answer and truth."""
    if not gallery.images:
        st.success("None.")
        return
    st.caption(plain(gallery.note, 400))
    for start in range(0, len(gallery.images), _PER_ROW):
        for column, one in zip(st.columns(_PER_ROW), gallery.images[start : start + _PER_ROW], strict=False):
            with column.container(border=True):
                seen = (f"Film: {one.lines[0] if one.lines else gallery.title}", "The same film with its heat map")
                for cell, image, alt in zip(st.columns(max(1, len(one.images))), one.images, seen, strict=False):
                    cell.image(image, width="stretch", alt=alt)
                for line in one.lines:
                    # A file's name stays as it is.
                    st.caption(plain(words(line) if ", answered" in line else line, 200))
