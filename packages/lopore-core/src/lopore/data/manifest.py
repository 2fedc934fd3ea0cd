"""The manifest: one CSV row an image, one JSON beside it that says where the set comes from and how it was split.

Paths are POSIX and count from the manifest's folder, or from the ``root`` that the JSON names; they never leave it.
"""

from __future__ import annotations

import csv
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

from lopore.atomic_files import atomic_write_bytes, atomic_write_text
from lopore.errors import DataError, LoporeError
from lopore.messages import plain

from .cells import safe_cell
from .class_names import is_sound
from .manifest_row import COLUMNS, About, Row
from .manifest_text import digest, read_about, read_rows, relative_root, sidecar
from .name_forms import on_disk


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
        return digest(parts)

    @property
    def split_fingerprint(self) -> str:
        """16 hex digits of which image stands on which side and in which fold and group."""
        return digest(sorted((r.path, r.split, -1 if r.fold is None else r.fold, r.group) for r in self.rows))

    def file(self, row: Row) -> Path:
        """Where the image lies, as the disk spells it (composed or decomposed letters)."""
        return self.root / (on_disk(self.root, row.path) or row.path)

    def mask_files(self, row: Row) -> tuple[Path, ...]:
        """Where its masks lie, none or more."""
        return tuple(self.root / (on_disk(self.root, name) or name) for name in row.mask)

    def split_of(self, split: str) -> Manifest:
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

    def write(self, path: Path | str) -> Manifest:
        """Write CSV and JSON atomically; returns the manifest as it now lies there (counts and fingerprints filled).

        Cells that a spreadsheet would take for a formula are written with a leading apostrophe, which ``read`` takes
        off again. Raises LoporeError where the place cannot be written.
        """
        path = Path(path).absolute()
        about = self.about.model_copy(
            update={
                "root": relative_root(self.root, path.parent),
                "class_counts": self.class_counts,
                "fingerprint": self.fingerprint,
                "split_fingerprint": self.split_fingerprint,
            }
        )
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([safe_cell(getattr(row, name)) for name in COLUMNS] for row in self.rows)
        about_text = json.dumps(about.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
        _write_both(path, text.getvalue(), about_text)
        return replace(self, about=about, location=path)

    @classmethod
    def read(cls, path: Path | str) -> Manifest:
        """The manifest at ``path``; DataError in one line where it is absent, foreign, or a row is not usable."""
        path = Path(path).absolute()
        about = read_about(sidecar(path))
        rows = tuple(read_rows(path))
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
