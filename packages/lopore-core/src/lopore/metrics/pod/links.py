"""Links between the size of a flaw and the probability of detecting it: logit, probit, complementary log-log.

McCullagh and Nelder, Generalized Linear Models (1989), chapter 4; MIL-HDBK-1823A, appendix G.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lopore.metrics.bootstrap import Floats

LinkName = Literal["logit", "probit", "cloglog"]


@dataclass(frozen=True)
class LinkValues:
    """What a fit needs at linear predictors eta (N,).

    p: probability. log_p, log_q: ln p, ln(1 - p). score: d/(p(1-p)) with d = dp/d eta. weight: d^2/(p(1-p)), the Fisher
    information of one trial. weight_slope: d ln(weight)/d eta.
    """

    p: Floats
    log_p: Floats
    log_q: Floats
    score: Floats
    weight: Floats
    weight_slope: Floats


@dataclass(frozen=True)
class Link:
    """One link by name; ``inverse`` gives the linear predictor of a probability, ``at`` the values of predictors."""

    name: LinkName
    inverse: Callable[[float], float]
    at: Callable[[Floats], LinkValues]


def _logit(eta: Floats) -> LinkValues:
    eta = np.clip(eta, -35.0, 35.0)
    odds = np.exp(-eta)
    p = 1 / (1 + odds)
    log_p = -np.log1p(odds)
    return LinkValues(p, log_p, log_p - eta, np.ones_like(p), p * odds * p, 1 - 2 * p)


def _probit(eta: Floats) -> LinkValues:
    from scipy.special import log_ndtr, ndtr

    eta = np.clip(eta, -8.0, 8.0)
    log_p, log_q = log_ndtr(eta), log_ndtr(-eta)
    log_density = -(eta**2) / 2 - np.log(2 * np.pi) / 2
    above, below = np.exp(log_density - log_p), np.exp(log_density - log_q)
    return LinkValues(ndtr(eta), log_p, log_q, above + below, above * below, below - above - 2 * eta)


def _cloglog(eta: Floats) -> LinkValues:
    eta = np.clip(eta, -35.0, 3.5)
    rate = np.exp(eta)
    p = -np.expm1(-rate)
    score = rate / p
    slope_over_p = score * np.exp(-rate)
    return LinkValues(p, np.log(p), -rate, score, score * rate * np.exp(-rate), 2 - rate - slope_over_p)


def _probit_of(p: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)


LINKS: dict[LinkName, Link] = {
    "logit": Link("logit", lambda p: float(np.log(p / (1 - p))), _logit),
    "probit": Link("probit", _probit_of, _probit),
    "cloglog": Link("cloglog", lambda p: float(np.log(-np.log1p(-p))), _cloglog),
}
