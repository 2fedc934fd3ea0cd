"""How well the detections of a segmentation model cover the masks: Dice and IoU, with bounds that resample groups.

Pixels are counted on the network's input over all images of a side together: one mean over images would let a
image with a speck weigh as much as one with a large flaw. Dice: Ecology 26 (1945); Jaccard: New Phytologist 11
(1912).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from lopore.contracts import IGNORE
from lopore.inference.regions import DetectionRule, Detections, Mask
from lopore.messages import counted
from lopore.record.interval import Interval

from .bootstrap import RESAMPLES, ratio_with_bounds


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PixelScores(_Part):
    """One class under one rule.

    dice, iou: of all pixels of the split together; None where neither truth nor answer has a pixel. detections: regions
    that count. found, missed: marks (connected components of the masks) that a detection of the class touches or none
    does. false_calls: detections that touch no mark of their class.
    """

    dice: Interval
    iou: Interval
    detections: int
    found: int
    missed: int
    false_calls: int


class ClassPixels(_Part):
    """One class: images that are labelled with it, pixels of its masks, and the scores before and after the rule.

    after: None where the rule drops nothing.
    """

    images: int
    pixels: int
    before: PixelScores
    after: PixelScores | None = None


class PixelMetrics(_Part):
    """The pixel scores of one split. images: those with a known mask (a sound image's is empty). rule: as used.

    mean_dice, mean_iou: plain means over the classes that have marks, after the rule where it drops anything.
    """

    images: int
    groups: int
    rule: DetectionRule
    per_class: dict[str, ClassPixels]
    mean_dice: float | None = None
    mean_iou: float | None = None
    notes: tuple[str, ...] = Field(())

    @property
    def text(self) -> str:
        """What was counted and what the rule drops, for a person."""
        what = (
            f"The detections in {counted(self.images, 'image')} of {counted(self.groups, 'group')} against their "
            "masks, all pixels of the network's input together. Found and missed count marks; a false call is a "
            "detection that touches no mark of its class."
        )
        return f"{what} {self.rule.text}"


@dataclass(frozen=True)
class PixelCounts:
    """One image against its mask, for each class: (K,) pixels right and answered, regions that count, marks that a
    region touches or none does, and regions that touch no mark."""

    right: NDArray[np.int64]
    answered: NDArray[np.int64]
    regions: NDArray[np.int64]
    found: NDArray[np.int64]
    missed: NDArray[np.int64]
    false_calls: NDArray[np.int64]


def count_pixels(seen: Detections, truth: NDArray[np.uint8], classes: Sequence[str]) -> PixelCounts:
    """Counts of one image. truth: (h, w) class numbers at the maps' size: 0 the ground, 1..K the classes, ``IGNORE``
    where it is not known; such pixels count nowhere, nor does a region that lies on them by half or more."""
    known = truth != IGNORE
    each = [_count_class(seen.regions[k], truth == k + 1, known) for k in range(len(classes))]
    return PixelCounts(*(np.array(column, np.int64) for column in zip(*each, strict=True)))


def _count_class(drawn: Mask, wanted: Mask, known: Mask) -> tuple[int, int, int, int, int, int]:
    regions, region_of = label_regions(drawn)
    flat = region_of.ravel()
    areas = np.bincount(flat, minlength=regions + 1)[1:]
    unknown = np.bincount(flat[~known.ravel()], minlength=regions + 1)[1:]
    touched = np.bincount(flat[wanted.ravel()], minlength=regions + 1)[1:] > 0
    counts = touched | (2 * unknown < areas)
    marks, mark_of = label_regions(wanted)
    found = len(np.unique(mark_of[drawn & wanted]))
    return (
        int((drawn & wanted).sum()), int((drawn & known).sum()), int(counts.sum()), found, marks - found,
        int((counts & ~touched).sum()),
    )  # fmt: skip


def label_regions(mask: Mask) -> tuple[int, NDArray[np.int32]]:
    """How many regions a mask (h, w) has, and which one each pixel belongs to, 0 for none.

    Pixels touch by sides and corners.
    """
    import cv2

    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return count - 1, np.asarray(labels, np.int32)


def pixel_scores(
    before: Sequence[PixelCounts],
    after: Sequence[PixelCounts],
    marked: NDArray[np.int64],
    labels: NDArray[np.bool_],
    groups: NDArray[np.int64],
    *,
    classes: Sequence[str],
    rule: DetectionRule,
    resamples: int = RESAMPLES,
    seed: int = 0,
    notes: tuple[str, ...] = (),
) -> PixelMetrics:
    """The scores of N images.

    after: counts under ``rule``, or empty where it drops nothing. marked: (N, K) pixels of each class in the masks.
    labels: (N, K) which class an image has. groups: (N,) whole numbers from 0, every one occurring.
    """
    per_class = {
        name: ClassPixels(
            images=int(labels[:, column].sum()),
            pixels=int(marked[:, column].sum()),
            before=_scores(before, column, marked[:, column], groups, resamples, seed),
            after=_scores(after, column, marked[:, column], groups, resamples, seed) if after else None,
        )
        for column, name in enumerate(classes if before else ())
    }
    shown = [one.after or one.before for one in per_class.values() if one.pixels]
    return PixelMetrics(
        images=len(before),
        groups=int(groups.max()) + 1 if len(groups) else 0,
        rule=rule,
        per_class=per_class,
        mean_dice=_mean([one.dice.value for one in shown]),
        mean_iou=_mean([one.iou.value for one in shown]),
        notes=notes,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _scores(
    counts: Sequence[PixelCounts],
    column: int,
    marked: NDArray[np.int64],
    groups: NDArray[np.int64],
    resamples: int,
    seed: int,
) -> PixelScores:
    right = np.array([one.right[column] for one in counts], np.int64)
    both = marked + np.array([one.answered[column] for one in counts], np.int64)

    def bounded(top: NDArray[Any], bottom: NDArray[Any]) -> Interval:
        return ratio_with_bounds(top, bottom, groups, resamples=resamples, seed=seed)

    return PixelScores(
        dice=bounded(2 * right, both),
        iou=bounded(right, both - right),
        detections=sum(int(one.regions[column]) for one in counts),
        found=sum(int(one.found[column]) for one in counts),
        missed=sum(int(one.missed[column]) for one in counts),
        false_calls=sum(int(one.false_calls[column]) for one in counts),
    )
