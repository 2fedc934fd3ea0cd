"""What a segmentation learner draws over a split, against the masks: scores, counts at every threshold, pixel loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import PixelBatch, Scores
from lopore.contracts import IGNORE, Batch, Learner, MapLearner
from lopore.data.batches import evaluation_batches
from lopore.errors import PluginError, RunError
from lopore.inference.regions import DetectionRule, extract_detections
from lopore.inference.test_time_augmentation import segment_views
from lopore.messages import counted
from lopore.metrics.map_scores import ClassTally, MapScores
from lopore.metrics.segmentation import PixelMetrics, count_pixels, pixel_scores
from lopore.preprocessing.geometry import Geometry
from lopore.record.model import Threshold

from .plan import Plan, Rows

LEAST = 1e-7
"""A probability counts as at least this in the pixel loss."""


@dataclass(frozen=True)
class MapAnswers:
    """scores: (N, K) largest probability of each class in each image. found: counts against the masks.

    loss: mean cross-entropy over the pixels that are known; None without any.
    """

    scores: Scores
    found: MapScores
    loss: float | None


def check_map_learner(learner: Learner, framework: str) -> MapLearner:
    """The learner of a segmentation task; PluginError in one line where it draws no maps."""
    if not isinstance(learner, MapLearner):
        raise PluginError(
            f"trainer '{framework}' offers segmentation and its learner has no segment(batches); tell its author, or "
            "take another trainer"
        )
    return learner


def answer_maps(plan: Plan, rows: Rows, learner: MapLearner, views: int = 1) -> MapAnswers:
    """Segment these rows once and keep the counts; no map outlives its image. RunError for maps that are no numbers."""
    classes = plan.targets.classes
    tallies, scores = tuple(ClassTally() for _ in classes), np.zeros((len(rows), len(classes)), np.float32)
    loss, pixels = 0.0, 0
    for number, (maps, mask) in enumerate(maps_and_masks(plan, rows, learner, views)):
        known = mask != IGNORE
        for k, tally in enumerate(tallies):
            tally.add(maps[k], mask == k + 1, known)
        scores[number] = maps.max(axis=(1, 2))
        loss += _entropy(maps, mask)
        pixels += int(known.sum())
    return MapAnswers(scores, MapScores(classes, tallies, len(rows)), loss / pixels if pixels else None)


def maps_and_masks(
    plan: Plan, rows: Rows, learner: MapLearner, views: int = 1
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
    """Maps (K, h, w) and mask (h, w) of each row in order, the maps averaged over test views."""
    settings = plan.experiment

    def batches() -> Iterator[Batch]:
        return evaluation_batches(
            plan.images, rows, batch_size=settings.training.batch_size, workers=settings.data.workers
        )

    def by_view(pixels: PixelBatch) -> NDArray[np.float32]:
        return np.concatenate(list(learner.segment([Batch(pixels)])))

    drawn = learner.segment(batches()) if views == 1 else (segment_views(by_view, b.pixels, views) for b in batches())
    number = 0
    for maps in drawn:
        if not np.isfinite(maps).all():
            raise RunError("the network draws maps that are no numbers; lower training.optimizer.learning_rate")
        for one in maps:
            mask = plan.images[int(rows[number])][1]
            assert mask is not None
            yield one, mask
            number += 1


def _entropy(maps: NDArray[np.float32], mask: NDArray[np.uint8]) -> float:
    """Sum of -log of the probability of what each known pixel shows."""
    known = mask != IGNORE
    numbers = np.where(known, mask, 0)
    every = np.concatenate([1.0 - maps.sum(axis=0, keepdims=True), maps])
    shown = np.take_along_axis(every, numbers[None].astype(np.int64), axis=0)[0]
    return float(-np.log(np.clip(shown[known], LEAST, 1.0)).sum(dtype=np.float64))


def map_threshold(plan: Plan, rows: Rows, found: MapScores) -> Threshold:
    """The thresholds of a segmentation model by the rule of the config, on the pixels and marks of these rows."""
    rule = plan.experiment.training.threshold
    if rule.rule == "fixed":
        return Threshold(value=rule.value, rule="fixed", chosen_on="")
    if not len(rows):
        return Threshold(value=0.5, rule="default", chosen_on="nothing: there are no validation images")
    named = "Dice" if rule.rule == "f1" else f"marks found >= {rule.recall:g}"
    groups = counted(len(np.unique(plan.groups[rows])), "group")
    where = f"the masks of {counted(len(rows), 'validation image')} of {groups}"
    values = found.thresholds(rule)
    if missing := [name for name, value in values.items() if value is None]:
        where = f"{where}; 0.5 by default for {', '.join(missing)}, of which they have no mark"
    per_class = {name: 0.5 if value is None else value for name, value in values.items()}
    return Threshold(value=0.5, rule=named, chosen_on=where, per_class=per_class)


def pixel_metrics(
    plan: Plan, rows: Rows, learner: MapLearner, threshold: Threshold, views: int = 1
) -> tuple[Scores, PixelMetrics]:
    """Scores (N, K), and the detections at the operating point against the masks, on the network's input."""
    classes, size = plan.targets.classes, plan.experiment.preprocessing.size
    limits = [threshold.per_class.get(name, threshold.value) for name in classes]
    rule, geometry = DetectionRule(), Geometry(size, size, Affine())
    counts, marked, scores = [], [], np.zeros((len(rows), len(classes)), np.float32)
    for number, (maps, mask) in enumerate(maps_and_masks(plan, rows, learner, views)):
        seen = extract_detections(maps, geometry, rule, classes=classes, thresholds=limits)
        counts.append(count_pixels(seen, mask, classes))
        marked.append([int((mask == k + 1).sum()) for k in range(len(classes))])
        scores[number] = maps.max(axis=(1, 2))
    groups = np.unique(plan.groups[rows], return_inverse=True)[1].reshape(-1).astype(np.int64)
    table = np.array(marked, np.int64).reshape(-1, len(classes))
    labels = np.asarray(plan.targets.labels[rows] > 0)
    return scores, pixel_scores(
        counts, (), table, labels, groups, classes=classes, rule=rule, seed=plan.experiment.seed
    )
