"""From scores and a threshold to a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from lopore.arrays import Task
    from lopore.record.model import ModelRecord, Threshold


class Decision(BaseModel):
    """What a row of scores means at the model's operating point.

    labels: the detected classes (one for binary and multiclass; none to all for multilabel and segmentation).
    score: the largest of theirs; where nothing was detected the largest of all.
    decided: False where a multiclass model's best score stays under its threshold. by_largest_score: the class with the
    largest score was taken, whatever it is; ``threshold`` is 0 then and says nothing.
    """

    model_config = ConfigDict(frozen=True)

    labels: tuple[str, ...]
    score: float
    threshold: float
    decided: bool = True
    by_largest_score: bool = False

    @property
    def text(self) -> str:
        if not self.decided:
            return "undecided"
        return " + ".join(self.labels) or "none found"


def decide(record: ModelRecord, row: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float32]]) -> Decision:
    """The decision of one row of K scores at the record's threshold.

    binary: the positive class at or above the threshold. multiclass: the largest score, undecided under the threshold.
    multilabel, segmentation: every class at or above its own threshold.
    """
    return decide_at(row, record.task, record.classes, record.positive, record.threshold)


def decide_at(
    row: Sequence[float] | np.ndarray[tuple[int], np.dtype[np.float32]],
    task: Task,
    classes: Sequence[str],
    positive: str | None,
    threshold: Threshold,
) -> Decision:
    """As ``decide``, where there is no record yet."""
    scores = [float(value) for value in row]

    def limit(name: str) -> float:
        return threshold.per_class.get(name, threshold.value)

    if task == "binary":
        column = classes.index(positive or classes[-1])
        least = limit(classes[column])
        chosen = column if scores[column] >= least else 1 - column
        return Decision(labels=(classes[chosen],), score=scores[chosen], threshold=least)
    if task == "multiclass":
        best = int(np.argmax(scores))
        least = limit(classes[best])
        return Decision(
            labels=(classes[best],),
            score=scores[best],
            threshold=least,
            decided=scores[best] >= least,
            by_largest_score=least == 0,
        )
    found = tuple(name for name, score in zip(classes, scores, strict=True) if score >= limit(name))
    named = dict(zip(classes, scores, strict=True))
    score = max((named[name] for name in found), default=max(scores))
    return Decision(labels=found, score=score, threshold=threshold.value)
