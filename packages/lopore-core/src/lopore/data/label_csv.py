"""A CSV of labels as a list of images: any common dialect, encoding and header, several labels an image."""

from __future__ import annotations

import csv
import difflib
import io
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lopore.errors import DataError
from lopore.messages import counted, did_you_mean, plain

from .folders import Entry, Listing
from .manifest import MAX_MANIFEST_BYTES, clean_label, clean_path, is_sound, millimetres
from .mask_pairs import SPLIT_FOLDERS

_NAMES = {
    "path": "path image file filename file_name image_path filepath file_path image_file image_name img img_path name",
    "labels": "labels label class classes class_name classname category categories defect_type defects defect",
    "group": "group group_id film film_id film_group radiograph radiograph_group split_group weld weld_id part tile",
    "mask": "mask mask_path mask_file",
    "mm_per_pixel": "mm_per_pixel mm_per_px pixel_pitch_mm pixel_size_mm pitch_mm",
    "split": "split subset partition set side",
    "fold": "fold",
}
_TRUE, _FALSE = {"1", "1.0", "true", "yes", "y", "x"}, {"0", "0.0", "false", "no", "n", ""}
_LABEL_SEPARATORS = re.compile(r"[|;,]")
NO_DEFECT = "no_defect"


@dataclass(frozen=True)
class _Columns:
    """Which header stands for what; ``classes`` are columns of 0 and 1, used where no label column is.

    zeros: whether a 0 is ever written there. An empty cell then means that nobody said, else (marks alone) a 0.
    unused: columns that stand for nothing.
    """

    path: str
    labels: str | None
    group: str | None
    mask: str | None
    mm_per_pixel: str | None
    split: str | None
    fold: str | None
    classes: tuple[str, ...] = ()
    zeros: bool = False
    unused: tuple[str, ...] = ()


def list_table(
    table: Path, *, root: Path | None = None, label_column: str | None = None, group_column: str | None = None
) -> Listing:
    """The images that a CSV names, in its order; an image on several lines gets all their labels.

    Delimiter (comma, semicolon, tab), encoding (UTF-8, UTF-16, Latin-1; BOM or none) and header names are found.
    Labels: one column, several in a cell parted by | ; or , — or one column of 0 and 1 a class, where a line of
    zeros means ``no_defect``; where zeros are written, an empty cell says nothing, and a line without a 1 and with an
    empty cell is not labelled. root: what paths count from, default the CSV's folder; they must stay inside it.
    Files that are missing come back as faults. Raises DataError where the table itself cannot be used.
    """
    root = Path(os.path.normpath((root or table.parent).absolute()))
    lines = read_cells(table)
    header, records = lines[0], lines[1:]
    columns = _columns(table, header, records, label_column, group_column)
    entries: dict[str, Entry] = {}
    for number, cells in enumerate(records, start=2):
        record = dict(zip(header, cells, strict=False))
        if any(cell.strip() for cell in cells):
            entry = _entry(record, columns, root, where=f"{plain(table.name, 80)} line {number}")
            entries[entry.path] = _merge(entries.get(entry.path), entry, f"{plain(table.name, 80)} line {number}")
    if not entries:
        raise DataError(f"{plain(table)} names no image; it needs a line for each image below the header")
    absent = {path for path in entries if not (root / path).is_file()}
    if len(absent) == len(entries) > 1:
        lost = f"none of the {counted(len(entries), 'image')} of {plain(table.name, 80)} is below {plain(root, 200)}"
        way_out = "name the folder that its paths count from with --root"
        raise DataError(f"{lost}, such as {plain(next(iter(entries)), 80)}; {way_out}")
    names: dict[Path, dict[str, Path]] = {}
    missing = [(path, _not_there(root, path, names)) for path in entries if path in absent]
    kept = [entry for path, entry in entries.items() if path not in absent]
    maskless = {mask for entry in kept for mask in entry.mask if not (root / mask).is_file()}
    missing += [(mask, "is named as a mask and is not there") for mask in sorted(maskless)]
    kept = [replace(entry, mask=tuple(mask for mask in entry.mask if mask not in maskless)) for entry in kept]
    notes = _notes(columns, kept, [dict(zip(header, cells, strict=False)) for cells in records])
    return Listing(root, tuple(kept), tuple(notes), faults=tuple(missing))


def _not_there(root: Path, path: str, names: dict[Path, dict[str, Path]]) -> str:
    """What is wrong with a path that leads nowhere; a disk of Windows or a Mac takes letters of either case.

    names: of the folders that were listed before, by casefolded name.
    """
    place = root
    for part in Path(path).parts:
        if place not in names:
            names[place] = {item.name.casefold(): item for item in place.iterdir()} if place.is_dir() else {}
        if part.casefold() not in names[place]:
            return "is not there"
        place = names[place][part.casefold()]
    return f"is not there, but {plain(place.relative_to(root).as_posix(), 80)} is; mend the case"


