"""Leaks: the same bytes, pixels, image or film in two splits."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Literal, TypeAlias

from lopore.atomic_files import atomic_write_text
from lopore.errors import LeakError
from lopore.messages import counted, plain

from .cells import safe_cell
from .manifest import Manifest
from .manifest_row import SPLITS, Row

Between: TypeAlias = Sequence[str] | Literal["folds"]
"""Sides to compare, such as ("train", "test"), or "folds"."""
WHY = ("same bytes", "same pixels", "near duplicate", "same group", "same film number")
_KEYS: tuple[Callable[[Row], str], ...] = (
    lambda row: row.sha256,
    lambda row: row.pixel_hash,
    lambda row: row.family,
    lambda row: row.group,
    lambda row: row.film_number,
)


@dataclass(frozen=True, slots=True)
class Leak:
    """Two images that must not be parted: ``why`` is one of WHY, ``name`` the family or group they share."""

    path: str
    other: str
    split: str
    other_split: str
    why: str
    name: str = ""

    def __str__(self) -> str:
        one, other = plain(self.path, 80), plain(self.other, 80)
        shared = f" {plain(self.name, 40)}" if self.name else ""
        return f"{one} ({self.split}) and {other} ({self.other_split}): {self.why}{shared}"


@dataclass(frozen=True)
class LeakFindings:
    """What stands in two splits.

    leaks: pairs, strongest reason first; every image that leaks is named at least once (a film of 1000 crops on both
    splits gives about 1000 pairs here, not a million). images: how many have a partner in another split.
    checked_pairs: pairs of images across splits. between: the splits that were compared.
    """

    leaks: tuple[Leak, ...]
    images: int
    checked_pairs: int
    between: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.leaks)

    @property
    def counts(self) -> dict[str, int]:
        """Listed pairs by reason, reasons without a pair left out."""
        return dict(Counter(leak.why for leak in self.leaks))

    def examples(self, most: int = 5) -> tuple[str, ...]:
        """The first pairs as lines of plain text."""
        return tuple(str(leak) for leak in self.leaks[:most])

    def write(self, path: Path) -> None:
        """The whole list as CSV, atomically."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["path", "split", "other", "other_split", "why", "name"])
        for leak in self.leaks:
            columns = (leak.path, leak.split, leak.other, leak.other_split, leak.why, leak.name)
            writer.writerow([safe_cell(value) for value in columns])
        atomic_write_text(path, text.getvalue())

    def stop(self, list_file: Path) -> None:
        """Raise LeakError if there is any leak, after the whole list is written to ``list_file``."""
        if not self.leaks:
            return
        self.write(list_file)
        raise LeakError(
            f"the split leaks: {self.images} images have a partner in another split, such as "
            f"{'; '.join(self.examples(2))}; all {counted(len(self.leaks), 'pair is', 'pairs are')} in {list_file}; "
            "split by group with `lopore data split`, or train with --allow-leaks and the model carries the mark"
        )


def find_leaks(manifest: Manifest, between: Between = SPLITS) -> LeakFindings:
    """Images in two splits that share bytes, pixels, a family of near duplicates, a group, or a film's number.

    between: the splits compared, or "folds" for all folds. Images without a split do not count.
    Families come from the manifest; for rows that have none, ``lopore.data.index.complete`` looks at the images.
    """
    places = _places(manifest, between)
    leaks: dict[tuple[int, int], Leak] = {}
    named: set[tuple[int, str]] = set()
    leaking: set[int] = set()
    for why, key in zip(WHY, _KEYS, strict=True):
        fresh: set[tuple[int, str]] = set()
        for name, by_split in _in_several_splits(manifest.rows, places, key):
            leaking.update(index for members in by_split.values() for index in members)
            for first, second in _star_pairs(by_split):
                ends = {(first, places[second]), (second, places[first])}
                if not ends <= named:
                    leaks[first, second] = _leak(manifest.rows, places, (first, second), why, name)
                    fresh |= ends
        named |= fresh
    sizes = Counter(places.values())
    return LeakFindings(
        leaks=tuple(leaks.values()),
        images=len(leaking),
        checked_pairs=sum(a * b for a, b in combinations(sizes.values(), 2)),
        between=tuple(sizes),
    )


def _places(manifest: Manifest, between: Between) -> dict[int, str]:
    """Row number -> split, for the rows that have one."""
    if between == "folds":
        return {i: f"fold {row.fold}" for i, row in enumerate(manifest.rows) if row.fold is not None}
    return {i: row.split for i, row in enumerate(manifest.rows) if row.split and row.split in between}


def _in_several_splits(
    rows: Sequence[Row], places: dict[int, str], key: Callable[[Row], str]
) -> Iterator[tuple[str, dict[str, list[int]]]]:
    """(shared name, split -> rows) of each cluster that stands in more than one split."""
    clusters: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, split in places.items():
        if name := key(rows[index]):
            clusters[name][split].append(index)
    yield from ((name, by_split) for name, by_split in clusters.items() if len(by_split) > 1)


def _star_pairs(by_split: dict[str, list[int]]) -> Iterator[tuple[int, int]]:
    """For every two splits: each row with the first of the other split, so that the list stays linear."""
    for ours, theirs in combinations(by_split.values(), 2):
        yield from ((index, theirs[0]) for index in ours)
        yield from ((ours[0], index) for index in theirs[1:])


def _leak(rows: Sequence[Row], places: dict[int, str], pair: tuple[int, int], why: str, name: str) -> Leak:
    first, second = pair
    return Leak(rows[first].path, rows[second].path, places[first], places[second], why, name if why in WHY[2:] else "")
