"""How well the detections of a segmentation model cover the masks: Dice and IoU, with bounds that resample groups.

Pixels are counted on the network's input over all pictures of a side together: one mean over pictures would let a
picture with a speck weigh as much as one with a large flaw. Dice: Ecology 26 (1945); Jaccard: New Phytologist 11
(1912).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from lopore.inference.regions import DetectionRule, Detections
from lopore.messages import counted
from lopore.record.interval import Interval

from .bootstrap import RESAMPLES, ratio_with_bounds


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PixelScores(_Part):
    """One class under one rule.

    dice, iou: of all pixels of the side together; None where neither truth nor answer has a pixel. detections: regions
    that count. found, missed: pictures of the class with and without a detection of it; false_calls: other pictures
    with one.
    """

    dice: Interval
    iou: Interval
    detections: int
    found: int
    missed: int
    false_calls: int


class ClassPixels(_Part):
    """One class: pictures that are labelled with it, pixels of its masks, and the scores before and after the rule.

    after: None where the rule drops nothing.
    """

    pictures: int
    pixels: int
    before: PixelScores
    after: PixelScores | None = None


class PixelMetrics(_Part):
    """The pixel scores of one side. pictures: those with a known mask (a sound picture's is empty). rule: as used."""

    pictures: int
    groups: int
    rule: DetectionRule
    per_class: dict[str, ClassPixels]
    notes: tuple[str, ...] = Field(())

    @property
    def text(self) -> str:
        """What was counted and what the rule drops, for a person."""
        what = (
            f"The detections in {counted(self.pictures, 'picture')} of {counted(self.groups, 'group')} against their "
            "masks, all pixels of the network's input together; found, false calls and missed count pictures."
        )
        return f"{what} {self.rule.text}"


@dataclass(frozen=True)
class PixelCounts:
    """One picture against its mask, for each class: (K,) pixels right, pixels answered, and regions that count."""

    right: NDArray[np.int64]
    answered: NDArray[np.int64]
    regions: NDArray[np.int64]


def count_pixels(seen: Detections, truth: NDArray[np.uint8], classes: Sequence[str]) -> PixelCounts:
    """Counts of one picture. truth: (h, w) class numbers, 0 the ground and 1..K the classes, at the maps' size."""
    wanted = truth[None] == np.arange(1, len(classes) + 1)[:, None, None]
    names = [detection.class_name for detection in seen.found]
    return PixelCounts(
        right=(seen.regions & wanted).sum(axis=(1, 2)),
        answered=seen.regions.sum(axis=(1, 2)),
        regions=np.array([names.count(name) for name in classes], np.int64),
    )


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
    """The scores of N pictures.

    after: counts under ``rule``, or empty where it drops nothing. marked: (N, K) pixels of each class in the masks.
    labels: (N, K) which class a picture has. groups: (N,) whole numbers from 0, every one occurring.
    """

    def score(counts: Sequence[PixelCounts], column: int) -> PixelScores | None:
        if not counts:
            return None
        table = np.array([(one.right[column], one.answered[column], one.regions[column]) for one in counts], np.int64)
        return _scores(table, marked[:, column], labels[:, column], groups, resamples, seed)

    per_class = {}
    for column, name in enumerate(classes):
        first = score(before, column)
        if first is not None:
            per_class[name] = ClassPixels(
                pictures=int(labels[:, column].sum()),
                pixels=int(marked[:, column].sum()),
                before=first,
                after=score(after, column),
            )
    count = int(groups.max()) + 1 if len(groups) else 0
    return PixelMetrics(pictures=len(before), groups=count, rule=rule, per_class=per_class, notes=notes)


def _scores(
    table: NDArray[np.int64],
    marked: NDArray[np.int64],
    there: NDArray[np.bool_],
    groups: NDArray[np.int64],
    resamples: int,
    seed: int,
) -> PixelScores:
    """table: (N, 3) pixels right, pixels answered, regions."""
    right, both, called = table[:, 0], marked + table[:, 1], table[:, 2] > 0

    def bounded(top: NDArray[Any], bottom: NDArray[Any]) -> Interval:
        return ratio_with_bounds(top, bottom, groups, resamples=resamples, seed=seed)

    return PixelScores(
        dice=bounded(2 * right, both),
        iou=bounded(right, both - right),
        detections=int(table[:, 2].sum()),
        found=int((there & called).sum()),
        missed=int((there & ~called).sum()),
        false_calls=int((~there & called).sum()),
    )
