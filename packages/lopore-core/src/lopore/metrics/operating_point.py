"""Thresholds: chosen from validation scores by a stated rule, and applied."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lopore.arrays import Task
from lopore.errors import ConfigError, DataError
from lopore.record.contract import RecallContract
from lopore.record.model import Threshold

from .bootstrap import mean_with_bounds as mean_with_bounds
from .contract import recall_contract
from .ranking import pr_auc as pr_auc
from .ranking import roc_auc as roc_auc
from .ranking import weights_by_score
from .statement import Refusal

if TYPE_CHECKING:
    from lopore.config.experiment import ThresholdRule


LOWEST, HIGHEST = 1e-30, 1 - 1e-6
"""Thresholds in a range that float32 and every runtime tell apart: below, numbers become 0, above they become 1."""
UNDER_ALL = 2.0
"""A threshold that calls every image lies half of this many logits under the lowest score."""


def choose_threshold(scores: ArrayLike, labels: ArrayLike, rule: ThresholdRule) -> float | None:
    """The operating point of one class on validation images: a detection is a score at or above it.

    scores: (N,) in 0..1. labels: (N,) of 0 and 1. f1: the largest F1; recall: the highest threshold that keeps
    ``rule.recall``. It lies midway between two neighbouring logits, where rounding in an export flips no decision, and
    within ``LOWEST`` and ``HIGHEST``; 0 where only that calls enough, since scores are 0.
    None where the labels hold no positive, and for f1 where they hold nothing else: every call would be right then.
    """
    if rule.rule == "fixed":
        return rule.value
    values = np.clip(np.asarray(scores, np.float64), LOWEST, HIGHEST)
    truth = np.asarray(labels, bool)
    if not truth.any() or (rule.rule == "f1" and truth.all()):
        return None
    positive, negative = weights_by_score(values, truth, np.ones((1, len(values))))
    tp, fp = np.cumsum(positive[0]), np.cumsum(negative[0])
    distinct = np.unique(values)[::-1]
    logits = np.log(distinct) - np.log1p(-distinct)
    below = np.r_[logits[1:], logits[-1] - UNDER_ALL]
    if rule.rule == "recall":
        chosen = int(np.searchsorted(tp / tp[-1], rule.recall - 1e-12))
    else:
        f1 = 2 * tp / (tp + fp + tp[-1])
        best = np.flatnonzero(f1 >= f1.max() - 1e-12)
        chosen = int(best[np.argmax((logits - below)[best])])
    if distinct[chosen] <= LOWEST:
        return 0.0
    middle = (logits[chosen] + below[chosen]) / 2
    return float(np.clip(1 / (1 + np.exp(-middle)), LOWEST, HIGHEST))


def operating_point(
    scores: NDArray[Any],
    targets: NDArray[Any],
    *,
    task: Task,
    classes: Sequence[str],
    positive: str | None,
    rule: ThresholdRule,
    chosen_on: str,
    groups: NDArray[Any] | None = None,
) -> Threshold:
    """The thresholds of a model: one for binary, one a class for multilabel and segmentation, none for multiclass.

    A class that no image carries, or for f1 every one, keeps 0.5, and ``chosen_on`` says so. groups: (N,) films, for
    the rule ``contract``; DataError where a class has too few of them to prove the recall.
    """
    if task == "multiclass":
        fixed = rule.rule == "fixed"
        return Threshold(value=rule.value if fixed else 0.0, rule="fixed" if fixed else "largest score", chosen_on="")
    truth = truth_table(targets, len(classes))
    columns = [classes.index(positive)] if task == "binary" and positive else range(len(classes))
    if rule.rule == "contract":
        films = np.arange(len(scores)) if groups is None else groups
        names = [(column, classes[column]) for column in columns]
        return _by_contract(scores, truth, films, names, rule, chosen_on, single=task == "binary")
    named = rule.rule if rule.rule != "recall" else f"recall >= {rule.recall:g} on these films, no bound"
    found = {classes[column]: choose_threshold(scores[:, column], truth[:, column], rule) for column in columns}
    missing = [name for name, value in found.items() if value is None]
    where = "" if rule.rule == "fixed" else chosen_on
    if missing:
        where = f"{where}; 0.5 by default for {', '.join(missing)}, which none of them carries, or all"
    values = {name: 0.5 if value is None else value for name, value in found.items()}
    if task == "binary":
        return Threshold(value=next(iter(values.values())), rule=named, chosen_on=where)
    return Threshold(value=0.5, rule=named, chosen_on=where, per_class=values)


def _by_contract(
    scores: NDArray[Any], truth: NDArray[np.bool_], films: NDArray[Any], names: Sequence[tuple[int, str]],
    rule: ThresholdRule, chosen_on: str, *, single: bool,
) -> Threshold:  # fmt: skip
    contracts: dict[str, RecallContract] = {}
    for column, name in names:
        asked = {"recall": rule.recall, "confidence": rule.confidence}
        found = recall_contract(scores[:, column], truth[:, column], films, **asked)
        if isinstance(found, Refusal):
            raise DataError(f"{name}: {found.text}")
        contracts[name] = found
    named = f"contract: recall {rule.recall:g} with {rule.confidence:.0%} confidence"
    values = {name: one.threshold for name, one in contracts.items()}
    first = next(iter(values.values()))
    return Threshold(
        value=first if single else 0.5,
        rule=named,
        chosen_on=chosen_on,
        per_class={} if single else values,
        contracts=contracts,
    )


def check_rule(rule: ThresholdRule, task: Task) -> None:
    """ConfigError where a rule asks for a recall of a multiclass model, which answers with its largest score."""
    if task == "multiclass" and rule.rule in ("recall", "contract"):
        raise ConfigError(f"training.threshold.rule '{rule.rule}' fits binary and multilabel tasks; use f1 or fixed")


def truth_table(targets: NDArray[Any], classes: int) -> NDArray[np.bool_]:
    """(N, K) of which class is there."""
    if targets.ndim == 2:
        return np.asarray(targets, bool)
    return np.asarray(np.arange(classes)[None, :] == np.asarray(targets, np.int64)[:, None])


def answers_at(
    scores: NDArray[Any], task: Task, classes: Sequence[str], positive: str | None, threshold: Threshold
) -> NDArray[np.bool_]:
    """(N, K) of which class is answered, as ``predict.decide`` does."""
    scores = np.asarray(scores, np.float64)  # beside float32 scores NumPy would round the threshold to float32
    if task == "binary":
        column = classes.index(positive) if positive else 1
        found = np.asarray(scores[:, column] >= threshold.per_class.get(classes[column], threshold.value))
        return np.stack([found if index == column else ~found for index in range(2)], axis=1)
    if task == "multiclass":
        return np.asarray(np.arange(len(classes))[None, :] == np.argmax(scores, axis=1)[:, None])
    limits = np.array([threshold.per_class.get(name, threshold.value) for name in classes])
    return np.asarray(scores >= limits[None, :])
