"""An inspection on disk: one folder a film, which appears whole or not at all, and is not done twice."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from lopore.atomic_files import atomic_folder, atomic_write_text
from lopore.data.cells import shown_cell
from lopore.errors import LoporeError

from . import film_images
from .diconde import to_diconde
from .film_inspection import FilmInspection, UsedModel
from .options import InspectionOptions
from .print_pdf import print_pdf
from .report.film_report import film_report
from .tables import to_coco, to_csv

if TYPE_CHECKING:
    from lopore.inference.film_map import FilmMap
    from lopore.reading.film_source import FilmSource

    from .acceptance_profile import Profile

RECORD, TABLE, COCO = "inspection.json", "indications.csv", "indications.coco.json"
DICONDE = "indications.dcm"
MARKED, HEAT, PAGE, PDF = "marked.png", "heat.png", "report.html", "report.pdf"
SUMMARY = "films.csv"


def write_inspection(
    folder: Path,
    found: FilmInspection,
    source: FilmSource,
    film_map: FilmMap | None,
    *,
    pdf: bool = True,
    content: bytes | None = None,
) -> tuple[str, ...]:
    """Write everything into ``folder``, which must not hold anything yet; returns notes, such as why there is no PDF.

    content: the film's file, where ``source`` has no path to it; a DICOM film's study is taken from it.

    Raises LoporeError where the disk is full; nothing is left half-written.
    """
    notes: list[str] = []
    with atomic_folder(folder) as making:
        view = film_images.overview(source)
        (making / MARKED).write_bytes(film_images.png(film_images.marked(view, found)))
        if film_map is not None:
            (making / HEAT).write_bytes(film_images.png(film_images.heat(view, film_map)))
        (making / TABLE).write_text(to_csv(found), encoding="utf-8")
        (making / COCO).write_text(to_coco(found), encoding="utf-8")
        try:
            (making / DICONDE).write_bytes(to_diconde(found, source, content=content))
        except LoporeError as error:
            notes.append(str(error))
        (making / PAGE).write_text(film_report(found, source, film_map), encoding="utf-8")
        if pdf:
            said = print_pdf(making / PAGE, making / PDF)
            notes += [said] if said else []
        (making / RECORD).write_text(found.to_json(), encoding="utf-8")
    return tuple(notes)


def read_inspection(folder: Path) -> FilmInspection | None:
    """What an earlier run wrote into ``folder``; None where there is nothing, or nothing whole."""
    try:
        text = (folder / RECORD).read_bytes()
    except OSError:
        return None
    try:
        return FilmInspection.from_json(text)
    except LoporeError:
        return None


def is_done(
    earlier: FilmInspection, model: UsedModel, source: FilmSource, options: InspectionOptions, profile: Profile | None
) -> bool:
    """Whether an earlier inspection answers just what is asked now: film, model, options and profile."""
    profile_then = earlier.verdict.profile_sha256 if earlier.verdict else None
    return (
        (earlier.film.sha256, earlier.film.page) == (source.sha256, source.page)
        and (earlier.model, earlier.options) == (model, options)
        and profile_then == (profile.sha256 if profile else None)
        and earlier.lopore == version("lopore-core")
    )


def write_summary(out: Path) -> Path:
    """``films.csv``: one row a film that lies in ``out``, whichever run or shard wrote it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["folder", "film", "sha256", "indications", "set_aside", "verdict", "broken_rules", "largest_mm"])
    for folder, found in _inspections(out):
        broken = [rule.rule for rule in found.verdict.rules if rule.answer == "broken"] if found.verdict else []
        lengths = [mark.length_mm for mark in found.indications if mark.length_mm is not None]
        cells = (
            folder.name, found.film.name, found.film.sha256, len(found.indications), len(found.set_aside),
            found.verdict.answer if found.verdict else "", "; ".join(broken), max(lengths, default=""),
        )  # fmt: skip
        writer.writerow(map(shown_cell, cells))
    atomic_write_text(out / SUMMARY, text.getvalue())
    return out / SUMMARY


def _inspections(out: Path) -> Iterator[tuple[Path, FilmInspection]]:
    for record in sorted(out.glob(f"*/{RECORD}")):
        found = read_inspection(record.parent)
        if found is not None:
            yield record.parent, found
