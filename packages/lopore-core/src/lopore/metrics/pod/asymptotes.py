"""Whether hits fit a curve that rises from 0 to 1: no fall, no turn, no floor, no ceiling."""

from __future__ import annotations

import numpy as np

from lopore.metrics.bootstrap import Floats

from .likelihood import HitMissFit, Trials
from .links import LINKS, Link

_TURN = 6.635  # chi-squared of one degree, 1 %
_ASYMPTOTE = 5.412  # the same on the edge of the parameter space: half of it is at 0
_RISE = 2.706  # one-sided 5 %


def shape_faults(fit: HitMissFit, best: float) -> tuple[str, ...]:
    """Sentences on how the marks contradict a curve from 0 to 1; empty where they do not.

    best: the largest log-likelihood of all candidate models. Fits under separation have no such doubt.
    """
    trials = fit.trials
    flat = _share_likelihood(trials.hit)
    if fit.beta[1] <= 0 or 2 * (fit.log_likelihood - flat) < _RISE:
        return ("The hits do not rise with size, so size does not explain them.",)
    if fit.firth:
        return ()
    floor, low = _asymptote(trials, fit.link, fit.beta, floor=True)
    ceiling, high = _asymptote(trials, fit.link, fit.beta, floor=False)
    turned = _turning_point(trials)
    if turned > max(low, high) and 2 * (turned - best) > _TURN:
        return ("The hits rise and fall again with size, so no curve that only rises fits them.",)
    faults = []
    if 2 * (low - best) > _ASYMPTOTE:
        faults.append(f"The curve does not fall to 0: it levels off at about {floor:.2f} for the smallest flaws.")
    if 2 * (high - best) > _ASYMPTOTE:
        faults.append(f"The curve does not rise to 1: it levels off at about {1 - ceiling:.2f} for the largest flaws.")
    return tuple(faults)


def _share_likelihood(hit: Floats) -> float:
    share = float(hit.mean())
    return float(len(hit) * (share * np.log(share) + (1 - share) * np.log1p(-share)))


def _turning_point(trials: Trials) -> float:
    """Log-likelihood with a parabola as linear predictor, where it turns inside the sizes; else minus infinity."""
    from scipy.optimize import minimize

    x = (trials.x - trials.x.mean()) / trials.x.std()
    link = LINKS["logit"]
    design = np.column_stack([np.ones_like(x), x, x**2])

    def loss(theta: Floats) -> tuple[float, Floats]:
        at = link.at(design @ theta)
        return -float(trials.hit @ at.log_p + (1 - trials.hit) @ at.log_q), -design.T @ (trials.hit - at.p)

    found = minimize(loss, np.zeros(3), jac=True, method="BFGS")
    _, rise, bend = found.x
    inside = bend != 0 and np.quantile(x, 0.1) < -rise / (2 * bend) < np.quantile(x, 0.9)
    return -float(found.fun) if inside else -np.inf


def _asymptote(trials: Trials, link: Link, beta: Floats, *, floor: bool) -> tuple[float, float]:
    """Height of the floor (or missing height of the ceiling), and the log-likelihood with it."""
    from scipy.optimize import minimize

    centre, spread = trials.x.mean(), trials.x.std()
    x = (trials.x - centre) / spread
    start = np.array([beta[0] + beta[1] * centre, beta[1] * spread])

    def loss(theta: Floats) -> float:
        height = 1 / (1 + np.exp(-theta[2]))
        p = link.at(theta[0] + theta[1] * x).p
        p = np.clip(height + (1 - height) * p if floor else (1 - height) * p, 1e-12, 1 - 1e-12)
        return -float(trials.hit @ np.log(p) + (1 - trials.hit) @ np.log1p(-p))

    tries = [
        minimize(loss, np.array([*start * factor, height]), method="Nelder-Mead", options={"maxiter": 600})
        for factor in (1.0, 2.0)
        for height in (-4.0, -1.5)
    ]
    found = min(tries, key=lambda one: float(one.fun))
    return float(1 / (1 + np.exp(-found.x[2]))), -float(found.fun)
