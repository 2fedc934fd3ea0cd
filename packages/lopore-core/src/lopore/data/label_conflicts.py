"""Alike images with different labels: found among equal files and families, and kept, joined or dropped."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Literal

from lopore.messages import plain

from .class_names import is_sound
from .listing import Entry
from .manifest_row import Row
from .scan import Scanned

Conflicts = Literal["keep", "join", "drop"]


@dataclass(frozen=True)
class Conflict:
    """Images that are one file, or look alike, and stand in different classes.

    What looks alike is a copy, or the same part with and without its defect: only a person can tell.
    """

    family: str
    paths: tuple[str, ...]
    labels: tuple[str, ...]
    same_bytes: bool = False

    def __str__(self) -> str:
        labels = " and ".join(plain(name, 40) for name in self.labels)
        named = f"{plain(self.paths[0], 80)}, {plain(self.paths[-1], 80)}"
        if self.same_bytes:
            return f"the same file is labelled {labels}: {named}"
        alike = f"{len(self.paths)} images look alike ({plain(self.family, 20)}) and are labelled {labels}"
        return f"{alike}: copies, or one part with and without its defect; look at {named}"


def merge_equal_files(
    pairs: list[tuple[Entry, Scanned]],
) -> tuple[list[tuple[Entry, Scanned]], list[tuple[str, str]], list[Conflict]]:
    """Equal files of one side in several classes become one image with all their labels."""
    equal: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, (entry, one) in enumerate(pairs):
        equal[one.sha256, entry.split].append(index)
    gone: set[int] = set()
    merged: list[tuple[str, str]] = []
    conflicts: list[Conflict] = []
    for indices in equal.values():
        entries = [pairs[index][0] for index in indices]
        labels = tuple(sorted({label for entry in entries for label in entry.labels}))
        if len(indices) == 1 or all(entry.labels == labels for entry in entries):
            continue
        first = replace(entries[0], labels=labels, mask=next((entry.mask for entry in entries if entry.mask), ()))
        pairs[indices[0]] = (first, pairs[indices[0]][1])
        gone.update(indices[1:])
        merged += [(first.path, entry.path) for entry in entries[1:]]
        if len({entry.labels for entry in entries if entry.labels}) > 1:
            conflicts.append(Conflict("", tuple(entry.path for entry in entries), labels, same_bytes=True))
    return [pair for index, pair in enumerate(pairs) if index not in gone], merged, conflicts


def family_conflicts(rows: list[Row]) -> list[Conflict]:
    members: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.family and row.labels:
            members[row.family].append(row)
    return [
        Conflict(family, tuple(row.path for row in found), tuple(sorted({n for row in found for n in row.labels})))
        for family, found in members.items()
        if len({row.labels for row in found}) > 1
    ]


def resolve_conflicts(rows: list[Row], found: list[Conflict], conflicts: Conflicts) -> list[Row]:
    if conflicts == "keep":
        return rows
    labels = {path: conflict.labels for conflict in found for path in conflict.paths}
    if conflicts == "drop":
        return [row for row in rows if row.path not in labels]
    return [replace(row, labels=_defects(labels.get(row.path, row.labels))) for row in rows]


def _defects(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Without the sound class where a defect is named: someone saw it."""
    return tuple(name for name in labels if not is_sound(name)) or labels