def _notes(columns: _Columns, entries: Sequence[Entry], records: Sequence[dict[str, str]]) -> list[str]:
    notes = []
    if columns.group:
        notes.append(f"groups taken from column {plain(columns.group, 60)!r}")
    if columns.classes:
        notes.append(f"one column a class: {', '.join(plain(name, 40) for name in columns.classes[:12])}")
    given = [sum(bool(record.get(name, "").strip()) for name in columns.classes) for record in records]
    if columns.zeros and (partly := sum(0 < count < len(columns.classes) for count in given)):
        lines = counted(partly, "line leaves", "lines leave")
        notes.append(f"{lines} class columns empty: read as 0 beside a 1, beside zeros alone as no label")
    if unlabelled := sum(not entry.labels for entry in entries):
        absent = "" if columns.labels or columns.classes else ": no column is called label, class or the like"
        notes.append(f"{counted(unlabelled, 'image has', 'images have')} no label{absent}")
    return notes + _remarks_on(columns)


def _remarks_on(columns: _Columns) -> list[str]:
    """What the columns that stand for nothing may have been meant for."""
    meant = {name: near for name in columns.unused if (near := _meant(name)) and not getattr(columns, near[0])}
    notes = []
    for name, (meaning, known) in meant.items():
        option = {"labels": ", or say --label-column", "group": ", or say --group-column"}.get(meaning, "")
        told = f"it looks like {known}: rename it to {meaning}{option and f'{option} {plain(name, 60)!r}'}"
        notes.append(f"column {plain(name, 60)!r} is not used; {told}")
    if others := [plain(name, 40) for name in columns.unused if name not in meant]:
        notes.append(f"not used: {'column' if len(others) == 1 else 'columns'} {', '.join(others[:12])}")
    return notes


def _meant(name: str) -> tuple[str, str] | None:
    """(meaning, known name) of the known column name nearest to this one, where one is near."""
    known = {word: meaning for meaning, words in _NAMES.items() for word in words.split()}
    near = difflib.get_close_matches(_plain_name(name), known, n=1, cutoff=0.8)
    return (known[near[0]], near[0]) if near else None


def read_cells(table: Path) -> list[list[str]]:
    """Header and lines of a CSV: comma, semicolon or tab, UTF-8, UTF-16 or Latin-1; DataError where it is none."""
    text = _decode(table)
    best: tuple[tuple[int, int], str] = ((-1, 0), ",")
    for delimiter in (",", ";", "\t"):
        try:
            header = next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        except csv.Error:
            continue
        known = sum(_plain_name(name) in names.split() for names in _NAMES.values() for name in header)
        best = max(best, ((known, len(header)), delimiter), key=lambda item: item[0])
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=best[1], skipinitialspace=True))
    except csv.Error as error:
        raise DataError(f"{plain(table)} is not valid CSV ({error}); save it again as CSV") from None
    lines = [line for line in lines if line] or [[]]
    lines[0] = [name.strip() for name in lines[0]]
    if not any(lines[0]):
        raise DataError(f"{plain(table)} is empty; its first line names the columns, such as path,labels,group")
    repeated = sorted({name for name in lines[0] if name and lines[0].count(name) > 1})
    if repeated:
        raise DataError(f"{plain(table)} has two columns {plain(repeated[0], 60)!r}; name every column once")
    return lines


def _decode(table: Path) -> str:
    try:
        if table.stat().st_size > MAX_MANIFEST_BYTES:
            raise DataError(f"{plain(table)} is larger than {MAX_MANIFEST_BYTES} bytes; no CSV of labels is")
        data = table.read_bytes()
    except OSError as error:
        raise DataError(f"{plain(table)} cannot be read ({error.strerror}); name an existing folder or CSV") from None
    encoding = _encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise DataError(f"{plain(table)} is neither UTF-8, UTF-16 nor Latin-1 text; save it as CSV UTF-8") from None
    if "\0" in text:
        raise DataError(f"{plain(table)} is no text file; save it as CSV UTF-8 (a spreadsheet file is not a CSV)")
    return text


