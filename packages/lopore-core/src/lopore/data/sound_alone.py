"""Learning from sound images alone: every defect is one class, and what has one is not learned from."""

from __future__ import annotations

from dataclasses import replace

from lopore.arrays import ANOMALY
from lopore.errors import DataError
from lopore.messages import counted

from .class_names import is_sound
from .manifest import Manifest
from .manifest_row import Row


def one_defect(manifest: Manifest) -> Manifest:
    """The manifest with every class of a defect called ``anomaly``; sound images keep the name of their class."""
    rows = tuple(row if all(map(is_sound, row.labels)) else replace(row, labels=(ANOMALY,)) for row in manifest.rows)
    return replace(manifest, rows=rows)


def is_learned(row: Row, *, regions: bool) -> bool:
    """Whether an image of ``one_defect``, or a tile of it, is learned from: a sound one is.

    regions: one with a mask is too, where the mask marks nothing.
    """
    return ANOMALY not in row.labels or (regions and bool(row.mask))


def sound_alone(samples: Manifest, *, regions: bool) -> Manifest:
    """Samples of which the train split holds those alone that ``is_learned``; the others of it stand in no split.

    DataError where nothing is left to learn from.
    """
    left_out = [row.split == "train" and not is_learned(row, regions=regions) for row in samples.rows]
    train = [row for row in samples.rows if row.split == "train"]
    if train and sum(left_out) == len(train):
        _refuse(train)
    rows = tuple(replace(row, split="") if out else row for row, out in zip(samples.rows, left_out, strict=True))
    return replace(samples, rows=rows)


def _refuse(train: list[Row]) -> None:
    masked = sum(bool(row.mask) for row in train)
    message = f"none of {counted(len(train), 'image')} to train on is sound, and task anomaly learns from sound ones"
    if masked:
        has = counted(masked, "has a mask", "have masks")
        raise DataError(f"{message}; {has}: set anomaly.sound_regions to true to learn from what masks leave unmarked")
    raise DataError(f"{message}; add some, or say with data.sound how their class is called")
