"""A manifest's CSV and JSON: parsed with the line of each fault, and written."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lopore.errors import DataError
from lopore.messages import plain

from .cells import cell_text, clean_path, hex_digits, millimetres, whole_number
from .class_names import clean_label
from .manifest_row import COLUMNS, SPLITS, About, Row

MAX_MANIFEST_BYTES = 512 << 20


def sidecar(path: Path) -> Path:
    """The JSON beside a manifest: ``films.csv`` has ``films.csv.json``."""
    return path.with_name(path.name + ".json")


def digest(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()[:16]


def relative_root(root: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(root.absolute(), folder)).as_posix()
    except ValueError:  # another drive on Windows
        return root.absolute().as_posix()


def read_about(path: Path) -> About:
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


def read_rows(path: Path) -> list[Row]:
    reader = csv.DictReader(io.StringIO(manifest_text(path), newline=""), strict=True)
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


def manifest_text(path: Path) -> str:
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
        crop_of=plain(cell["crop_of"], 4200),
        film_number=plain(cell["film_number"], 200),
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
