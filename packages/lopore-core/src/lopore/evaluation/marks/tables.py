"""Marks and false calls as tables: what ``lopore pod`` reads, and what a person looks up."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from lopore.data.cells import safe_cell

from .tally import ANY, MatchedFilm

MARK_COLUMNS = (
    "film", "class", "hit", "score", "length_mm", "diameter_mm", "length_px", "diameter_px", "x0", "y0", "x1", "y1",
)  # fmt: skip
CALL_COLUMNS = ("film", "class", "score", "length_mm", "length_px", "x0", "y0", "x1", "y1")


def mark_tables(films: Sequence[MatchedFilm]) -> dict[str, str]:
    """``marks.csv``: a line a true mark, hit 1 or 0 at the operating point; ``false_calls.csv``: a false
    call."""
    marks = [line for film in films for line in _mark_lines(film)]
    calls = [line for film in films for line in _call_lines(film)]
    return {"marks.csv": _table(MARK_COLUMNS, marks), "false_calls.csv": _table(CALL_COLUMNS, calls)}


def best_scores(film: MatchedFilm, key: str) -> dict[int, float]:
    """By the number of each mark that is hit, the highest score that meets it."""
    best: dict[int, float] = {}
    for call in film.own[key].calls:
        best.update({number: max(call.score, best.get(number, 0.0)) for number in call.hits})
    return best


def mark_keys(film: MatchedFilm) -> list[str]:
    """The classes under which the marks of a film stand once each."""
    named = [key for key in film.own if key != ANY]
    covered = sum(len(film.own[key].marks) for key in named) == len(film.marks)
    return named if named and covered else [next(iter(film.own))]


def _mark_lines(film: MatchedFilm) -> list[list[object]]:
    lines: list[list[object]] = []
    for key in mark_keys(film):
        best = best_scores(film, key)
        for mark in film.own[key].marks:
            box = mark.box or (None,) * 4
            sizes = (mark.length_mm, mark.diameter_mm, mark.length_px, mark.diameter_px)
            lines.append([film.path, mark.class_name, int(mark.id in best), best.get(mark.id), *sizes, *box])
    return lines


def _call_lines(film: MatchedFilm) -> list[list[object]]:
    key, boxes = next(iter(film.own)), {mark.id: mark.box for mark in film.indications}
    return [
        [film.path, call.class_name, call.score, call.length_mm, call.length_px, *boxes[call.indication]]
        for call in film.own[key].calls
        if call.false
    ]


def _table(header: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in line] for line in lines)
    return text.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else safe_cell(str(value))
