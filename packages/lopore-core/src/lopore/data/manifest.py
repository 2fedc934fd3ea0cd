"""The manifest: one CSV row an image, one JSON beside it that says where the set comes from and how it was split.

Paths are POSIX and count from the manifest's folder, or from the ``root`` that the JSON names; they never leave it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from lopore.atomic_files import atomic_write_bytes, atomic_write_text
from lopore.errors import DataError, LoporeError
from lopore.messages import plain

from .cells import cell_text, clean_path, hex_digits, millimetres, safe_cell, whole_number
from .class_names import clean_label, is_sound
from .manifest_row import COLUMNS, SPLITS, About, Row
from .name_forms import on_disk

MAX_MANIFEST_BYTES = 512 << 20


@dataclass(frozen=True)
class Manifest:
    """A described set of images; immutable, every change is a new Manifest.

    root: the folder that row paths count from. location: the CSV it was read from, or None.
    """

    rows: tuple[Row, ...]
    root: Path
    about: About = field(default_factory=About)
    location: Path | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def classes(self) -> tuple[str, ...]:
        """All class names, sorted."""
        return tuple(sorted({label for row in self.rows for label in row.labels}))

    @property
    def defect_classes(self) -> tuple[str, ...]:
        """The classes that are not the sound one, sorted: class number 1..K of a mask is their place here."""
        return tuple(name for name in self.classes if not is_sound(name))

    @property
    def class_counts(self) -> dict[str, int]:
        """Images of each class; an image of two classes counts in both."""
        counts = Counter(label for row in self.rows for label in row.labels)
        return {name: counts[name] for name in sorted(counts)}

    @property
    def polarity_counts(self) -> dict[str, int]:
        """Images by what their files say: "film", "detector" and "unknown", those that occur; for the model record."""
        counts = Counter(row.polarity or "unknown" for row in self.rows)
        return {name: counts[name] for name in ("film", "detector", "unknown") if counts[name]}

    @property
    def fingerprint(self) -> str:
        """16 hex digits of what is learned from: file contents, labels, masks, scale. Place and order do not count."""
        parts = sorted((r.sha256 or r.path, r.path, r.labels, r.mask, r.mm_per_pixel) for r in self.rows)
        return _digest(parts)

    @property
    def split_fingerprint(self) -> str:
        """16 hex digits of which image stands on which side and in which fold and group."""
        return _digest(sorted((r.path, r.split, -1 if r.fold is None else r.fold, r.group) for r in self.rows))

    def file(self, row: Row) -> Path:
        """Where the image lies, as the disk spells it (composed or decomposed letters)."""
        return self.root / (on_disk(self.root, row.path) or row.path)

    def mask_files(self, row: Row) -> tuple[Path, ...]:
        """Where its masks lie, none or more."""
        return tuple(self.root / (on_disk(self.root, name) or name) for name in row.mask)

    def side(self, split: str) -> Manifest:
        """The rows of one side (train, val or test)."""
        return self.select([index for index, row in enumerate(self.rows) if row.split == split])

    def select(self, chosen: Iterable[int] | NDArray[Any]) -> Manifest:
        """The rows at these positions, in this order."""
        return replace(self, rows=tuple(self.rows[int(index)] for index in chosen))

    def group_ids(self) -> NDArray[np.int64]:
        """(N,) int64: one number a group; for rows without a group one a family, and else one an image."""
        keys = [
            ("g", row.group) if row.group else ("f", row.family) if row.family else ("p", row.path) for row in self.rows
        ]
        order = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        return np.array([order[key] for key in keys], dtype=np.int64)

    def targets(self, classes: Sequence[str] | None = None) -> NDArray[np.uint8]:
        """(N, K) uint8 of 0 and 1 in the order of ``classes`` (default: all, sorted)."""
        names = {name: column for column, name in enumerate(self.classes if classes is None else classes)}
        table = np.zeros((len(self.rows), len(names)), dtype=np.uint8)
        for index, row in enumerate(self.rows):
            for label in row.labels:
                if label in names:
                    table[index, names[label]] = 1
        return table

    def write(self, path: Path) -> Manifest:
        """Write CSV and JSON atomically; returns the manifest as it now lies there (counts and fingerprints filled).

        Cells that a spreadsheet would take for a formula are written with a leading apostrophe, which ``read`` takes
        off again. Raises LoporeError where the place cannot be written.
        """
        path = path.absolute()
        about = self.about.model_copy(
            update={
                "root": _relative_root(self.root, path.parent),
                "class_counts": self.class_counts,
                "fingerprint": self.fingerprint,
                "split_fingerprint": self.split_fingerprint,
            }
        )
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([safe_cell(getattr(row, name)) for name in COLUMNS] for row in self.rows)
        told = json.dumps(about.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
        _write_both(path, text.getvalue(), told)
        return replace(self, about=about, location=path)

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """The manifest at ``path``; DataError in one line where it is absent, foreign, or a row is not usable."""
        path = path.absolute()
        about = _read_about(sidecar(path))
        rows = tuple(_read_rows(path))
        if not rows:
            raise DataError(f"{plain(path)} lists no image; make it again with `lopore data index`")
        return cls(rows=rows, root=Path(os.path.normpath(path.parent / about.root)), about=about, location=path)


def _write_both(path: Path, table: str, about: str) -> None:
    """CSV and JSON; where the CSV cannot be written, the JSON goes back to what it was."""
    beside = sidecar(path)
    before = beside.read_bytes() if beside.is_file() else None
    atomic_write_text(beside, about)
    try:
        atomic_write_text(path, table)
    except LoporeError:
        with suppress(OSError, LoporeError):
            if before is None:
                beside.unlink()
            else:
                atomic_write_bytes(beside, before)
        raise


def sidecar(path: Path) -> Path:
    """The JSON beside a manifest: ``films.csv`` has ``films.csv.json``."""
    return path.with_name(path.name + ".json")


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:16]


def _relative_root(root: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(root.absolute(), folder)).as_posix()
    except ValueError:  # another drive on Windows
        return root.absolute().as_posix()


def _read_about(path: Path) -> About:
    if not path.exists():
        return About()
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES // 8:
            raise DataError(f"{plain(path)} is too large for a manifest's JSON; make it again with `lopore data index`")
        return About.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}: " for part in first["loc"])
        raise DataError(f"{plain(path)}: {where}{first['msg']}; make it again with `lopore data index`") from None
    except OSError as error:
        raise DataError(f"{plain(path)} cannot be read ({error.strerror})") from None


def _read_rows(path: Path) -> list[Row]:
    reader = csv.DictReader(io.StringIO(_manifest_text(path), newline=""), strict=True)
    rows: list[Row] = []
    seen: set[str] = set()
    try:
        names = reader.fieldnames or []
        if len(names) == 1 and {"path", "labels"} <= set(names[0].split(";")):
            raise DataError(f"{plain(path)} parts its columns by ';', a manifest by ','; save it so, or index again")
        if "path" not in names or "labels" not in names:
            raise DataError(f"{plain(path)} is no manifest; make one with `lopore data index {plain(path)}`")
        for record in reader:
            row = _row(record, where=f"{plain(path)} line {reader.line_num}")
            if row.path in seen:
                where = f"{plain(path)} line {reader.line_num}"
                raise DataError(f"{where}: {plain(row.path)} stands there twice; keep one row an image")
            seen.add(row.path)
            rows.append(row)
    except csv.Error as error:
        raise DataError(f"{plain(path)} line {reader.line_num}: not valid CSV ({error})") from None
    return rows


def _manifest_text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise DataError(f"{plain(path)} is a folder; name the manifest CSV, or make one with `lopore data index`")
        if size > MAX_MANIFEST_BYTES:
            raise DataError(f"{plain(path)} has {size} bytes; a manifest has at most {MAX_MANIFEST_BYTES}")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{plain(path)} is not UTF-8 text; save it as CSV UTF-8, or index again") from None
    except OSError as error:
        raise DataError(f"{plain(path)} cannot be read ({error.strerror}); make it with `lopore data index`") from None


def _row(record: dict[str, Any], *, where: str) -> Row:
    cell = {name: cell_text(str(record.get(name) or "")) for name in COLUMNS}
    if cell["split"] not in ("", *SPLITS):
        raise DataError(f"{where}: split is {plain(cell['split'], 40)!r}; allowed are train, val, test or nothing")
    labels = sorted({clean_label(part, where=where) for part in cell["labels"].split("|") if part.strip()})
    return Row(
        path=clean_path(cell["path"], where=where),
        labels=tuple(labels),
        group=plain(cell["group"], 400),
        family=plain(cell["family"], 400),
        split=cell["split"],
        fold=whole_number(cell["fold"], "fold", where),
        mask=tuple(clean_path(part, where=where) for part in cell["mask"].split("|") if part),
        mm_per_pixel=millimetres(cell["mm_per_pixel"], where=where),
        polarity=_polarity(cell["polarity"], where),
        depth=whole_number(cell["depth"], "depth", where),
        width=whole_number(cell["width"], "width", where),
        height=whole_number(cell["height"], "height", where),
        sha256=hex_digits(cell["sha256"], "sha256", where),
        pixel_hash=hex_digits(cell["pixel_hash"], "pixel_hash", where),
        phash=hex_digits(cell["phash"], "phash", where),
    )


def _polarity(text: str, where: str) -> str:
    if text not in ("", "film", "detector"):
        raise DataError(f"{where}: polarity is {plain(text, 40)!r}; allowed are film, detector or nothing")
    return text


def is_manifest(path: Path) -> bool:
    """Whether a file's first line names the columns that only manifests have; a CSV of labels has not."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as stream:
            first = stream.readline(4096).decode("utf-8-sig").strip()
    except (OSError, UnicodeDecodeError):
        return False
    return {"path", "labels", "sha256", "pixel_hash"} <= set(first.split(","))
