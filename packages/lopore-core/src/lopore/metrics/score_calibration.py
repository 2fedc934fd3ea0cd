"""Calibration fitted on validation films and applied to scores: temperature, Platt, isotonic.

All three act on logits and keep their order. Targets are smoothed by the number of films, as Platt (1999) does by the
number of cases, so that films that are parted without a mistake give no infinite slope.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Scores, Task, gives_maps
from lopore.record.score_calibration import CalibrationMethod, LogitCurve, ScoreCalibration

from .bootstrap import Floats

LEAST_FILMS, LEAST_OF_A_SIDE = 20, 5
FILMS_FOR_ISOTONIC, SIDE_FOR_ISOTONIC = 200, 50
_BLOCKS = 8
_TINY, _TOP = 1e-38, 1 - 6e-8
_LEAST_SLOPE = 0.02


def logits_of(scores: NDArray[Any], task: Task) -> Floats:
    """(N, outputs) logits of probabilities (N, K): one for binary (of the second class), else one a class.

    Those of multiclass models are logarithms, which softmax takes as well.
    """
    p = np.clip(np.asarray(scores, np.float64), _TINY, 1.0)
    if task == "binary":
        return np.asarray((np.log(p[:, 1]) - np.log(p[:, 0]))[:, None])
    if task == "multiclass":
        return np.asarray(np.log(p))
    return np.asarray(np.log(p) - np.log1p(-np.minimum(p, _TOP)))


def scores_from(logits: Floats, task: Task) -> Scores:
    """Probabilities (N, K) float32 of (N, outputs) logits."""
    if task == "binary":
        logits = np.column_stack([np.zeros(len(logits)), logits[:, 0]])
    if task in ("binary", "multiclass"):
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def curve_values(curve: LogitCurve, logits: Floats) -> Floats:
    """The curve at any logits."""
    bent = sum(gain * np.maximum(logits - knot, 0) for knot, gain in zip(curve.knots, curve.gains, strict=True))
    return np.asarray(curve.shift + curve.scale * logits + bent, np.float64)


def calibrated(scores: NDArray[Any], task: Task, calibration: ScoreCalibration | None) -> Scores:
    """Scores (N, K) as a calibrated model gives them; unchanged without a calibration."""
    if calibration is None or not len(scores):
        return np.asarray(scores, np.float32)
    logits = logits_of(scores, task)
    columns = [curve_values(curve, logits[:, k]) for k, curve in enumerate(calibration.curves)]
    return scores_from(np.column_stack(columns), task)


def enough_films(truth: NDArray[np.bool_], groups: NDArray[Any]) -> bool:
    """Whether every class has films enough with and without it: 20 in all, 5 of each."""
    if len(np.unique(groups)) < LEAST_FILMS:
        return False
    films_per_answer = [len(np.unique(groups[rows])) for column in truth.T for rows in (column, ~column)]
    return min(films_per_answer) >= LEAST_OF_A_SIDE


def fit_calibration(
    scores: NDArray[Any],
    truth: NDArray[np.bool_],
    groups: NDArray[Any],
    *,
    task: Task,
    method: CalibrationMethod | None = None,
    fitted_on: str,
) -> ScoreCalibration | str:
    """The calibration of validation scores, or a sentence on why there is none.

    scores: (N, K). truth: (N, K). groups: (N,) films. method: None takes temperature for multiclass, Platt for the
    others, and isotonic where films are many and it predicts left-out films better.
    """
    if gives_maps(task):
        return "scores of segmentation models are the largest of their maps, and maps are shown as they are"
    columns = truth[:, 1:2] if task == "binary" else truth
    if not enough_films(columns, groups):
        return f"too few validation films: {LEAST_FILMS} are needed, {LEAST_OF_A_SIDE} with each class and without it"
    if task == "multiclass" and method not in (None, "temperature"):
        return f"'{method}' is fitted to one class at a time, and multiclass scores add up to 1; use temperature"
    logits = logits_of(scores, task)
    if task == "multiclass":
        curve = _temperature(logits, truth, groups)
        return ScoreCalibration(method="temperature", curves=(curve,) * truth.shape[1], fitted_on=fitted_on)
    chosen = method or _chosen(logits, columns, groups)
    curves = [_curve(chosen, logits[:, k], columns[:, k], groups) for k in range(columns.shape[1])]
    if any(curve is None for curve in curves):
        return "scores fall where the class is there, so no calibration that keeps their order helps"
    return ScoreCalibration(method=chosen, curves=tuple(c for c in curves if c is not None), fitted_on=fitted_on)


def _curve(method: CalibrationMethod, z: Floats, truth: NDArray[np.bool_], groups: NDArray[Any]) -> LogitCurve | None:
    if method == "isotonic":
        return _isotonic(z, truth, groups)
    return _platt(z, truth, groups, slope_alone=method == "temperature")


def _smoothed(truth: NDArray[np.bool_], groups: NDArray[Any]) -> Floats:
    """(N,) Platt's targets: (n + 1) / (n + 2) and 1 / (m + 2) for n films with the class and m without it."""
    with_it, without = (len(np.unique(groups[rows])) for rows in (truth, ~truth))
    return np.where(truth, (with_it + 1) / (with_it + 2), 1 / (without + 2))


