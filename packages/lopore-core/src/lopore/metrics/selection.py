"""The validation score that chooses the best epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Task
from lopore.record.model import Threshold

from .bootstrap import mean_with_bounds as mean_with_bounds
from .bootstrap import ratio
from .offered import find_metric
from .operating_point import answers_at, truth_table
from .ranking import defined, weights_by_score
from .ranking import pr_auc as pr_auc
from .ranking import roc_auc as roc_auc


def validation_score(
    scores: NDArray[Any], targets: NDArray[Any], *, by: str, task: Task, classes: Sequence[str], positive: str | None
) -> float | None:
    """The number that picks an epoch: mean ROC AUC ('auc'), F1 ('f1') at its best threshold, or a metric by its name;
    None if not defined.

    binary: of the positive class. Others: mean over the classes for which it is defined (multiclass F1: largest score).
    """
    truth = truth_table(targets, len(classes))
    columns = [classes.index(positive)] if task == "binary" and positive else list(range(len(classes)))
    if by != "f1":
        metric, ones = find_metric("roc_auc" if by == "auc" else by), np.ones((1, len(scores)))
        judged = (np.asarray(scores[:, column], np.float64) for column in columns)
        found = [
            defined(float(metric.under(truth[:, c], one, ones)[0])) for c, one in zip(columns, judged, strict=True)
        ]
    elif task == "multiclass":
        answers = answers_at(scores, task, classes, positive, Threshold(value=0, rule="", chosen_on=""))
        pairs = [(truth[:, column], answers[:, column]) for column in columns]
        found = [defined(float(ratio(2.0 * (t & a).sum(), 1.0 * t.sum() + a.sum()))) for t, a in pairs if t.any()]
    else:
        found = [_best_f1(scores[:, column], truth[:, column]) for column in columns]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def _best_f1(scores: NDArray[Any], truth: NDArray[np.bool_]) -> float | None:
    if not truth.any():
        return None
    positive, negative = weights_by_score(np.asarray(scores, np.float64), truth, np.ones((1, len(scores))))
    tp, fp = np.cumsum(positive[0]), np.cumsum(negative[0])
    return float((2 * tp / (tp + fp + tp[-1])).max())
