"""When a finished network leaves an image to a person: fitted on validation films."""

from __future__ import annotations

import numpy as np

from lopore.arrays import Scores
from lopore.messages import counted
from lopore.metrics.conformal import fit_abstention
from lopore.metrics.operating_point import truth_table
from lopore.record.abstention import Abstention

from .plan import Plan, Rows


def abstention_of(plan: Plan, rows: Rows, scores: Scores) -> Abstention | None:
    """What ``training.abstention`` asks for; whether the films are enough was checked before the first epoch."""
    coverage, targets, films = plan.experiment.training.abstention, plan.targets, plan.groups[rows]
    if coverage is None:
        return None
    where = f"{counted(len(rows), 'validation image')} of {counted(len(np.unique(films)), 'group')}"
    truth = truth_table(targets.labels[rows], len(targets.classes))
    found = fit_abstention(scores, truth, films, classes=targets.classes, coverage=coverage, fitted_on=where)
    return found if isinstance(found, Abstention) else None
