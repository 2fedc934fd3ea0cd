"""Stratified splits and folds that keep every group (film, family) in one split; one label or several an image.

A handful of groups is placed in the best of all ways. More are placed one by one, those of the rarest class first
(after Sechidis et al., ECML 2011), then moved and swapped while that brings the class shares nearer to what was asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lopore.errors import DataError
from lopore.messages import counted, did_you_mean, plain

from .manifest import Manifest
from .manifest_row import SPLITS

By = Literal["group", "image"]
DEFAULT_SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
_MISSING = 100.0  # a class that lacks in a split outweighs every uneven share
_SWAP_PARTNERS = 512
_ROUNDS = 30
_EVERY_CHOICE = 20_000  # so few ways to place the groups are all tried


@dataclass(frozen=True)
class Split:
    """A manifest with splits or folds, and what a person should know about them."""

    manifest: Manifest
    notes: tuple[str, ...] = ()


def split_manifest(
    manifest: Manifest,
    shares: Mapping[str, float] = DEFAULT_SHARES,
    *,
    seed: int = 0,
    by: By = "group",
    leave_out: Sequence[str] = (),
) -> Split:
    """Put every labelled image into the train, val or test split.

    shares: split -> part of the images, adding up to 1; a split of 0 gets none. seed: same seed, same split.
    by: "group" keeps groups whole; "image" ignores them, and training then refuses the split if it leaks.
    leave_out: classes whose images get no split. Images without a label get none either.
    Raises DataError where shares do not add up, or a class has fewer groups than there are splits.
    """
    splits = [split for split in SPLITS if shares.get(split, 0.0) > 0]
    _check_shares(shares, splits)
    chosen = _usable(manifest, leave_out)
    part = manifest.select(chosen)
    groups = part.group_ids() if by == "group" else np.arange(len(part))
    _refuse_thin_classes(part, groups, len(splits), ", ".join(splits), "drop a split (such as --val 0)")
    places = assign(part.targets(), groups, [shares[split] for split in splits], seed=seed)
    rows = [replace(row, split="") for row in manifest.rows]
    for index, part_number in zip(chosen, places, strict=True):
        rows[index] = replace(rows[index], split=splits[int(part_number)])
    kind = "grouped" if by == "group" else "random"
    about = manifest.about.model_copy(
        update={"split_kind": kind, "seed": seed, "shares": {split: float(shares[split]) for split in splits}}
    )
    done = replace(manifest, rows=tuple(rows), about=about)
    return Split(done, _notes(manifest, chosen, part, places, splits))


def fold_manifest(
    manifest: Manifest, folds: int, *, seed: int = 0, by: By = "group", leave_out: Sequence[str] = ()
) -> Split:
    """Number every labelled image with the fold (0 .. folds - 1) in which it is tested; splits stay as they are.

    Raises DataError where there are fewer groups than folds, or a class has a single group.
    """
    if not 2 <= folds <= 100:
        raise DataError(f"{folds} folds were asked for; 2 to 100 are possible")
    chosen = _usable(manifest, leave_out)
    part = manifest.select(chosen)
    groups = part.group_ids() if by == "group" else np.arange(len(part))
    if len(set(groups.tolist())) < folds:
        raise DataError(f"{folds} folds need {folds} groups, here are {len(set(groups.tolist()))}; ask for fewer folds")
    _refuse_thin_classes(part, groups, 2, "training and test of a fold", "leave it out")
    places = assign(part.targets(), groups, [1.0 / folds] * folds, seed=seed)
    rows = [replace(row, fold=None) for row in manifest.rows]
    for index, part_number in zip(chosen, places, strict=True):
        rows[index] = replace(rows[index], fold=int(part_number))
    kind = manifest.about.split_kind or ("grouped" if by == "group" else "random")
    about = manifest.about.model_copy(update={"split_kind": kind, "seed": seed, "folds": folds})
    done = replace(manifest, rows=tuple(rows), about=about)
    return Split(done, _notes(manifest, chosen, part, places, [f"fold {number}" for number in range(folds)]))


def assign(targets: NDArray[Any], groups: NDArray[Any], shares: Sequence[float], *, seed: int = 0) -> NDArray[np.int64]:
    """The part of each image, whole groups together, every class near its share in every part.

    targets: (N, K) of 0 and 1. groups: (N,) integers. shares: (P,) above 0, adding up to 1.
    Returns (N,) int64 in 0..P-1; depends on nothing but the arguments.
    """
    _, member = np.unique(np.asarray(groups), return_inverse=True)
    table = np.column_stack([np.asarray(targets, dtype=np.float64), np.ones(len(targets))])
    counts = np.zeros((int(member.max()) + 1, table.shape[1]))
    np.add.at(counts, member, table)
    search = _Search(counts, np.asarray(shares, dtype=np.float64))
    if len(shares) ** len(counts) <= _EVERY_CHOICE:
        return search.best_of_all(np.random.default_rng(seed))[member].astype(np.int64)
    starts = 6 if len(counts) <= 300 else 1
    tries = [search.run(np.random.default_rng([seed, start])) for start in range(starts)]
    return min(tries, key=search.imbalance)[member].astype(np.int64)


def imbalance(targets: NDArray[Any], places: NDArray[Any], shares: Sequence[float]) -> float:
    """How far a placing is from its shares: squared deviations of class shares over the share asked, added up.

    A class that has images enough but none in a part adds 100. 0 is perfect.
    """
    table = np.column_stack([np.asarray(targets, dtype=np.float64), np.ones(len(targets))])
    return _Search(table, np.asarray(shares, dtype=np.float64)).imbalance(np.asarray(places))


class _Search:
    """Places groups; ``counts`` (G, C) holds their images a class, the last column all their images."""

    def __init__(self, counts: NDArray[np.float64], shares: NDArray[np.float64]) -> None:
        present = counts.sum(axis=0) > 0
        self.counts = counts[:, present] / counts.sum(axis=0)[present]
        self.shares = shares
        carriers = (self.counts > 0).sum(axis=0)
        self.needed = (carriers >= len(shares)).astype(np.float64)
        self.carriers = carriers

    def cost(self, sums: NDArray[np.float64], share: Any) -> NDArray[np.float64]:
        """(..., C) shares of the classes that lie in a part -> (...) how wrong that is."""
        wanted = np.asarray(share)[..., None]
        uneven = ((sums - wanted) ** 2 / wanted).sum(axis=-1)
        missing = ((sums < 1e-12) * self.needed).sum(axis=-1)
        return np.asarray(uneven + _MISSING * missing)

    def imbalance(self, places: NDArray[Any]) -> float:
        return float(self.cost(self._sums(places), self.shares).sum())

    def _sums(self, places: NDArray[Any]) -> NDArray[np.float64]:
        sums = np.zeros((len(self.shares), self.counts.shape[1]))
        np.add.at(sums, places, self.counts)
        return sums

    def best_of_all(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """The best of all placings; among equals, one by chance."""
        parts, groups = len(self.shares), len(self.counts)
        choices = np.indices((parts,) * groups).reshape(groups, -1).T
        cost = np.zeros(len(choices))
        for part in range(parts):
            cost += self.cost((choices == part).astype(np.float64) @ self.counts, self.shares[part])
        best = np.flatnonzero(cost <= cost.min() + 1e-9)
        return np.asarray(choices[rng.choice(best)], np.int64)

    def run(self, rng: np.random.Generator) -> NDArray[np.int64]:
        places = self._place_rarest_first(rng)
        for _ in range(_ROUNDS):
            moved = self._move(places, rng)
            swapped = self._swap(places, rng)
            if not moved and not swapped:
                break
        return places

    def _order(self, rng: np.random.Generator) -> NDArray[np.int64]:
        rarest = np.where(self.counts > 0, self.carriers, len(self.counts) + 1).min(axis=1)
        return np.lexsort((rng.random(len(self.counts)), -self.counts.sum(axis=1), rarest))

    def _place_rarest_first(self, rng: np.random.Generator) -> NDArray[np.int64]:
        places = np.zeros(len(self.counts), dtype=np.int64)
        sums = np.zeros((len(self.shares), self.counts.shape[1]))
        for group in self._order(rng):
            gain = self.cost(sums + self.counts[group], self.shares) - self.cost(sums, self.shares)
            places[group] = int(np.argmin(gain))
            sums[places[group]] += self.counts[group]
        return places

    def _move(self, places: NDArray[np.int64], rng: np.random.Generator) -> bool:
        sums, better = self._sums(places), False
        for group in rng.permutation(len(places)):
            here = places[group]
            now = self.cost(sums, self.shares)
            leave = float(self.cost(sums[here] - self.counts[group], self.shares[here]) - now[here])
            change = self.cost(sums + self.counts[group], self.shares) - now + leave
            change[here] = 0.0
            there = int(np.argmin(change))
            if change[there] < -1e-9:
                sums[here] -= self.counts[group]
                sums[there] += self.counts[group]
                places[group], better = there, True
        return better

    def _swap(self, places: NDArray[np.int64], rng: np.random.Generator) -> bool:
        sums, better = self._sums(places), False
        everyone = np.arange(len(places))
        turns = everyone if len(places) <= 2000 else rng.choice(everyone, 2000, replace=False)
        for group in turns:
            here = places[group]
            few = len(everyone) <= _SWAP_PARTNERS
            others = everyone if few else rng.choice(everyone, _SWAP_PARTNERS, replace=False)
            others = others[places[others] != here]
            if not len(others):
                continue
            gift = self.counts[others] - self.counts[group]
            there = places[others]
            now = self.cost(sums, self.shares)
            after = self.cost(sums[here] + gift, self.shares[here]) + self.cost(sums[there] - gift, self.shares[there])
            change = after - now[here] - now[there]
            best = int(np.argmin(change))
            if change[best] < -1e-9:
                sums[here] += gift[best]
                sums[there[best]] -= gift[best]
                places[group], places[others[best]], better = there[best], here, True
        return better


def _check_shares(shares: Mapping[str, float], splits: list[str]) -> None:
    shares_text = ", ".join(f"{split} {shares.get(split, 0.0):g}" for split in SPLITS)
    if any(not 0 <= share <= 1 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise DataError(f"shares are {shares_text}; each is 0 to 1 and together they make 1, such as 0.7, 0.15, 0.15")
    if "train" not in splits or len(splits) < 2:
        raise DataError(f"shares are {shares_text}; train and at least one of val and test need more than 0")


def _usable(manifest: Manifest, leave_out: Sequence[str]) -> list[int]:
    unknown = sorted(set(leave_out) - set(manifest.classes))
    if unknown:
        known, near = plain(", ".join(manifest.classes)) or "none", did_you_mean(unknown[0], manifest.classes, most=1)
        raise DataError(f"class {plain(unknown[0], 60)!r} is not in the set; its classes are {known}{near}")
    chosen = [i for i, row in enumerate(manifest.rows) if row.labels and not set(row.labels) & set(leave_out)]
    if not chosen:
        raise DataError("no image has a label, so there is nothing to split; index class folders or a CSV with labels")
    return chosen


def _refuse_thin_classes(part: Manifest, groups: NDArray[Any], least: int, splits: str, way_out: str) -> None:
    targets = part.targets()
    for column, name in enumerate(part.classes):
        images = int(targets[:, column].sum())
        found = len(np.unique(groups[targets[:, column] > 0]))
        if found < least:
            has = f"{counted(images, 'image')} in {counted(found, 'group')}"
            raise DataError(
                f"class {plain(name, 60)!r} has {has}, but {splits} need one group each; "
                f"add films of it, {way_out}, or use --leave-out {plain(name, 60)!r}"
            )


def _notes(
    manifest: Manifest, chosen: list[int], part: Manifest, places: NDArray[Any], splits: Sequence[str]
) -> tuple[str, ...]:
    notes = []
    if len(chosen) < len(manifest):
        notes.append(f"{counted(len(manifest) - len(chosen), 'image')} without a label, or left out, got no split")
    targets = part.targets()
    for part_number, split in enumerate(splits):
        here = targets[places == part_number].sum(axis=0)
        absent = [plain(name, 60) for name, count in zip(part.classes, here, strict=True) if not count]
        if absent:
            notes.append(f"{split} has no image of {', '.join(absent)}: there are too few groups")
    return tuple(notes)


def complete_shares(given: Mapping[str, float | None]) -> dict[str, float]:
    """Shares for train, val and test from those that were given; the others divide what is left as by default."""
    known = {split: share for split, share in given.items() if share is not None}
    open_splits = [split for split in SPLITS if split not in known]
    left = 1.0 - sum(known.values())
    if left < -1e-9 or not open_splits:
        return {split: known.get(split, 0.0) for split in SPLITS}
    weight = sum(DEFAULT_SHARES[split] for split in open_splits)
    return {split: known.get(split, max(left, 0.0) * DEFAULT_SHARES[split] / weight) for split in SPLITS}


def table(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Side or fold -> images, groups and images a class, for people and JSON."""
    splits = {split: [i for i, row in enumerate(manifest.rows) if row.split == split] for split in SPLITS}
    folds = sorted({row.fold for row in manifest.rows if row.fold is not None})
    splits |= {f"fold {n}": [i for i, row in enumerate(manifest.rows) if row.fold == n] for n in folds}
    groups = manifest.group_ids()
    counted = {}
    for split, indices in splits.items():
        if indices:
            here = manifest.select(indices).class_counts
            counted[split] = {
                "images": len(indices),
                "groups": len(np.unique(groups[indices])),
                "classes": {name: here.get(name, 0) for name in manifest.classes},
            }
    return counted
