"""Leaks between two sets: the same file, the same pixels, a copy, a shared part, or one film's number on both."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .film_names import film_names
from .image_sets import ImageSet
from .near_duplicates.families import Families, Pair, find_families
from .scan import Scanned, Stage, Unreadable, scan, silent

WHY = ("same bytes", "same pixels", "near copy", "same film number")


@dataclass(frozen=True)
class SetLeak:
    """Two images of two sets that one model must not both train on and be scored on.

    why: one of WHY. evidence: how it was seen, for a person. score: agreement up to 1 of a near copy, else None.
    """

    first: Path
    second: Path
    first_name: str
    second_name: str
    why: str
    evidence: str
    score: float | None = None


@dataclass(frozen=True)
class SetLeaks:
    """What two sets share. leaks: strongest reason first; each image that leaks stands in one at least.

    images: (number in the first, number in the second) that leak. read: images that were read of each. problems:
    (file, what is wrong) of those that could not be.
    """

    leaks: tuple[SetLeak, ...]
    images: tuple[int, int]
    read: tuple[int, int]
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Listed pairs by reason, reasons without a pair left out."""
        found = Counter(leak.why for leak in self.leaks)
        return {why: found[why] for why in WHY if found[why]}

    def as_data(self) -> dict[str, Any]:
        """Plain data for JSON."""
        listed = [
            {"first": str(leak.first), "second": str(leak.second), "why": leak.why, "evidence": leak.evidence,
             "score": leak.score}
            for leak in self.leaks
        ]  # fmt: skip
        return {
            "images": list(self.read), "leaking": list(self.images), "pairs": self.counts, "leaks": listed,
            "problems": [{"path": path, "reason": why} for path, why in self.problems],
        }  # fmt: skip


def leaks_between(
    first: ImageSet, second: ImageSet, *, threads: int | None = None, stage: Stage | None = None
) -> SetLeaks:
    """Compare all images of two sets with each other; what leaks within one of them is not listed.

    Near copies are found as ``data index`` finds families: flipped, turned, brightened, resized, recompressed, cropped,
    and windows that share half of one film. Film numbers are groups of both sets (from a column) of one name, and
    films that the file names of both state.
    """
    stage = stage or silent
    seen = scan([*first.files, *second.files], threads=threads, progress=stage("reading"))
    rows = _rows(first, second, seen)
    families = find_families(
        [row.scanned.fingerprint for row in rows if row.scanned.fingerprint], progress=stage("comparing")
    )
    found = list(_found(rows, families))
    problems = [
        (name, one.reason)
        for name, one in zip((*first.names, *second.names), seen, strict=True)
        if isinstance(one, Unreadable)
    ]
    problems += [(name, "is not there") for name in (*first.missing, *second.missing)]
    leaking = ({leak.first for leak in found}, {leak.second for leak in found})
    read = (sum(not row.is_second for row in rows), sum(row.is_second for row in rows))
    return SetLeaks(tuple(found), (len(leaking[0]), len(leaking[1])), read, tuple(problems))


@dataclass(frozen=True, eq=False)
class _Row:
    file: Path
    name: str
    group: str
    film: str
    is_second: bool
    scanned: Scanned


def _rows(first: ImageSet, second: ImageSet, seen: Sequence[Scanned | Unreadable]) -> list[_Row]:
    files, names = (*first.files, *second.files), (*first.names, *second.names)
    groups = (*first.groups, *second.groups)
    films = film_names(names).keys
    return [
        _Row(files[i], names[i], groups[i], films[i], i >= len(first.files), one)
        for i, one in enumerate(seen)
        if isinstance(one, Scanned)
    ]


def _found(rows: Sequence[_Row], families: Families) -> Iterator[SetLeak]:
    """Pairs by reason; an image that a stronger reason names is not named again by a weaker one."""
    direct = _direct_pairs(rows, families.pairs)
    keys: list[list[str]] = [
        [row.scanned.sha256 for row in rows], [row.scanned.pixel_hash for row in rows],
        [str(label) for label in families.labels.tolist()],
    ]  # fmt: skip
    named: set[int] = set()
    for why, values in zip(WHY, keys, strict=False):
        fresh: set[int] = set()
        for one, other in _across(rows, values):
            if not {one, other} <= named:
                pair = direct.get((one, other)) if why == "near copy" else None
                yield _leak(rows, one, other, why, pair, families.labels)
                fresh |= {one, other}
        named |= fresh
    yield from _by_number(rows, named)


def _by_number(rows: Sequence[_Row], named: set[int]) -> Iterator[SetLeak]:
    for values, what in (([row.group for row in rows], "group"), ([row.film for row in rows], "film by its file name")):
        for one, other in _across(rows, values):
            if not {one, other} <= named:
                evidence = f"{what} {values[one]}"
                yield SetLeak(rows[one].file, rows[other].file, rows[one].name, rows[other].name, WHY[3], evidence)
                named |= {one, other}


def _direct_pairs(rows: Sequence[_Row], pairs: Sequence[Pair]) -> dict[tuple[int, int], Pair]:
    """Pairs that were laid together, (row of the first set, row of the second)."""
    found = {}
    for pair in pairs:
        ends = sorted((pair.first, pair.second), key=lambda row: rows[row].is_second)
        if rows[ends[0]].is_second != rows[ends[1]].is_second:
            found[ends[0], ends[1]] = pair
    return found


def _leak(
    rows: Sequence[_Row], one: int, other: int, why: str, pair: Pair | None, labels: NDArray[np.int64]
) -> SetLeak:
    evidence, score = why, None
    if why == "near copy":
        evidence = pair.why if pair else f"both belong to one family of {int((labels == labels[one]).sum())} images"
        score = pair.score if pair else None
    return SetLeak(rows[one].file, rows[other].file, rows[one].name, rows[other].name, why, evidence, score)


def _across(rows: Sequence[_Row], values: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(row of the first set, row of the second) of one value: each row with the first of the other set."""
    by_value: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for number, value in enumerate(values):
        if value:
            by_value[value][rows[number].is_second].append(number)
    for ours, theirs in by_value.values():
        if ours and theirs:
            yield from ((ours[0], other) for other in theirs)
            yield from ((one, theirs[0]) for one in ours[1:])
