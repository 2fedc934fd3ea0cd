"""From the labels of a manifest to what a network is trained on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import ANOMALY, Task
from lopore.errors import DataError
from lopore.messages import counted, did_you_mean, plain

from .manifest import Manifest


@dataclass(frozen=True)
class Targets:
    """What each row of a manifest teaches.

    classes: in the order of the network's outputs; binary has the positive class second. labels: (N,) int64 class
    indices for binary and multiclass, (N, K) float32 of 0 and 1 for multilabel, segmentation and
    anomaly.
    """

    task: Task
    classes: tuple[str, ...]
    positive: str | None
    labels: NDArray[Any]

    @property
    def strata(self) -> NDArray[np.int64]:
        """(N,) int64: one number for each class, or for each combination of classes that occurs."""
        if self.labels.ndim == 1:
            return self.labels.astype(np.int64)
        return np.asarray(np.unique(self.labels, axis=0, return_inverse=True)[1], np.int64).reshape(-1)

    def count(self, rows: NDArray[Any]) -> dict[str, int]:
        """Images of each class among the rows."""
        chosen = self.labels[rows]
        table = chosen.sum(axis=0) if chosen.ndim == 2 else np.bincount(chosen, minlength=len(self.classes))
        return {name: int(table[column]) for column, name in enumerate(self.classes)}


def leave_out(manifest: Manifest, exclude: tuple[str, ...]) -> Manifest:
    """The manifest without unlabelled rows and without those whose labels are exactly one of ``exclude``.

    exclude: label sets such as ``crack`` or ``lack_of_penetration+pore``. DataError where one of them does not occur.
    """
    sets = {frozenset(part.strip() for part in text.split("+")) for text in exclude}
    there = Counter(frozenset(row.labels) for row in manifest.rows)
    unknown = [text for text in exclude if frozenset(part.strip() for part in text.split("+")) not in there]
    if unknown:
        have = ", ".join(sorted(plain("+".join(sorted(labels)), 60) for labels in there if labels)[:10])
        near = did_you_mean(unknown[0], ["+".join(sorted(labels)) for labels in there if labels], most=1)
        raise DataError(f"data.exclude names {plain(unknown[0], 60)!r}, which no image carries; there are {have}{near}")
    usable = [i for i, row in enumerate(manifest.rows) if row.labels and frozenset(row.labels) not in sets]
    if not usable:
        bare = not any(row.labels for row in manifest.rows)
        nothing = "no image carries a label; index class folders or a CSV with labels"
        raise DataError(nothing if bare else "data.exclude leaves out every labelled image; shorten it")
    kept = manifest.select(usable)
    _refuse_renumbered_masks(manifest, kept)
    return kept


def _refuse_renumbered_masks(manifest: Manifest, kept: Manifest) -> None:
    """Masks of images with several classes hold class numbers, which would count from another class."""
    lost = sorted(set(manifest.defect_classes) - set(kept.defect_classes))
    later = {name for name in kept.defect_classes if lost and name > lost[0]}
    for row in kept.rows:
        defects = set(row.labels) & set(kept.defect_classes)
        if row.mask and len(defects) > 1 and defects & later:
            raise DataError(
                f"data.exclude leaves out every {plain(lost[0], 60)}, and the mask of {plain(row.path, 80)} numbers "
                "its classes with it; keep the class, or write masks without it"
            )


def targets_of(manifest: Manifest, task: Task, positive: str | None = None) -> Targets:
    """What the rows teach for a task, of ``one_defect`` for anomaly; DataError in one line where they do not fit."""
    if task == ANOMALY:
        return Targets(task, (ANOMALY,), None, manifest.targets((ANOMALY,)).astype(np.float32))
    names = manifest.classes
    if task == "binary":
        return _binary(manifest, positive)
    if task == "segmentation":
        names = manifest.defect_classes
    if len(names) < (1 if task == "segmentation" else 2):
        named = plain(", ".join(names)) or "labels of sound welds alone"
        raise DataError(
            f"the images carry {counted(len(names), 'class', 'classes')} ({named}); a {task} task needs more"
        )
    if task == "multiclass":
        _refuse_several_labels(manifest)
        return Targets(task, names, None, manifest.targets(names).argmax(axis=1).astype(np.int64))
    return Targets(task, names, None, manifest.targets(names).astype(np.float32))


def _binary(manifest: Manifest, positive: str | None) -> Targets:
    if positive not in manifest.classes:
        have = f"{plain(', '.join(manifest.classes), 300)}{did_you_mean(positive or '', manifest.classes, most=1)}"
        raise DataError(f"data.positive is {positive!r}; the images carry {have}")
    others = [name for name in manifest.classes if name != positive]
    found = np.array([positive in row.labels for row in manifest.rows], np.int64)
    if not others:
        raise DataError(f"every image is {positive!r}; a binary task needs images without it too")
    return Targets("binary", (others[0] if len(others) == 1 else f"not {positive}", positive), positive, found)


def _refuse_several_labels(manifest: Manifest) -> None:
    several = [row for row in manifest.rows if len(row.labels) > 1]
    if several:
        sets = sorted({"+".join(row.labels) for row in several})
        raise DataError(
            f"{counted(len(several), 'image carries', 'images carry')} several classes ({plain(', '.join(sets), 80)}), "
            f"such as {plain(several[0].path, 80)}; "
            "use task multilabel, or leave them out with data.exclude"
        )


def refuse_thin_classes(targets: Targets, rows: NDArray[Any], split: str, least: int = 2) -> None:
    """DataError where a class has fewer than ``least`` images on the side that is learned from."""
    for name, count in targets.count(rows).items():
        if count < least:
            there = "no image" if count == 0 else counted(count, "image")
            near = did_you_mean(name, [other for other in targets.classes if other != name], most=1) if count else ""
            raise DataError(
                f"class {plain(name, 60)!r} has {there} in {split}, at least {least} are needed; "
                f"add films of it, split again, or leave the class out with data.exclude{near}"
            )
