"""From scores and a threshold to a decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from lopore.record.model import ModelRecord


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
    scores = [float(value) for value in row]
    if record.task == "binary":
        positive = record.classes.index(record.positive or record.classes[-1])
        threshold = record.threshold_of(record.classes[positive])
        chosen = positive if scores[positive] >= threshold else 1 - positive
        return Decision(labels=(record.classes[chosen],), score=scores[chosen], threshold=threshold)
    if record.task == "multiclass":
        best = int(np.argmax(scores))
        threshold = record.threshold_of(record.classes[best])
        return Decision(
            labels=(record.classes[best],),
            score=scores[best],
            threshold=threshold,
            decided=scores[best] >= threshold,
            by_largest_score=threshold == 0,
        )
    found = tuple(
        name for name, score in zip(record.classes, scores, strict=True) if score >= record.threshold_of(name)
    )
    named = dict(zip(record.classes, scores, strict=True))
    score = max((named[name] for name in found), default=max(scores))
    return Decision(labels=found, score=score, threshold=record.threshold.value)
