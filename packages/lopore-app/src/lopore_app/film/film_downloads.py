"""What leaves: report, tables, session; and a session that comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import streamlit as st

from lopore.errors import LoporeError
from lopore.indications.acceptance_profile import Profile
from lopore.indications.diconde import to_diconde
from lopore.indications.film_inspection import FilmInspection
from lopore.indications.print_pdf import find_browser
from lopore.indications.report.film_report import film_report
from lopore.messages import counted
from lopore.reading.film_source import FilmSource
from lopore_app.film.corrections import corrections_coco
from lopore_app.film.film_review import FilmReview
from lopore_app.film.film_work import FilmWork
from lopore_app.film.films_to_label import films_csv, films_to_label
from lopore_app.film.mark_table import marks_csv
from lopore_app.film.quality import Line
from lopore_app.film.reviewed_film import everything_zip, report_pdf, reviewed
from lopore_app.inspection.upload import Upload
from lopore_app.plain_text import plain
from lopore_app.review.zip_archive import safe_stem


@dataclass(frozen=True)
class FilmFiles:
    """What a film's files are made of beside its review. lines: of its quality. content: the film's own file.

    unreadable: files that were dropped with it and are no films.
    """

    source: FilmSource
    profile: Profile | None
    lines: Sequence[Line]
    content: bytes
    unreadable: Sequence[str]


def film_downloads(work: FilmWork, files: FilmFiles, reviews: Sequence[FilmReview]) -> None:
    """Files of this film; each is made from what is given to it here. reviews: of every film, for the corrections."""
    review, found = work.review, work.found
    if review is None or (review.untouched and found is None):
        st.caption("Nothing to save yet.")
        return
    stem = safe_stem(review.name)
    if found is not None:
        _inspected(review, found, files, stem)
    _made("Marks (CSV)", partial(marks_csv, review), f"{stem}-marks.csv", "text/csv")
    _made("Session (JSON)", review.to_json, f"{stem}-session.json", "application/json")
    _made(
        f"Corrections of {counted(len(reviews), 'film')} (COCO)", partial(corrections_coco, reviews),
        "lopore-corrections.json", "application/json", icon=":material/model_training:",
    )  # fmt: skip
    st.caption("In the corrections open marks are ignored; rejected ones are sound ground.")


def _inspected(review: FilmReview, found: FilmInspection, files: FilmFiles, stem: str) -> None:
    """What needs an inspection: report, DICONDE, all of it, and the inspection itself."""
    seen = reviewed(review, found, files.profile, files.lines, files.unreadable)
    source = files.source
    _made("Report (HTML)", partial(film_report, seen, source, found.map), f"{stem}-report.html", "text/html")
    if find_browser() is not None:
        _made("Report (PDF)", partial(report_pdf, seen, source, found.map), f"{stem}-report.pdf", "application/pdf")
    else:
        st.caption("For a PDF print the HTML report: this server has no browser to print with.")
    if find_spec("pydicom") is not None:
        diconde = partial(to_diconde, seen, source, content=files.content)
        _made("DICONDE", diconde, f"{stem}-indications.dcm", "application/dicom")
    everything = partial(everything_zip, review, seen, found.map, source, files.content)
    _made("Everything (ZIP)", everything, f"{stem}.zip", "application/zip", icon=":material/folder_zip:")
    _made("Inspection (JSON)", seen.to_json, f"{stem}-inspection.json", "application/json")


def _made(label: str, make: Callable[[], str | bytes], name: str, mime: str, icon: str = ":material/download:") -> None:
    """One file, made when it is asked for."""
    st.download_button(
        label,
        make,
        name,
        mime,
        width="stretch",
        on_click="ignore",
        icon=icon,
        key=f"film/get/{label.split()[0]}/{mime}",
    )


def label_next(films: Sequence[tuple[Upload, FilmWork | None]]) -> None:
    """Of several films those that are worth a person's time next."""
    found = films_to_label(films)
    if len(films) < 2 or not found:
        return
    st.markdown("**Label these next**")
    st.dataframe([{"Film": one.name, "Why": one.reason} for one in found], hide_index=True)
    _made("Label next (CSV)", partial(films_csv, found), "lopore-label-next.csv", "text/csv")


def session_field(work: FilmWork, sha256: str, page: int) -> None:
    """Take up a session that was saved as a file; it has to be of this very film."""
    given = st.file_uploader("Take up a saved session (JSON)", key=f"film/session/{sha256}/{page}")
    if given is None or st.session_state.get(f"film/taken/{sha256}/{page}") == given.file_id:
        return
    st.session_state[f"film/taken/{sha256}/{page}"] = given.file_id
    try:
        saved = FilmReview.from_json(given.getvalue(), source="the session file")
    except LoporeError as error:
        st.error(plain(error, 300))
        return
    if (saved.sha256, saved.page) != (sha256, page):
        st.error(plain(f"the session file is of another film ({saved.name}, page {saved.page})", 300))
        return
    work.step(saved)
    work.restore_pitch(saved)
    work.selected, work.served = (saved.marks[0].number if saved.marks else None), work.served + 1
    st.rerun()
