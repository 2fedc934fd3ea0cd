"""Upper 95 % bounds of the size that is found with a given probability, such as a90/95.

Three ways, each under its name. ``likelihood ratio``: the size at which the profile falls by the quantile (ASNT 2022).
``modified root``: the signed root of that ratio corrected to higher order (Skovgaard, Bernoulli 2, 1996; Brazzale,
Davison and Reid, Applied Asymptotics, 2007). ``pointwise``: where the lower Wald band of the curve reaches the
probability (MIL-HDBK-1823A). Films as clusters widen each by the sandwich of film sums (Liang and Zeger, Biometrika
73, 1986; the ratio scaled as in Rotnitzky and Jewell, Biometrika 77, 1990) and take Student's quantile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from lopore.metrics.bootstrap import Floats

from .likelihood import HeldCurve, HitMissFit

BoundMethod = Literal["modified root", "likelihood ratio", "pointwise"]
_WIDENINGS = 12


def quantile_of(fit: HitMissFit) -> float:
    """The one-sided 95 % quantile: normal, or Student's with two degrees fewer than films."""
    from scipy.special import ndtri, stdtrit

    films = fit.trials.films
    return float(ndtri(0.95) if films is None else stdtrit(max(1, int(films.max()) - 1), 0.95))


def film_covariance(fit: HitMissFit) -> Floats:
    """(2, 2) covariance of the parameters with the hits of one film taken together; the plain one without films."""
    films = fit.trials.films
    if films is None:
        return fit.covariance
    count = int(films.max()) + 1
    score = (fit.trials.hit - fit.at.p) * fit.at.score
    sums = np.column_stack([np.bincount(films, part, count) for part in (score, score * fit.trials.x)])
    return np.asarray(fit.covariance @ (sums.T @ sums * (count / max(1, count - 1))) @ fit.covariance)


def film_effect(fit: HitMissFit, probability: float) -> float:
    """Variance of the size at ``probability`` with films as clusters over that of independent marks, at least 1."""
    if fit.trials.films is None:
        return 1.0
    gradient = np.array([-1.0, -fit.size_at(probability)]) / fit.beta[1]
    return max(1.0, float(gradient @ film_covariance(fit) @ gradient / (gradient @ fit.covariance @ gradient)))


def upper_size(fit: HitMissFit, probability: float, method: BoundMethod) -> float | None:
    """The bound, in the units of the fit's x; None where no size is large enough. The slope must be positive."""
    if method == "pointwise":
        return _pointwise(fit, probability)
    corrected = method == "modified root" and not fit.firth
    root = modified_root if corrected else _root
    limit = quantile_of(fit) * film_effect(fit, probability) ** 0.5
    gradient = np.array([-1.0, -fit.size_at(probability)]) / fit.beta[1]
    step = float(gradient @ fit.covariance @ gradient) ** 0.5
    slope = fit.beta[1]

    def excess(x: float) -> float:
        nonlocal slope
        held = fit.held(x, probability, slope)
        slope = held.slope
        return float(root(fit, x, held) - limit)

    return crossing(excess, fit.size_at(probability), step)


def _root(fit: HitMissFit, x: float, held: HeldCurve) -> float:
    return float(held.drop**0.5)


def modified_root(fit: HitMissFit, x: float, held: HeldCurve) -> float:
    """Skovgaard's r* of the hypothesis that the curve passes through the held point; 0 or more for sizes above."""
    root = float(held.drop**0.5)
    if root < 1e-4:
        return root
    away = fit.trials.x - x
    variance = fit.at.p * (1 - fit.at.p)
    design = np.column_stack([np.ones_like(away), away])
    cross = design.T @ (design * (fit.at.score * held.at.score * variance)[:, None])
    logit_shift = (fit.at.log_p - fit.at.log_q) - (held.at.log_p - held.at.log_q)
    moved = np.linalg.solve(cross, design.T @ (fit.at.score * variance * logit_shift))[0]
    information = design.T @ (design * fit.at.weight[:, None])
    nuisance = float(held.at.weight @ away**2)
    wald = float(moved * np.linalg.det(cross) / (np.linalg.det(information) * nuisance) ** 0.5)
    return root + float(np.log(wald / root)) / root if wald > 0 else root


def crossing(excess: Callable[[float], float], size: float, step: float) -> float | None:
    """The first x above ``size`` at which ``excess`` turns positive, looked for in widening steps."""
    from scipy.optimize import brentq

    known: dict[float, float] = {}

    def value(x: float) -> float:
        # A held curve is searched from where the last one ended; asked twice it must not answer twice.
        if x not in known:
            found = excess(x)
            known[x] = found if np.isfinite(found) else -1.0
        return known[x]

    low, width = size + 0.1 * step, 2 * step
    if value(low) > 0:
        return low
    for _ in range(_WIDENINGS):
        high = low + width
        if value(high) > 0:
            return float(brentq(value, low, high, xtol=1e-9 * (1 + abs(high)), rtol=1e-10))
        low, width = high, 1.6 * width
    return None


def _pointwise(fit: HitMissFit, probability: float) -> float | None:
    """The larger root of (b0 + b1 x - g)^2 = q^2 (V00 + 2 x V01 + x^2 V11)."""
    squared, v = quantile_of(fit) ** 2, film_covariance(fit)
    b0, b1 = fit.beta[0] - fit.link.inverse(probability), fit.beta[1]
    a, b, c = b1**2 - squared * v[1, 1], 2 * (b0 * b1 - squared * v[0, 1]), b0**2 - squared * v[0, 0]
    under = b * b - 4 * a * c
    if a <= 0 or under < 0:
        return None
    return float((-b + under**0.5) / (2 * a))


def lower_band(fit: HitMissFit, x: Floats) -> Floats:
    """(M,) lower 95 % pointwise Wald bound of POD at sizes ``x`` (M,), in the units of the fit."""
    v = film_covariance(fit)
    error = np.sqrt(np.maximum(v[0, 0] + 2 * x * v[0, 1] + x**2 * v[1, 1], 0))
    return np.asarray(fit.link.at(fit.beta[0] + fit.beta[1] * x - quantile_of(fit) * error).p)
