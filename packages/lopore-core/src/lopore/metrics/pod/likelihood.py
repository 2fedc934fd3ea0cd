"""Maximum likelihood and Firth's penalised likelihood of a hit/miss curve in two parameters.

Firth, Biometrika 80 (1993), for other links by Kosmidis and Firth, Biometrika 108 (2021); under separation Heinze and
Schemper, Statistics in Medicine 21 (2002). Held curves pass through a given size at a given probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.metrics.bootstrap import Floats

from .links import Link, LinkValues

_STEPS = 100
_CLOSE = 1e-11


@dataclass(frozen=True)
class Trials:
    """Hits (N,) of 0.0 and 1.0 at ``x`` (N,), sizes or their logarithms; films: (N,) numbers from 0, or None."""

    x: Floats
    hit: Floats
    films: NDArray[np.int64] | None = None

    @property
    def separated(self) -> bool:
        """Whether one size parts all misses from all hits: maximum likelihood then has no finite slope."""
        hits, misses = self.x[self.hit > 0], self.x[self.hit == 0]
        return bool(misses.max() <= hits.min() or hits.max() <= misses.min())


@dataclass(frozen=True)
class HeldCurve:
    """The best curve through one point. slope: its parameter. drop: twice the loss of (penalised) log-likelihood."""

    slope: float
    drop: float
    at: LinkValues


@dataclass(frozen=True)
class HitMissFit:
    """A fitted curve: link(POD) = ``beta[0] + beta[1] x``.

    covariance: (2, 2) inverse Fisher information. objective: log-likelihood, penalised under ``firth``. at: the
    link's values at the trials.
    """

    trials: Trials
    link: Link
    beta: Floats
    covariance: Floats
    log_likelihood: float
    objective: float
    at: LinkValues
    firth: bool
    converged: bool

    @property
    def aic(self) -> float:
        """Akaike's criterion, two parameters."""
        return 4 - 2 * self.log_likelihood

    def size_at(self, probability: float) -> float:
        """The x at which POD reaches ``probability``."""
        return float((self.link.inverse(probability) - self.beta[0]) / self.beta[1])

    def held(self, x: float, probability: float, slope: float | None = None) -> HeldCurve:
        """The best curve whose POD in ``x`` is ``probability``; slope: where the search begins."""
        start = np.array([self.beta[1] if slope is None else slope])
        offset, away = self.link.inverse(probability), self.trials.x - x
        best = _climb(self.trials, self.link, offset, away[:, None], start, self.firth)
        return HeldCurve(float(best.theta[0]), max(0.0, 2 * (self.objective - best.objective)), best.at)


@dataclass(frozen=True)
class _Top:
    theta: Floats
    objective: float
    log_likelihood: float
    at: LinkValues
    converged: bool


def information(x: Floats, weight: Floats) -> Floats:
    """(2, 2) Fisher information of intercept and slope."""
    along = weight * x
    return np.array([[weight.sum(), along.sum()], [along.sum(), along @ x]])


def fit_hit_miss(trials: Trials, link: Link, *, firth: bool = False) -> HitMissFit:
    """Fit both parameters. ``trials`` hold hits and misses at two sizes or more, and without ``firth`` overlap."""
    centre, spread = float(trials.x.mean()), float(trials.x.std())
    moved = Trials((trials.x - centre) / spread, trials.hit)
    share = (trials.hit.sum() + 0.5) / (len(trials.hit) + 1)
    design = np.column_stack([np.ones_like(moved.x), moved.x])
    top = _climb(moved, link, 0.0, design, np.array([link.inverse(float(share)), 0.0]), firth)
    back = np.array([[1.0, -centre / spread], [0.0, 1 / spread]])
    # The penalty counts in the units of ``trials``, as in ``held``.
    shift = float(np.log(spread)) if firth else 0.0
    return HitMissFit(
        trials=trials,
        link=link,
        beta=back @ top.theta,
        covariance=back @ np.linalg.inv(information(moved.x, top.at.weight)) @ back.T,
        log_likelihood=top.log_likelihood,
        objective=top.objective + shift,
        at=top.at,
        firth=firth,
        converged=top.converged,
    )


def _climb(trials: Trials, link: Link, offset: float, design: Floats, theta: Floats, firth: bool) -> _Top:
    """Fisher scoring with halved steps over ``theta`` (1 or 2,) of the predictor ``offset + design theta``."""

    def value(point: Floats) -> tuple[float, float, LinkValues]:
        at = link.at(offset + design @ point)
        likelihood = float(trials.hit @ at.log_p + (1 - trials.hit) @ at.log_q)
        if not firth:
            return likelihood, likelihood, at
        size = float(np.linalg.det(information(trials.x, at.weight)))
        return (likelihood + 0.5 * float(np.log(size)) if size > 0 else -np.inf), likelihood, at

    objective, likelihood, at = value(theta)
    for _ in range(_STEPS):
        step = _step(trials, design, at, firth)
        size = 1.0
        found = value(theta + step)
        while found[0] < objective - 1e-13 and size > 1e-9:
            size /= 2
            found = value(theta + size * step)
        if found[0] < objective - 1e-13:
            return _Top(theta, objective, likelihood, at, False)
        theta, gain = theta + size * step, found[0] - objective
        objective, likelihood, at = found
        if gain < _CLOSE and float(np.abs(size * step).max()) < 1e-7 * (1 + float(np.abs(theta).max())):
            return _Top(theta, objective, likelihood, at, True)
    return _Top(theta, objective, likelihood, at, False)


def _step(trials: Trials, design: Floats, at: LinkValues, firth: bool) -> Floats:
    """(k,) Fisher scoring step of the (penalised) score."""
    score = (trials.hit - at.p) * at.score
    if firth:
        (a, b), (_, d) = information(trials.x, at.weight)
        leverage = at.weight * (d - 2 * b * trials.x + a * trials.x**2) / max(a * d - b * b, 1e-300)
        score = score + 0.5 * leverage * at.weight_slope
    curvature = design.T @ (design * at.weight[:, None])
    if design.shape[1] == 1:
        return np.asarray(design.T @ score / max(float(curvature[0, 0]), 1e-300))
    return np.asarray(np.linalg.lstsq(curvature, design.T @ score, rcond=None)[0])
