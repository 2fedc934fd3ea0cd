"""The metrics of core that judge scores, whatever the threshold; NumPy does the work when one is first used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lopore.contracts import LOPORE_API as LOPORE_API
from lopore.contracts import Metric
from lopore.hookspecs import hookimpl


def _roc_auc(labels: Any, scores: Any, weights: Any) -> Any:
    from .ranking import auc_rows

    return auc_rows(scores, labels, weights)


def _pr_auc(labels: Any, scores: Any, weights: Any) -> Any:
    from .ranking import average_precision_rows

    return average_precision_rows(scores, labels, weights)


def _first(rows: Any) -> Any:
    return lambda labels, scores, weights: float(rows(labels, scores, weights[None])[0])


ROC_AUC = Metric(
    name="roc_auc", summary="Area under the ROC curve: how often a film with the class scores above one without",
    compute=_first(_roc_auc), rows=_roc_auc,
)  # fmt: skip
PR_AUC = Metric(
    name="pr_auc", summary="Average precision: area under precision over recall", compute=_first(_pr_auc), rows=_pr_auc
)
OWN = (ROC_AUC, PR_AUC)
"""Always part of an evaluation."""


@hookimpl
def lopore_metrics() -> Iterable[Metric]:
    yield from OWN
