"""How well sizes are measured: bias and limits of agreement in mm (Bland and Altman, The Lancet 327, 1986)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lopore.record.interval import Interval

from .bootstrap import mean_with_bounds
from .statement import Facts, Refusal

LEAST_PAIRS = 10


class SizingError(Facts):
    """Found less true size. bias: mean with its interval over films. low, high: limits within which 95 % of the
    differences lie. mean_absolute: mean size of a difference."""

    pairs: int
    films: int
    bias: Interval
    low: float
    high: float
    mean_absolute: float


def sizing_error(true: ArrayLike, found: ArrayLike, films: ArrayLike | None = None) -> SizingError | Refusal:
    """The error of (N,) measured sizes against (N,) true ones. films: (N,) names; None: independent marks."""
    from scipy.special import stdtrit

    apart = np.asarray(found, np.float64) - np.asarray(true, np.float64)
    if len(apart) < LEAST_PAIRS:
        text = f"There are {len(apart)} marks with a true and a found size; at least {LEAST_PAIRS} are needed."
        return Refusal(what="The sizing error", missing=(text,))
    names = np.arange(len(apart)) if films is None else np.asarray(films)
    ids = np.unique(names, return_inverse=True)[1].reshape(-1)
    n = len(apart)
    reach = float(stdtrit(n - 1, 0.975)) * float(apart.std(ddof=1)) * (1 + 1 / n) ** 0.5
    return SizingError(
        pairs=n,
        films=int(ids.max()) + 1,
        bias=mean_with_bounds(apart, ids),
        low=float(apart.mean()) - reach,
        high=float(apart.mean()) + reach,
        mean_absolute=float(np.abs(apart).mean()),
    )
