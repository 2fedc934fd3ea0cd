"""A CSV of labels as a list of images: any common dialect, encoding and header, several labels an image."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lopore.errors import DataError
from lopore.messages import counted, plain

from .class_names import NO_DEFECT, clean_label
from .csv_cells import NO_LABEL, is_foreign, labels_in, one_verdict, path_in, scale_in
from .csv_columns import TRUE, Columns, find_columns, is_known, remarks_on_columns
from .csv_text import read_cells
from .listing import Entry, Listing
from .mask_pairs import SPLIT_FOLDERS
from .name_forms import nfc


@dataclass
class _Reading:
    """What is met while the lines are read. repeated: lines that name an image again; bare: those without a label."""

    entries: dict[str, Entry] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    repeated: int = 0
    bare: int = 0
    foreign: list[tuple[str, str]] = field(default_factory=list)
    unsaid: int = 0
    respelt: set[str] = field(default_factory=set)


def list_table(
    table: Path, *, root: Path | None = None, label_column: str | None = None, group_column: str | None = None
) -> Listing:
    """The images that a CSV names, in its order; an image on several lines gets all their labels, and it is said.

    Delimiter (comma, semicolon, tab), encoding (UTF-8, UTF-16, Latin-1; BOM or none) and header names are found.
    Labels: one column, several in a cell parted by | ; or , or as a list, or one column of 0 and 1 a class, where a
    line of zeros means ``no_defect``; where zeros are written, an empty cell says nothing, and a line without a 1 and
    with an empty cell is not labelled. NaN, None and null are no label. root: what paths count from, default the CSV's
    folder; they must stay inside it; of a path of another machine the longest end that is found there counts.
    Missing files, and lines with more cells than the header, come back as faults. Raises DataError where the table
    itself cannot be used.
    """
    root = Path(os.path.normpath((root or table.parent).absolute()))
    lines = read_cells(table, is_known)
    header, records = lines[0], lines[1:]
    columns = find_columns(table, header, records, label_column, group_column)
    reading = _Reading()
    for number, cells in enumerate(records, start=2):
        if any(cell.strip() for cell in cells):
            _read_line(reading, header, cells, columns, root, where=f"{plain(table.name, 80)} line {number}")
    entries = reading.entries
    if not entries:
        first = f"; {plain(reading.faults[0][0], 80)} {reading.faults[0][1]}" if reading.faults else ""
        raise DataError(f"{plain(table)} names no image; it needs a line for each image below the header{first}")
    absent = {path for path in entries if not (root / path).is_file()}
    if len(absent) == len(entries) > 1:
        lost = f"none of the {counted(len(entries), 'image')} of {plain(table.name, 80)} is below {plain(root, 200)}"
        way_out = "name the folder that its paths count from with --root"
        raise DataError(f"{lost}, such as {plain(next(iter(entries)), 80)}; {way_out}")
    names: dict[Path, dict[str, Path]] = {}
    faults = [*reading.faults, *((path, _not_there(root, path, names)) for path in entries if path in absent)]
    found = [entry for path, entry in entries.items() if path not in absent]
    maskless = {mask for entry in found for mask in entry.mask if not (root / mask).is_file()}
    faults += [(mask, "is named as a mask and is not there") for mask in sorted(maskless)]
    found = [replace(entry, mask=tuple(mask for mask in entry.mask if mask not in maskless)) for entry in found]
    notes = _notes(columns, found, [dict(zip(header, cells, strict=False)) for cells in records], reading)
    return Listing(root, tuple(found), tuple(notes), faults=tuple(faults))


def _read_line(
    reading: _Reading, header: list[str], cells: list[str], columns: Columns, root: Path, *, where: str
) -> None:
    record = dict(zip(header, cells, strict=False))
    surplus = [cell for cell in cells[len(header) :] if cell.strip()]
    if surplus:
        named = record.get(columns.path, "")
        why = f"stands on a line of {len(cells)} cells ({where}), the header has {len(header)}, so "
        way_out = "put a cell that holds the delimiter into quotes, or join several labels by |"
        reading.faults.append((named, f"{why}{plain(surplus[0], 40)!r} would be lost; {way_out}"))
        return
    entry = _entry(record, columns, root, where=where)
    text = record.get(columns.path, "").strip()
    if is_foreign(text, entry.path, root):
        reading.foreign.append((text, entry.path))
    if columns.labels:
        cell = record.get(columns.labels, "").strip()
        reading.unsaid += cell in NO_LABEL
        reading.respelt.update({cell} if nfc(cell) != cell else ())
    known = reading.entries.get(entry.path)
    reading.repeated += known is not None
    reading.bare += known is not None and not (known.labels and entry.labels)
    reading.entries[entry.path] = _merge(known, entry, where)


def _not_there(root: Path, path: str, names: dict[Path, dict[str, Path]]) -> str:
    """What is wrong with a path that leads nowhere; a disk of Windows or a Mac takes letters of either case.

    names: of the folders that were listed before, by casefolded name.
    """
    here = root
    for part in Path(path).parts:
        if here not in names:
            names[here] = {item.name.casefold(): item for item in here.iterdir()} if here.is_dir() else {}
        if part.casefold() not in names[here]:
            return "is not there"
        here = names[here][part.casefold()]
    return f"is not there, but {plain(here.relative_to(root).as_posix(), 80)} is; mend the case"


def _notes(
    columns: Columns, entries: Sequence[Entry], records: Sequence[dict[str, str]], reading: _Reading
) -> list[str]:
    notes = []
    given = [sum(bool(record.get(name, "").strip()) for name in columns.classes) for record in records]
    if columns.zeros and (partly := sum(0 < count < len(columns.classes) for count in given)):
        lines = counted(partly, "line leaves", "lines leave")
        notes.append(f"{lines} class columns empty: read as 0 beside a 1, beside zeros alone as no label")
    if reading.repeated:
        bare = f"; on {reading.bare} of them one of the two has no label" if reading.bare else ""
        lines = counted(reading.repeated, "line names", "lines name")
        notes.append(f"{lines} an image again: the labels are added up{bare}")
    if reading.foreign:
        text, path = reading.foreign[0]
        count = counted(len(reading.foreign), "path is", "paths are")
        notes.append(f"{count} of another machine; found by the end, such as {plain(text, 60)} as {plain(path, 60)}")
    if reading.unsaid:
        notes.append(f"{counted(reading.unsaid, 'cell says', 'cells say')} NaN, None or null: no label")
    if reading.respelt:
        name = plain(nfc(sorted(reading.respelt)[0]), 60)
        notes.append(f"labels in decomposed letters, such as {name!r}, are read as the composed ones")
    if unlabelled := sum(not entry.labels for entry in entries):
        absent = "" if columns.labels or columns.classes else ": no column is called label, class or the like"
        notes.append(f"{counted(unlabelled, 'image has', 'images have')} no label{absent}")
    return notes + remarks_on_columns(columns)


def _entry(record: dict[str, str], columns: Columns, root: Path, *, where: str) -> Entry:
    def cell(name: str | None) -> str:
        text = record.get(name, "").strip() if name else ""
        return "" if name != columns.labels and text in NO_LABEL else text

    split = cell(columns.split).lower()
    if split and split not in SPLIT_FOLDERS:
        raise DataError(f"{where}: split is {plain(split, 40)!r}; allowed are train, val, test or nothing")
    fold = cell(columns.fold)
    if fold and not re.fullmatch(r"[0-9]{1,3}", fold):
        raise DataError(f"{where}: fold is {plain(fold, 40)!r}; a whole number is needed, or nothing")
    return Entry(
        path=path_in(cell(columns.path), root, where),
        labels=_labels(record, columns, cell(columns.labels), where),
        group=nfc(plain(cell(columns.group), 300)),
        split=SPLIT_FOLDERS.get(split, ""),
        fold=int(fold) if fold else None,
        mask=tuple(path_in(part.strip(), root, where) for part in cell(columns.mask).split("|") if part.strip()),
        mm_per_pixel=scale_in(cell(columns.scale), columns.scale_unit, where),
    )


def _labels(record: dict[str, str], columns: Columns, cell: str, where: str) -> tuple[str, ...]:
    if not columns.classes:
        return labels_in(cell, where)
    cells = {name: record.get(name, "").strip().lower() for name in columns.classes}
    on = [name for name, given in cells.items() if given in TRUE]
    if not on and columns.zeros and "" in cells.values():
        return ()
    return tuple(sorted(clean_label(name, where=where) for name in on)) or (NO_DEFECT,)


def _merge(known: Entry | None, new: Entry, where: str) -> Entry:
    """Two lines about one image: labels add up, other cells must agree or be empty on one of them."""
    if known is None:
        return new
    joined: dict[str, Any] = {"labels": one_verdict(tuple(sorted({*known.labels, *new.labels})), where)}
    for name in ("group", "split", "fold", "mask", "mm_per_pixel"):
        old, fresh = getattr(known, name), getattr(new, name)
        if old not in ("", (), None) and fresh not in ("", (), None) and old != fresh:
            both = f"{plain(fresh, 40)!r} here and {plain(old, 40)!r} before"
            raise DataError(f"{where}: {plain(new.path)} has {name} {both}; mend one of them")
        joined[name] = fresh if old in ("", (), None) else old
    return replace(new, **joined)
