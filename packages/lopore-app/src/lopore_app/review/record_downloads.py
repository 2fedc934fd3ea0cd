"""Every file that can leave the session."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from lopore_app.review.prediction_log import corrections_csv, log_json, reviewed
from lopore_app.review.printed_report import report_html
from lopore_app.review.records import Entry, Unanswered
from lopore_app.review.zip_archive import zip_file
from lopore_app.viewer.heat_scale import tops_of


def record_downloads(found: list[Entry], everything: Sequence[Entry], failed: Sequence[Unanswered]) -> None:
    """Everything that can leave the session; each file is made when it is asked for."""
    st.header("Download", anchor=False)
    tops = dict(tops_of(st.session_state))  # the files are made where no session is at hand
    files: tuple[tuple[str, str, str, str, Callable[[], str | bytes], str], ...] = (
        ("Log", "JSON", "lopore-log.json", "application/json", lambda: log_json(found, failed),
         "Every prediction with film hash, model, settings, scores and review"),
        ("Images and tables", "ZIP", "lopore-records.zip", "application/zip", lambda: zip_file(found, failed, tops),
         "Enhanced films, heat maps, CSV and JSON"),
        ("Report to print", "HTML", "lopore-report.html", "text/html", lambda: report_html(found, failed, tops=tops),
         "One page a browser prints on A4, with room for a signature"),
        ("Corrections", "CSV", "lopore-corrections.csv", "text/csv", lambda: corrections_csv(everything),
         "Labels you accepted or mended, for `lopore data index`"),
    )  # fmt: skip
    labels = len(reviewed(everything))
    for column, (title, kind, name, mime, make, what) in zip([*st.columns(2), *st.columns(2)], files, strict=True):
        column.download_button(
            f"{title} ({kind})",
            make,
            name,
            mime,
            icon=":material/download:",
            width="stretch",
            on_click="ignore",
            disabled=kind == "CSV" and not labels,
            key=f"get/{kind}",
        )
        column.caption(what + (f"; {labels} now" if kind == "CSV" else ""))
