"""Classes and splits of a set: names that are nearly one, classes too thin to train or to score, lone classes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lopore.messages import counted, plain

from .findings import Finding
from .manifest import Manifest
from .manifest_row import SPLITS
from .name_forms import near_equal
from .sound_class import sound_proposal

THIN_GROUPS = 3
FEW_GROUPS = 6
"""Under so many groups a split holds one or two of a class, and no figure of it has bounds that say anything."""
UNEVEN = 20
"""Images of the most frequent class for one of the rarest from which training needs weights or oversampling."""


def check_classes(part: Manifest) -> Iterator[Finding]:
    """Findings on the classes of the readable images."""
    yield from _near_names(part)
    targets, groups = part.targets(), part.group_ids()
    for column, name in enumerate(part.classes):
        here = np.flatnonzero(targets[:, column])
        count = len(np.unique(groups[here]))
        paths = tuple(part.rows[int(index)].path for index in here[:3])
        shown = f"class {plain(name, 60)!r} has {counted(len(here), 'image')} in {counted(count, 'group')}"
        if len(here) == 1:
            message = f"class {plain(name, 60)!r} has one image; it can't be both trained and tested"
            yield Finding("error", "one-image", message, paths)
        elif count < THIN_GROUPS:
            yield Finding("warning", "thin-class", f"{shown}; train, val and test need a group each", paths)
        elif count < FEW_GROUPS:
            few = f"{shown}: one or two in each split; it trains, but its figures say little"
            yield Finding("warning", "few-films", f"{few}; cross-validate with --folds, or add films", paths)
    if len(part.classes) == 1:
        only = plain(part.classes[0], 60)
        yield Finding("warning", "one-class", f"all labels are {only!r}; a classifier needs two classes")
    yield from _uneven(part)
    if proposal := sound_proposal(part.classes):
        yield Finding("warning", "no-sound-class", proposal)


def _near_names(part: Manifest) -> Iterator[Finding]:
    for names in near_equal(part.classes):
        paths = tuple(next(row.path for row in part.rows if name in row.labels) for name in names)
        shown = " and ".join(repr(plain(name, 60)) for name in names)
        message = f"classes {shown} differ by case, blank, '_' or '-' alone; give them one name"
        yield Finding("warning", "near-classes", message, paths)


def _uneven(part: Manifest) -> Iterator[Finding]:
    counts = part.class_counts
    if len(counts) < 2:
        return
    most, least = max(counts, key=lambda name: counts[name]), min(counts, key=lambda name: counts[name])
    if counts[most] >= UNEVEN * counts[least]:
        shown = f"{counts[most]} images of {plain(most, 60)} to {counts[least]} of {plain(least, 60)}"
        way_out = "set loss.class_weights: balanced or data.balance: class, and judge by the rare class"
        yield Finding("warning", "uneven-classes", f"{shown}; {way_out}")


def check_splits(part: Manifest) -> Iterator[Finding]:
    """Findings on train, val and test, where images have a split."""
    for split in SPLITS:
        here = part.split_of(split)
        counts = here.class_counts
        for name in part.classes if here.rows else ():
            if name not in counts:
                yield Finding("warning", "split-without-class", f"{split} has no image of {plain(name, 60)}")
            elif split == "train" and counts[name] == 1:
                message = f"train has one image of {plain(name, 60)}; a run needs two of each class"
                yield Finding("error", "one-image-in-train", message)
    placed = [row for row in part.rows if row.split]
    if placed and not any(row.split == "train" for row in placed):
        yield Finding("error", "no-training-side", "images have a split but none is in train; split again")
