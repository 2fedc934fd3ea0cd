"""Signals over size as a censored straight line with normal scatter: maximum likelihood and its bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.metrics.bootstrap import Floats

from .size_bounds import crossing


@dataclass(frozen=True)
class Signals:
    """Signals ``y`` (N,) over sizes ``x`` (N,); below, above: (N,) censored at ``y``; films as in ``Trials``."""

    x: Floats
    y: Floats
    below: NDArray[np.bool_]
    above: NDArray[np.bool_]
    films: NDArray[np.int64] | None


@dataclass(frozen=True)
class SignalFit:
    """y = theta[0] + theta[1] x, scatter exp(theta[2]). covariance: (3, 3), with films as clusters if there are any."""

    signals: Signals
    theta: Floats
    log_likelihood: float
    jacobian: float
    covariance: Floats
    plain_covariance: Floats

    @property
    def aic(self) -> float:
        """Akaike's criterion in the units of the raw signal, three parameters."""
        return 6 - 2 * (self.log_likelihood + self.jacobian)

    def size_at(self, probability: float, decision: float) -> float:
        """x whose signals reach ``decision`` (in units of y) with ``probability``."""
        from scipy.special import ndtri

        return float((decision + ndtri(probability) * np.exp(self.theta[2]) - self.theta[0]) / self.theta[1])

    def effect(self, probability: float, decision: float) -> float:
        """Variance of that size with films as clusters over that of independent marks, at least 1."""
        from scipy.special import ndtri

        scatter = ndtri(probability) * np.exp(self.theta[2])
        gradient = np.array([-1.0, -self.size_at(probability, decision), scatter]) / self.theta[1]
        return max(1.0, float(gradient @ self.covariance @ gradient / (gradient @ self.plain_covariance @ gradient)))


def fit_signals(signals: Signals, jacobian: float = 0.0) -> SignalFit:
    """Maximum likelihood of line and scatter, censored signals by the normal tail."""
    from scipy.optimize import minimize

    plain = ~(signals.below | signals.above)
    design = np.column_stack([np.ones(int(plain.sum())), signals.x[plain]])
    line = np.linalg.lstsq(design, signals.y[plain], rcond=None)[0]
    scatter = float(np.std(signals.y[plain] - design @ line)) or 1e-6
    found = minimize(
        lambda theta: -float(_likelihood(signals, theta).sum()),
        np.array([*line, np.log(scatter)]),
        jac=lambda theta: -_scores(signals, theta).sum(axis=0),
        method="BFGS",
        options={"gtol": 1e-7},
    )
    theta = np.asarray(found.x, np.float64)
    bread = np.asarray(np.linalg.inv(_curvature(signals, theta)), np.float64)
    covariance = bread
    if signals.films is not None:
        count = int(signals.films.max()) + 1
        scores = _scores(signals, theta)
        sums = np.column_stack([np.bincount(signals.films, column, count) for column in scores.T])
        covariance = np.asarray(bread @ (sums.T @ sums * count / max(1, count - 1)) @ bread, np.float64)
    return SignalFit(signals, theta, -float(found.fun), jacobian, covariance, bread)


def _likelihood(signals: Signals, theta: Floats) -> Floats:
    from scipy.special import log_ndtr

    scatter = np.exp(theta[2])
    z = (signals.y - theta[0] - theta[1] * signals.x) / scatter
    plain = -(z**2) / 2 - theta[2] - np.log(2 * np.pi) / 2
    return np.asarray(np.where(signals.below, log_ndtr(z), np.where(signals.above, log_ndtr(-z), plain)), np.float64)


def _scores(signals: Signals, theta: Floats) -> Floats:
    """(N, 3) derivatives of each mark's log-likelihood."""
    from scipy.special import log_ndtr

    scatter = np.exp(theta[2])
    z = (signals.y - theta[0] - theta[1] * signals.x) / scatter
    density = -(z**2) / 2 - np.log(2 * np.pi) / 2
    pull = np.where(
        signals.below, -np.exp(density - log_ndtr(z)), np.where(signals.above, np.exp(density - log_ndtr(-z)), z)
    )
    width = np.where(signals.below | signals.above, pull * z, z**2 - 1)
    return np.column_stack([pull / scatter, pull * signals.x / scatter, width])


def _curvature(signals: Signals, theta: Floats) -> Floats:
    """(3, 3) observed information, by central differences of the scores."""
    step = 1e-5 * (1 + np.abs(theta))
    rows = []
    for k in range(3):
        away = np.zeros(3)
        away[k] = step[k]
        rows.append(
            (_scores(signals, theta - away).sum(axis=0) - _scores(signals, theta + away).sum(axis=0)) / (2 * step[k])
        )
    table = np.array(rows)
    return np.asarray((table + table.T) / 2)


def upper_size_of_signals(fit: SignalFit, probability: float, decision: float) -> float | None:
    """Upper 95 % bound of the size at ``probability``, by the profile likelihood."""
    from scipy.optimize import minimize
    from scipy.special import ndtri, stdtrit

    signals, quantile = fit.signals, float(ndtri(probability))
    degrees = len(signals.x) - 2 if signals.films is None else max(1, int(signals.films.max()) - 1)
    limit = float(stdtrit(degrees, 0.95)) * fit.effect(probability, decision) ** 0.5
    start = fit.theta[1:]

    def excess(x0: float) -> float:
        nonlocal start

        def full(theta: Floats) -> Floats:
            return np.array([decision + quantile * np.exp(theta[1]) - theta[0] * x0, theta[0], theta[1]])

        def slopes(theta: Floats) -> Floats:
            first, along, width = _scores(signals, full(theta)).sum(axis=0)
            return -np.array([along - first * x0, width + first * quantile * np.exp(theta[1])])

        found = minimize(
            lambda theta: -float(_likelihood(signals, full(theta)).sum()), start, jac=slopes, method="BFGS"
        )
        start = found.x
        drop = 2 * (fit.log_likelihood + float(found.fun))
        return float(np.sqrt(max(0.0, drop)) - limit)

    scatter = quantile * np.exp(fit.theta[2])
    size = fit.size_at(probability, decision)
    gradient = np.array([-1.0, -size, scatter]) / fit.theta[1]
    return crossing(excess, size, float(gradient @ fit.plain_covariance @ gradient) ** 0.5)
