"""The calibration of a finished network: fitted on validation films, told before and after on the films that count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lopore.arrays import Scores
from lopore.contracts import Learner
from lopore.messages import counted
from lopore.metrics.bootstrap import mean_with_bounds
from lopore.metrics.classification import measure
from lopore.metrics.operating_point import truth_table
from lopore.metrics.score_calibration import class_names, fit_calibration, log_loss
from lopore.record.interval import Interval
from lopore.record.score_calibration import CalibrationMethod, ScoreCalibration

from .epochs import predict_rows
from .plan import Plan, Rows, Splits


@dataclass(frozen=True)
class CalibratedScores:
    """Scores on validation and test with the calibration in them; why: a sentence where there is none."""

    calibration: ScoreCalibration | None
    val: Scores
    test: Scores
    why: str = ""


def calibrate(plan: Plan, splits: Splits, learner: Learner) -> CalibratedScores:
    """Fit ``training.calibration`` on the validation films and score validation and test with it.

    Each view of a film is calibrated before views are averaged, as sessions do.
    """
    views, wanted = plan.experiment.training.tta_views, plan.experiment.training.calibration
    plain = predict_rows(plan, splits.val, learner)
    found: ScoreCalibration | str = "training.calibration is none"
    if wanted != "none":
        found = _fitted(plan, splits.val, plain, None if wanted == "auto" else wanted)
    calibration = None if isinstance(found, str) else found
    val, test = (predict_rows(plan, rows, learner, views, calibration) for rows in (splits.val, splits.test))
    if calibration is None:
        return CalibratedScores(None, val, test, str(found))
    rows, split, after = (splits.test, "test", test) if len(splits.test) else (splits.val, "val", val)
    before = predict_rows(plan, rows, learner, views)
    figures = {
        "split": split,
        "before": _figures(plan, rows, before),
        "after": _figures(plan, rows, after),
    }
    return CalibratedScores(calibration.model_copy(update=figures), val, test)


def _fitted(plan: Plan, rows: Rows, scores: Scores, method: CalibrationMethod | None) -> ScoreCalibration | str:
    targets, films = plan.targets, plan.groups[rows]
    if not len(rows):
        return "there are no validation films"
    where = f"{counted(len(rows), 'validation image')} of {counted(len(np.unique(films)), 'group')}"
    truth = truth_table(targets.labels[rows], len(targets.classes))
    return fit_calibration(scores, truth, films, task=targets.task, method=method, fitted_on=where)


def _figures(plan: Plan, rows: Rows, scores: Scores) -> dict[str, Interval]:
    """Log loss, and by class Brier score and expected calibration error, with intervals over films."""
    targets = plan.targets
    films = np.unique(plan.groups[rows], return_inverse=True)[1].reshape(-1)
    truth = truth_table(targets.labels[rows], len(targets.classes))
    seed = plan.experiment.seed
    figures = {"log_loss": mean_with_bounds(log_loss(scores, truth, targets.task), films, seed=seed)}
    found = measure(
        scores,
        targets.labels[rows],
        task=targets.task,
        classes=targets.classes,
        positive=targets.positive,
        groups=films,
        seed=seed,
    ).calibration
    for name in class_names(targets.task, targets.classes, targets.positive):
        one = found.per_class[name]
        figures |= {f"brier/{name}": one.brier, f"ece/{name}": one.ece}
    return figures
