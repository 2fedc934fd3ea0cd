"""Which films of a session are worth a person's time next, for the training that follows. No Streamlit in here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from lopore.data.cells import shown_cell
from lopore.messages import counted
from lopore_app.film.film_work import FilmWork
from lopore_app.inspection.upload import Upload

COLUMNS = ("film", "page", "sha256", "open", "reason")


@dataclass(frozen=True)
class FilmToLabel:
    """One film with open marks, or that nobody has looked at. reason: why it stands where it stands."""

    name: str
    page: int
    sha256: str
    open: int
    reason: str


def films_to_label(films: Iterable[tuple[Upload, FilmWork | None]]) -> tuple[FilmToLabel, ...]:
    """Films unlike the training first, then those with an open mark nearest to the threshold, then what was not
    inspected. Films whose every mark has a verdict are left out."""
    ranked: list[tuple[tuple[int, float], FilmToLabel]] = []
    for upload, work in films:
        rank, opened, reason = _reason(work)
        if reason:
            ranked.append((rank, FilmToLabel(upload.name, upload.page, upload.sha256, opened, reason)))
    return tuple(film for _, film in sorted(ranked, key=lambda pair: pair[0]))


def _reason(work: FilmWork | None) -> tuple[tuple[int, float], int, str]:
    if work is None or work.review is None or work.found is None:
        return (2, 0.0), 0, "not inspected yet"
    opened = [mark for mark in work.review.marks if mark.verdict == "open"]
    if not opened:
        return (3, 0.0), 0, ""
    limits = work.found.model.thresholds
    apart = [abs(mark.indication.peak - limits.get(mark.indication.class_name, 0.5)) for mark in opened]
    open_marks = counted(len(opened), "open mark")
    if not work.found.judged:
        return (0, min(apart)), len(opened), f"unlike the training, {open_marks}"
    return (1, min(apart)), len(opened), f"{open_marks}, the least sure {min(apart):.3f} from the threshold"


def films_csv(films: Iterable[FilmToLabel]) -> str:
    """One line a film, the first one first."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in films:
        writer.writerow([shown_cell(cell) for cell in (one.name, one.page, one.sha256, one.open, one.reason)])
    return text.getvalue()