def _encoding(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    head = data[:4096]
    for order, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(head) > 3 and zeros.count(0) > len(zeros) // 2:
            return order
    try:
        data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "cp1252" if not set(data) & {0x81, 0x8D, 0x8F, 0x90, 0x9D} else "latin-1"
    return "utf-8-sig"


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")


def _columns(
    table: Path, header: list[str], records: list[list[str]], label_column: str | None, group_column: str | None
) -> _Columns:
    plainly = {_plain_name(name): name for name in reversed(header) if name}
    asked = {"labels": label_column, "group": group_column}
    found: dict[str, str | None] = {}
    for meaning, names in _NAMES.items():
        wish = asked.get(meaning)
        if wish is not None and wish not in header:
            have = f"{_listed(header)}{did_you_mean(wish, header)}"
            raise DataError(f"{plain(table)} has no column {plain(wish, 60)!r}; it has {have}")
        found[meaning] = wish or next((plainly[name] for name in names.split() if name in plainly), None)
    path = found.pop("path")
    if path is None:
        near = next(((name, like[1]) for name in header if (like := _meant(name)) and like[0] == "path"), None)
        way_out = "rename the one that names the files to path"
        if near:
            way_out = f"{plain(near[0], 60)!r} looks like {near[1]}: rename it to path"
        have = f"it has {_listed(header)}; {way_out}"
        raise DataError(f"{plain(table)} has no column path, image, file or filename; {have}")
    values = {name: {r[i].strip().lower() for r in records if i < len(r)} for i, name in enumerate(header)}
    flags = tuple(name for name in header if name and values[name] <= _TRUE | _FALSE and values[name] != {""})
    labels = found["labels"]
    if labels and _plain_name(labels) == "defect" and labels in flags and not label_column:
        found["labels"] = None
    taken = {path, *found.values()}
    classes = () if found["labels"] else tuple(name for name in flags if name not in taken)
    zeros = any(values[name] & (_FALSE - {""}) for name in classes)
    unused = tuple(name for name in header if name and name not in {*taken, *classes})
    return _Columns(path=path, **found, classes=classes, zeros=zeros, unused=unused)


def _listed(header: list[str]) -> str:
    return ", ".join(plain(name, 40) for name in header[:20])


def _entry(record: dict[str, str], columns: _Columns, root: Path, *, where: str) -> Entry:
    def cell(name: str | None) -> str:
        return record.get(name, "").strip() if name else ""

    side = cell(columns.split).lower()
    if side and side not in SPLIT_FOLDERS:
        raise DataError(f"{where}: split is {plain(side, 40)!r}; allowed are train, val, test or nothing")
    fold = cell(columns.fold)
    if fold and not re.fullmatch(r"[0-9]{1,3}", fold):
        raise DataError(f"{where}: fold is {plain(fold, 40)!r}; a whole number is needed, or nothing")
    return Entry(
        path=_path(cell(columns.path), root, where),
        labels=_labels(record, columns, cell(columns.labels), where),
        group=plain(cell(columns.group), 300),
        split=SPLIT_FOLDERS.get(side, ""),
        fold=int(fold) if fold else None,
        mask=tuple(_path(part.strip(), root, where) for part in cell(columns.mask).split("|") if part.strip()),
        mm_per_pixel=millimetres(cell(columns.mm_per_pixel), where=where),
    )


def _labels(record: dict[str, str], columns: _Columns, cell: str, where: str) -> tuple[str, ...]:
    if columns.classes:
        cells = {name: record.get(name, "").strip().lower() for name in columns.classes}
        on = [name for name, given in cells.items() if given in _TRUE]
        if not on and columns.zeros and "" in cells.values():
            return ()
        return tuple(sorted(clean_label(name, where=where) for name in on)) or (NO_DEFECT,)
    parts = [part for part in _LABEL_SEPARATORS.split(cell) if part.strip()]
    return _together(tuple(sorted({clean_label(part, where=where) for part in parts})), where)


def _together(labels: tuple[str, ...], where: str) -> tuple[str, ...]:
    if len(labels) > 1 and any(is_sound(label) for label in labels):
        told = plain(" and ".join(labels), 80)
        raise DataError(f"{where}: {told} say sound and defective at once; keep one of them")
    return labels


def _path(text: str, root: Path, where: str) -> str:
    """A path of the table, from the root, POSIX; absolute ones are taken if they lie inside the root."""
    foreign = "\\" in text and "\0" not in text and not (root / text).exists()
    slashed = text.replace("\\", "/") if foreign else text
    if slashed.startswith("/"):
        inside = Path(os.path.normpath(slashed))
        slashed = inside.relative_to(root).as_posix() if inside.is_relative_to(root) else slashed
    elif ".." in slashed.split("/"):
        normal = os.path.normpath(slashed)
        slashed = normal.replace(os.sep, "/") if not normal.startswith("..") else slashed
    return clean_path(slashed, where=where)


def _merge(known: Entry | None, new: Entry, where: str) -> Entry:
    """Two lines about one image: labels add up, other cells must agree or be empty on one of them."""
    if known is None:
        return new
    joined: dict[str, Any] = {"labels": _together(tuple(sorted({*known.labels, *new.labels})), where)}
    for name in ("group", "split", "fold", "mask", "mm_per_pixel"):
        old, fresh = getattr(known, name), getattr(new, name)
        if old not in ("", (), None) and fresh not in ("", (), None) and old != fresh:
            both = f"{plain(fresh, 40)!r} here and {plain(old, 40)!r} before"
            raise DataError(f"{where}: {plain(new.path)} has {name} {both}; mend one of them")
        joined[name] = fresh if old in ("", (), None) else old
    return replace(new, **joined)
