"""The manifest: one CSV row an image, one JSON beside it that says where the set comes from and how it was split.

Paths are POSIX and count from the manifest's folder, or from the ``root`` that the JSON names; they never leave it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lopore.atomic_files import atomic_write_bytes, atomic_write_text
from lopore.errors import DataError, LoporeError
from lopore.messages import CONTROL_SIGNS as CONTROL_SIGNS
from lopore.messages import plain

SPLITS = ("train", "val", "test")
MAX_MANIFEST_BYTES = 512 << 20
MAX_PATH, MAX_LABEL = 1024, 100
SOUND_NAMES = frozenset(
    {"ok", "good", "normal", "sound", "no_defect", "no_defects", "nodefect", "defect_free", "defectfree", "free"}
    | {"non_defective", "nodifetto", "no_difetto", "negative", "none"}
)
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def is_sound(label: str) -> bool:
    """Whether a label names the defect-free class (``ok``, ``no_defect``, ``Good``, ``sound weld`` and the like)."""
    words = re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_")
    return words in SOUND_NAMES or words.removesuffix("_weld") in SOUND_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One image.

    path: POSIX, from the set's root. labels: sorted class names; empty means not labelled.
    group: what must stay in one split; empty means its family does, or the image alone. family: images that show the
    same thing, found from the pixels. split: train, val, test or empty. fold: 0.. or None. mask: paths as ``path``,
    several where each marks a part; empty where there is none. mm_per_pixel: None where unknown. depth: bits a
    channel. sha256: of the file. pixel_hash: of the decoded pixels. phash: 16 hex digits, for near duplicates.
    """

    path: str
    labels: tuple[str, ...] = ()
    group: str = ""
    family: str = ""
    split: str = ""
    fold: int | None = None
    mask: tuple[str, ...] = ()
    mm_per_pixel: float | None = None
    depth: int | None = None
    width: int | None = None
    height: int | None = None
    sha256: str = ""
    pixel_hash: str = ""
    phash: str = ""


COLUMNS = tuple(column.name for column in fields(Row))


class About(BaseModel):
    """What a manifest's rows cannot say: origin, rights, how groups and split were made."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    schema_version: int = Field(1, ge=1, le=1)
    root: str = Field(".", max_length=4096)
    source: str = Field("", max_length=2000)
    licence: str = Field("", max_length=2000)
    attribution: str = Field("", max_length=2000)
    groups: str = Field("", max_length=2000)
    split_kind: str = Field("", pattern="^(|given|grouped|random)$")
    seed: int | None = None
    shares: dict[str, float] = Field(default_factory=dict)
    folds: int | None = None
    class_counts: dict[str, int] = Field(default_factory=dict)
    merged: tuple[tuple[str, str], ...] = ()
    fingerprint: str = ""
    split_fingerprint: str = ""


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
    def fingerprint(self) -> str:
        """16 hex digits of what is learned from: file contents, labels, masks, scale. Place and order do not count."""
        parts = sorted((r.sha256 or r.path, r.path, r.labels, r.mask, r.mm_per_pixel) for r in self.rows)
        return _digest(parts)

    @property
    def split_fingerprint(self) -> str:
        """16 hex digits of which image stands on which side and in which fold and group."""
        return _digest(sorted((r.path, r.split, -1 if r.fold is None else r.fold, r.group) for r in self.rows))

    def file(self, row: Row) -> Path:
        """Where the image lies."""
        return self.root / row.path

    def mask_files(self, row: Row) -> tuple[Path, ...]:
        """Where its masks lie, none or more."""
        return tuple(self.root / name for name in row.mask)

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


def clean_label(text: str, *, where: str) -> str:
    """A class name as it is kept: blanks at the ends off; DataError where it holds '|', controls, or is too long."""
    label = text.strip()
    if not label or len(label) > MAX_LABEL or "|" in label or CONTROL_SIGNS.search(label) or not _is_utf8(label):
        raise DataError(
            f"{where}: class name {plain(text, 60)!r} is not usable; "
            f"1 to {MAX_LABEL} visible characters without '|' are, rename it"
        )
    return label


def clean_path(text: str, *, where: str) -> str:
    """A row's path, POSIX, normalised; DataError where it is absolute or leaves the root."""
    path = PurePosixPath(text)
    if not text or len(text) > MAX_PATH or "\0" in text or not _is_utf8(text):
        raise DataError(f"{where}: path {plain(text, 60)!r} is not usable; 1 to {MAX_PATH} UTF-8 characters are")
    if path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:[\\/]", text):
        raise DataError(f"{where}: path {plain(text, 80)!r} leaves the set's folder; index with `--root FOLDER`")
    return str(path)


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:16]


def _relative_root(root: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(root.absolute(), folder)).as_posix()
    except ValueError:  # another drive on Windows
        return root.absolute().as_posix()


def safe_cell(value: Any) -> str:
    """A cell as it is written: what a spreadsheet would take for a formula gets a leading apostrophe."""
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    text = "|".join(value) if isinstance(value, tuple) else str(value)
    return f"'{text}" if _FORMULA.match(text) else text


def _uncell(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


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
    cell = {name: _uncell(str(record.get(name) or "")) for name in COLUMNS}
    if cell["split"] not in ("", *SPLITS):
        raise DataError(f"{where}: split is {plain(cell['split'], 40)!r}; allowed are train, val, test or nothing")
    labels = sorted({clean_label(part, where=where) for part in cell["labels"].split("|") if part.strip()})
    return Row(
        path=clean_path(cell["path"], where=where),
        labels=tuple(labels),
        group=plain(cell["group"], 400),
        family=plain(cell["family"], 400),
        split=cell["split"],
        fold=_whole(cell["fold"], "fold", where),
        mask=tuple(clean_path(part, where=where) for part in cell["mask"].split("|") if part),
        mm_per_pixel=millimetres(cell["mm_per_pixel"], where=where),
        depth=_whole(cell["depth"], "depth", where),
        width=_whole(cell["width"], "width", where),
        height=_whole(cell["height"], "height", where),
        sha256=_hex(cell["sha256"], "sha256", where),
        pixel_hash=_hex(cell["pixel_hash"], "pixel_hash", where),
        phash=_hex(cell["phash"], "phash", where),
    )


def millimetres(text: str, *, where: str) -> float | None:
    """mm per pixel from a cell, decimal comma allowed; None where empty; DataError where it is not above 0."""
    if not text.strip():
        return None
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and 0 < value <= 1000):
        raise DataError(f"{where}: mm_per_pixel is {plain(text, 40)!r}; a number from 0 to 1000 is needed, or nothing")
    return value


def _whole(text: str, name: str, where: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise DataError(f"{where}: {name} is {plain(text, 40)!r}; a whole number is needed, or nothing")
    return int(text)


def _hex(text: str, name: str, where: str) -> str:
    if text and not re.fullmatch(r"[0-9a-f]{8,128}", text):
        raise DataError(f"{where}: {name} is {plain(text, 40)!r}; lower-case hex digits are needed, or nothing")
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
