"""An inspection as its reviewer left it: what leaves as a report is what was seen. No Streamlit in here."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from lopore.errors import LoporeError
from lopore.indications.acceptance_profile import Profile
from lopore.indications.film_inspection import FilmInspection
from lopore.indications.indication import Indication, SetAside
from lopore.indications.inspection_folder import write_inspection
from lopore.indications.print_pdf import print_pdf
from lopore.indications.readings import MarkReading, Reader
from lopore.indications.report.film_report import film_report
from lopore.inference.film_map import FilmMap
from lopore.reading.film_source import FilmSource
from lopore_app.film.corrections import corrections_coco
from lopore_app.film.film_review import FilmReview, ReviewedMark
from lopore_app.film.film_work import verdict_of
from lopore_app.film.mark_table import marks_csv
from lopore_app.film.quality import Line


def reviewed(
    review: FilmReview,
    found: FilmInspection,
    profile: Profile | None,
    lines: Sequence[Line] = (),
    unreadable: Sequence[str] = (),
) -> FilmInspection:
    """The inspection with the marks of the review under their numbers.

    Rejected marks are set aside with who rejected them; drawn ones stand among the indications; what was decided on
    each mark, and by whom, stands in the readings, and how many are open in the notes. The verdict is the profile's on
    what is left. lines: of the film's quality. unreadable: files that were dropped with it and are no films.
    """
    accepted = [mark for mark in review.marks if mark.verdict != "rejected"]
    rejected = [mark for mark in review.marks if mark.verdict == "rejected"]
    aside = tuple(
        SetAside(indication=_numbered(mark), reason=f"rejected{_by(mark)}", by_reader=True) for mark in rejected
    )
    files = (f"beside this film, no film: {reason}" for reason in unreadable)
    film = found.film
    if review.lead is not None:
        film = film.model_copy(update={"number": review.lead.number, "letters": review.lead.letters})
    return found.model_copy(
        update={
            "film": film,
            "indications": tuple(_numbered(mark) for mark in accepted),
            "set_aside": (*found.set_aside, *aside),
            "groups": (),
            "verdict": None if profile is None else verdict_of(review, found, profile),
            "notes": (*found.notes, *_notes(review), *(f"{name}: {text}" for name, text in lines), *files),
            "readings": tuple(_reading(mark) for mark in review.marks if mark.verdict != "open"),
            "signature": review.signature,
        }
    )


def _numbered(mark: ReviewedMark) -> Indication:
    return mark.indication.model_copy(
        update={"id": mark.number, "class_name": mark.class_name, "nearest_id": None, "group_id": None}
    )


def _reading(mark: ReviewedMark) -> MarkReading:
    return MarkReading(
        mark=mark.number,
        verdict="rejected" if mark.verdict == "rejected" else "accepted",
        origin=mark.origin,
        reader=Reader(name=mark.reviewer.name, level=mark.reviewer.level),
        when=mark.when,
        note=mark.note,
    )


def _by(mark: ReviewedMark) -> str:
    who = mark.reviewer.title
    note = f": {mark.note}" if mark.note else ""
    return f" by {who}, {mark.when[:10]}{note}" if who else f" {mark.when[:10]}{note}"


def _notes(review: FilmReview) -> list[str]:
    lines = [f"{review.open} of {len(review.marks)} marks are open: nobody decided on them"] if review.open else []
    if review.signature is None:
        lines.append("not signed: every verdict is a proposal")
    lines += [
        f"not judged: {one.reason}, x {one.box[0]:.0f} to {one.box[2]:.0f}, y {one.box[1]:.0f} to {one.box[3]:.0f} px"
        for one in review.ignored
    ]
    return lines


def report_pdf(seen: FilmInspection, source: FilmSource, film_map: FilmMap | None) -> bytes:
    """The report as PDF, printed by the server's browser. Raises LoporeError in one line where that fails."""
    with tempfile.TemporaryDirectory(prefix="lopore-report-") as folder:
        page, target = Path(folder) / "report.html", Path(folder) / "report.pdf"
        page.write_text(film_report(seen, source, film_map), encoding="utf-8")
        why = print_pdf(page, target)
        if why:
            raise LoporeError(why)
        return target.read_bytes()


def everything_zip(
    review: FilmReview, seen: FilmInspection, film_map: FilmMap | None, source: FilmSource, content: bytes
) -> bytes:
    """All that ``lopore inspect --out`` writes of the film as it was reviewed, with the marks and the session.

    content: the film's own file, whose study the DICONDE object belongs to.
    """
    stream = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="lopore-film-") as temporary:
        folder = Path(temporary) / "film"
        notes = write_inspection(folder, seen, source, film_map, content=content)
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.iterdir()):
                archive.write(path, path.name)
            archive.writestr("marks.csv", marks_csv(review))
            archive.writestr("session.json", review.to_json())
            archive.writestr("corrections.coco.json", corrections_coco([review]))
            if notes:
                archive.writestr("NOTES.txt", "".join(f"{note}\n" for note in notes))
    return stream.getvalue()