def _platt(z: Floats, truth: NDArray[np.bool_], groups: NDArray[Any], *, slope_alone: bool) -> LogitCurve | None:
    """Slope and shift by maximum likelihood; None where the slope is not positive."""
    from scipy.optimize import minimize

    target = _smoothed(truth, groups)
    spread = float(z.std()) or 1.0

    def loss(theta: Floats) -> tuple[float, Floats]:
        value = theta[0] * z / spread + (0.0 if slope_alone else theta[1])
        p = 1 / (1 + np.exp(-np.clip(value, -500, 500)))
        slopes = np.array([((p - target) * z / spread).mean(), 0.0 if slope_alone else (p - target).mean()])
        return float(np.mean(np.logaddexp(0, value) - target * value)), slopes

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS", options={"gtol": 1e-9})
    scale = float(found.x[0]) / spread
    return LogitCurve(scale=scale, shift=0.0 if slope_alone else float(found.x[1])) if scale > 1e-6 else None


def _temperature(logits: Floats, truth: NDArray[np.bool_], groups: NDArray[Any]) -> LogitCurve:
    from scipy.optimize import minimize_scalar

    softness = 1 / (len(np.unique(groups)) + 2)
    target = truth * (1 - softness) + softness / truth.shape[1]

    def loss(log_scale: float) -> float:
        z = logits * np.exp(log_scale)
        largest = z.max(axis=1, keepdims=True)
        log_p = z - largest - np.log(np.exp(z - largest).sum(axis=1, keepdims=True))
        return -float((target * log_p).sum(axis=1).mean())

    return LogitCurve(scale=float(np.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded").x)))


def _isotonic(z: Floats, truth: NDArray[np.bool_], groups: NDArray[Any]) -> LogitCurve | None:
    """A rising curve through the centres of the steps of isotonic regression over bins of about equal count."""
    from scipy.optimize import isotonic_regression

    edges = np.quantile(z, np.linspace(0, 1, _BLOCKS + 1)[1:-1])
    bins = np.searchsorted(np.unique(edges), z, side="right")
    blocks = [bins == number for number in np.unique(bins)]
    counts = np.array([len(np.unique(groups[rows])) for rows in blocks], np.float64)
    shares = np.array([(truth[rows].mean() * n + 0.5) / (n + 1) for rows, n in zip(blocks, counts, strict=True)])
    steps = isotonic_regression(shares, weights=counts)
    x, y = [], []
    for begin, end in zip(steps.blocks[:-1], steps.blocks[1:], strict=True):
        rows = np.any([blocks[k] for k in range(begin, end)], axis=0)
        x.append(float(z[rows].mean()))
        y.append(float(np.log(steps.x[begin] / (1 - steps.x[begin]))))
    if len(x) < 2:
        return None
    slopes = np.maximum(np.diff(y) / np.diff(x), _LEAST_SLOPE)
    return LogitCurve(
        scale=float(slopes[0]),
        shift=float(y[0] - slopes[0] * x[0]),
        knots=tuple(x[1:-1]),
        gains=tuple(float(gain) for gain in np.diff(slopes)),
    )


def _chosen(logits: Floats, truth: NDArray[np.bool_], groups: NDArray[Any]) -> CalibrationMethod:
    """Isotonic where films are many and its log loss on left-out films is smaller than Platt's."""
    films = np.unique(groups)
    films_per_answer = [len(np.unique(groups[rows])) for column in truth.T for rows in (column, ~column)]
    if len(films) < FILMS_FOR_ISOTONIC or min(films_per_answer) < SIDE_FOR_ISOTONIC:
        return "platt"
    fold = np.searchsorted(films, groups) % 5
    losses = {method: _left_out_loss(method, logits, truth, groups, fold) for method in ("platt", "isotonic")}
    return "isotonic" if losses["isotonic"] < losses["platt"] else "platt"


def _left_out_loss(
    method: str, logits: Floats, truth: NDArray[np.bool_], groups: NDArray[Any], fold: NDArray[np.int64]
) -> float:
    total = 0.0
    for number in range(5):
        own, other = fold == number, fold != number
        for k in range(truth.shape[1]):
            named: CalibrationMethod = "isotonic" if method == "isotonic" else "platt"
            curve = _curve(named, logits[other, k], truth[other, k], groups[other])
            if curve is None:
                return np.inf
            total += float(np.sum(_loss(curve_values(curve, logits[own, k]), truth[own, k])))
    return total


def _loss(z: Floats, truth: NDArray[np.bool_]) -> Floats:
    return np.asarray(np.logaddexp(0, z) - truth * z)


def log_loss(scores: NDArray[Any], truth: NDArray[np.bool_], task: Task) -> Floats:
    """(N,) of each image, summed over the classes of several labels."""
    p = np.clip(np.asarray(scores, np.float64), 1e-12, 1 - 1e-12)
    if task in ("binary", "multiclass"):
        return np.asarray(-np.log(p[truth]))
    return np.asarray(-(np.where(truth, np.log(p), np.log1p(-p))).sum(axis=1))


def class_names(task: Task, classes: Sequence[str], positive: str | None) -> list[str]:
    """The classes whose calibration is told: of binary models the positive one."""
    return [positive or classes[-1]] if task == "binary" else list(classes)
