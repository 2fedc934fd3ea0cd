"""How well maps cover masks at every threshold at once: Dice by pixels, hits and false calls by marks.

A region is drawn where the probability passes ``EXTENT`` (or the threshold, where that is lower) and counts where its
peak reaches the threshold, as ``inference.regions`` does. So one pass over a validation split gives the figures of
every threshold. A mark is hit where a region touches it; a region that touches no mark of its class is a false call
(free-response ROC: Bunch et al., SPIE 127 (1977), 124).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import IGNORE

from .segmentation import label_regions

if TYPE_CHECKING:
    from lopore.config.experiment import ThresholdRule

EXTENT = 0.5
LOW = 0.1
"""Regions that never pass ``EXTENT`` are drawn from here on, to count the false calls of lower thresholds."""
STEPS = 200
"""Thresholds that are tried: 1 / STEPS to 1 - 1 / STEPS. Every runtime tells them apart."""

LOWEST = round(LOW * STEPS)
"""Below this step the whole ground would become one region, which touches every mark."""

Counts = NDArray[np.int64]


@dataclass
class ClassTally:
    """The counts of one class. A step s stands for the threshold s / STEPS.

    right, answered: (STEPS + 1,) pixels inside and outside together that a threshold up to this step keeps, by the last
    step that keeps them; ``right`` of those inside the masks. marked: pixels of the masks. hits: for each mark the last
    step that finds it. false_calls: for each region that touches no mark the last step that keeps it.
    """

    right: Counts = field(default_factory=lambda: np.zeros(STEPS + 1, np.int64))
    answered: Counts = field(default_factory=lambda: np.zeros(STEPS + 1, np.int64))
    marked: int = 0
    hits: list[int] = field(default_factory=list)
    false_calls: list[int] = field(default_factory=list)

    def add(self, values: NDArray[np.float32], wanted: NDArray[np.bool_], known: NDArray[np.bool_]) -> None:
        """Count one image. values: (h, w) in 0..1; wanted: pixels of the class; known: pixels that are not ignored."""
        last = np.minimum((values * STEPS).astype(np.int64), STEPS)
        regions, labels = label_regions(values >= EXTENT)
        if regions:
            peaks = np.zeros(regions + 1, np.int64)
            np.maximum.at(peaks, labels.ravel(), last.ravel())
            last = np.where(labels > 0, peaks[labels], last)
        self.right += np.bincount(last[wanted], minlength=STEPS + 1)
        self.answered += np.bincount(last[known], minlength=STEPS + 1)
        self.marked += int(wanted.sum())
        marks, numbers = label_regions(wanted)
        if marks:
            best = np.zeros(marks + 1, np.int64)
            np.maximum.at(best, numbers.ravel(), last.ravel())
            self.hits += best[1:].tolist()
        self.false_calls += _false_calls(last, wanted, known)

    def dice(self) -> NDArray[np.float64]:
        """(STEPS + 1,) Dice at each step; NaN where neither masks nor answers have a pixel."""
        right, answered = _from_step_on(self.right), _from_step_on(self.answered)
        with np.errstate(invalid="ignore"):
            return np.asarray(2 * right / (self.marked + answered), np.float64)

    def hit_share(self) -> NDArray[np.float64]:
        """(STEPS + 1,) share of the marks that each step finds; NaN without marks."""
        found = _from_step_on(np.bincount(np.array(self.hits, np.int64), minlength=STEPS + 1))
        with np.errstate(invalid="ignore"):
            return np.asarray(found / np.float64(len(self.hits)), np.float64)

    def hits_at(self, false_calls: float) -> float:
        """The largest share of the marks found where at most so many calls are false, at thresholds from ``LOW`` on."""
        allowed = self.false_call_count()[LOWEST:STEPS] <= false_calls
        return float(self.hit_share()[LOWEST:STEPS][allowed].max(initial=0.0))

    def threshold(self, rule: ThresholdRule) -> float:
        """The operating point by a rule, 1 / STEPS to 1 - 1 / STEPS; there has to be a mark."""
        if rule.rule == "fixed":
            return rule.value
        if rule.rule == "recall":
            enough = np.flatnonzero(self.hit_share()[LOWEST:STEPS] >= rule.recall - 1e-12)
            return (int(enough[-1]) + LOWEST if len(enough) else LOWEST) / STEPS
        dice = np.nan_to_num(self.dice()[1:STEPS])
        return (int(_middle_of_best(dice)) + 1) / STEPS

    def false_call_count(self) -> Counts:
        """(STEPS + 1,) false calls at each step."""
        return _from_step_on(np.bincount(np.array(self.false_calls, np.int64), minlength=STEPS + 1))


def _middle_of_best(values: NDArray[np.float64]) -> int:
    """The middle of the longest run of places that reach the largest value."""
    best = np.flatnonzero(values >= values.max() - 1e-9)
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    longest = max(runs, key=len)
    return int(longest[len(longest) // 2])


def _from_step_on(counts: Counts) -> Counts:
    return np.asarray(np.cumsum(counts[::-1])[::-1], np.int64)


def _false_calls(last: Counts, wanted: NDArray[np.bool_], known: NDArray[np.bool_]) -> list[int]:
    """Last steps of the regions that touch no mark and do not lie mostly on ignored pixels.

    Regions are drawn from ``EXTENT`` on; those that never reach it from ``LOW`` on.
    """
    middle = round(EXTENT * STEPS)
    found = _untouched(last >= middle, last, wanted, known)
    faint = _untouched(last >= LOWEST, last, wanted, known)
    return [*found, *(step for step in faint if step < middle)]


def _untouched(
    drawn: NDArray[np.bool_], last: Counts, wanted: NDArray[np.bool_], known: NDArray[np.bool_]
) -> list[int]:
    count, labels = label_regions(drawn)
    if not count:
        return []
    flat = labels.ravel()
    peaks = np.zeros(count + 1, np.int64)
    np.maximum.at(peaks, flat, last.ravel())
    touched = np.bincount(flat[wanted.ravel()], minlength=count + 1) > 0
    unknown = np.bincount(flat[~known.ravel()], minlength=count + 1)
    free = ~touched & (2 * unknown < np.bincount(flat, minlength=count + 1))
    return [int(peak) for peak in peaks[1:][free[1:]]]


@dataclass(frozen=True)
class MapScores:
    """The counts of a set of images, class by class, and the figures that select an epoch and thresholds.

    Where no class has a mark every figure is None.
    """

    classes: tuple[str, ...]
    tallies: tuple[ClassTally, ...]
    images: int

    @property
    def dice(self) -> float | None:
        """Mean over the classes with marks of the Dice at the best threshold of each."""
        return self._mean(lambda tally: float(np.nanmax(tally.dice()[1:STEPS])))

    @property
    def iou(self) -> float | None:
        """Mean over the classes with marks of the intersection over union at the same thresholds."""
        return self._mean(lambda tally: _iou(float(np.nanmax(tally.dice()[1:STEPS]))))

    def hits(self, false_calls: float) -> float | None:
        """Mean over the classes with marks of the share found at no more than ``false_calls`` an image."""
        return self._mean(lambda tally: tally.hits_at(false_calls * self.images))

    def _mean(self, figure: Callable[[ClassTally], float]) -> float | None:
        found = [figure(tally) for tally in self.tallies if tally.marked]
        return float(np.mean(found)) if found else None

    def thresholds(self, rule: ThresholdRule) -> dict[str, float | None]:
        """The threshold of each class by a rule; None for a class without marks.

        f1: the largest Dice, midway on a plateau. recall: the highest that finds so large a share of the marks.
        """
        return {
            name: tally.threshold(rule) if tally.marked else None
            for name, tally in zip(self.classes, self.tallies, strict=True)
        }


def _iou(dice: float) -> float:
    return dice / (2 - dice)


def tally_maps(
    maps: Iterable[NDArray[np.float32]], masks: Iterable[NDArray[np.uint8]], classes: Sequence[str]
) -> MapScores:
    """Count images one by one. maps: (K, h, w) each; masks: (h, w) class numbers each, ``IGNORE`` where not known."""
    tallies, images = tuple(ClassTally() for _ in classes), 0
    for each, mask in zip(maps, masks, strict=True):
        known = mask != IGNORE
        for number, tally in enumerate(tallies):
            tally.add(each[number], mask == number + 1, known)
        images += 1
    return MapScores(tuple(classes), tallies, images)
