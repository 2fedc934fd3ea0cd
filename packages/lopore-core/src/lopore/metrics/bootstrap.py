"""Means and ratios with 95 % bounds that resample whole groups.

Images of one film are not independent, so the bootstrap draws whole groups (Field and Welsh, JRSS B 69, 2007).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lopore.record.interval import Interval

Floats = NDArray[np.float64]
RESAMPLES = 2000
FEW = 4
"""Groups under which their spread is no measure of how other groups would differ."""
_CELLS = 4_000_000  # weights held at once; bounds the memory of the bootstrap


def ratio(top: Any, bottom: Any) -> Floats:
    """``top / bottom``, element by element; NaN where ``bottom`` is not positive."""
    out: Floats = np.full(np.shape(top), np.nan)
    return np.asarray(np.divide(top, bottom, out=out, where=np.asarray(bottom) > 0), np.float64)


def with_bounds(
    value: float, draws: Floats | None, *, groups: int | None = None, perfect_bound: float | None = None
) -> Interval:
    """A value with 95 % bounds by its draws; no bounds where half of the draws are NaN.

    groups: how many groups the value rests on (recall: those with the class); no bounds under two, whose resampling
    shows no spread. perfect_bound: of a score from 0 to 1, the lower bound that as many groups without any mistake
    would prove, such as ``perfect_score_lower_bound``. Such a score gets a normal interval on the logit's scale; every
    resample of a set without a mistake is without one too, so there the perfect bound stands, and its mirror for 0:
    20 of 20 found read 0.832 to 1.000. Any other value gets percentiles, expanded for few groups.
    """
    if not np.isfinite(value):
        return Interval(value=None)
    good = draws[np.isfinite(draws)] if draws is not None else np.zeros(0)
    if draws is None or len(good) <= len(draws) / 2 or (groups is not None and groups < 2):
        return Interval(value=float(value))
    if perfect_bound is not None:
        low, high = _share_bounds(value, good, perfect_bound, few=groups is not None and groups < FEW)
    else:
        tail = tail_of(groups)
        low, high = np.quantile(good, [tail, 1 - tail])
    return Interval(value=float(value), low=float(low), high=float(high))


def _share_bounds(value: float, draws: Floats, perfect_bound: float, *, few: bool) -> tuple[float, float]:
    """Normal bounds of a score from 0 to 1 on the logit's scale (Pepe, Statistical Evaluation of Medical Tests, 2003).

    Expanded percentiles miss low scores of few groups too often, and Student's quantile on this scale too seldom
    (``benchmarks/simulate_intervals.py``). The bound of a set without a mistake stands too where the draws tell little
    of mistakes: with few groups, and where one group alone has them all, so that of the draws over a quarter
    ((1 - 1 / G) to the power of G) are without any, of two groups under a seventh.
    """
    least = 1e-9
    spread = float(draws.std())
    if spread > least and least < value < 1 - least:
        centre, reach = np.log(value / (1 - value)), 1.959964 * spread / (value * (1 - value))
        low, high = 1 / (1 + np.exp(np.clip([reach - centre, -reach - centre], -700, 700)))
    else:
        low = high = value
        few = True
    if few or (draws > 1 - least).mean() > 0.25:
        low = min(low, perfect_bound)
    if few or (draws < least).mean() > 0.25:
        high = max(high, 1 - perfect_bound)
    return float(low), float(high)


def tail_of(groups: int | None) -> float:
    """Share of the draws that lies under the lower bound of a 95 % interval over so many groups; 0.025 for None.

    Plain percentiles are too narrow where groups are few: the bootstrap's variance is short by (G - 1) / G, and the
    normal quantile stands where Student's belongs (Hesterberg, The American Statistician 69, 2015).
    """
    from scipy.special import ndtr, stdtrit

    if groups is None or groups < 2:
        return 0.025
    return float(ndtr(stdtrit(groups - 1, 0.025) * (groups / (groups - 1)) ** 0.5))


def with_bounds_of_parts(
    mean: Interval, parts: Sequence[Interval], lowest: float = 0.0, highest: float = 1.0
) -> Interval:
    """The interval of a plain mean, made no narrower than the doubt about any one of its parts leaves it.

    Resampling a model that calls every film a pore gives recall 1 and specificity 0 in every draw, so their mean would
    read 0.500 to 0.500. parts: all with a value; those without bounds count as sure. lowest, highest: of the score.
    """
    if mean.value is None or mean.low is None or mean.high is None:
        return mean
    below = [part.value - part.low for part in parts if part.value is not None and part.low is not None]
    above = [part.high - part.value for part in parts if part.value is not None and part.high is not None]
    low, high = mean.value - max(below, default=0.0) / len(parts), mean.value + max(above, default=0.0) / len(parts)
    return Interval(value=mean.value, low=max(lowest, min(mean.low, low)), high=min(highest, max(mean.high, high)))


def perfect_score_lower_bound(groups: int) -> float:
    """Lower 95 % bound of a share where all of so many groups are in it (Clopper and Pearson, Biometrika 26, 1934)."""
    return float(0.025 ** (1 / groups)) if groups else 0.0


def group_weights(ids: NDArray[Any], resamples: int, seed: int) -> Iterator[Floats]:
    """(b, N) weights a piece: how often each image's group was drawn. ids: (N,) from 0, every number occurring."""
    count = int(ids.max()) + 1
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // max(len(ids), count))
    for begin in range(0, resamples, step):
        size = min(step, resamples - begin)
        yield rng.multinomial(count, np.full(count, 1 / count), size=size).astype(np.float64)[:, ids]


def mean_with_bounds(values: ArrayLike, groups: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The mean of (N,) values with its 95 % interval, whole groups resampled.

    groups: (N,) whole numbers from 0, every one occurring. No bounds where all values are of one group.
    """
    one = np.asarray(values, np.float64)
    return ratio_with_bounds(one, np.ones_like(one), groups, resamples=resamples, seed=seed)


def ratio_with_bounds(
    top: ArrayLike, bottom: ArrayLike, groups: ArrayLike, *, share: bool = False, resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:  # fmt: skip
    """The sum of (N,) ``top`` over the sum of (N,) ``bottom``, such as a Dice of all pixels; groups as above.

    share: what is counted above is a part of what is counted below; without a mistake no more is proven than as many
    groups would that agree. The value is None where the sum of ``bottom`` is 0; no bounds where ``bottom`` is above 0
    in one group alone.
    """
    above, below, ids = np.asarray(top, np.float64), np.asarray(bottom, np.float64), np.asarray(groups, np.int64)
    if not len(above):
        return Interval(value=None)
    value = float(ratio(above.sum(), below.sum()))
    if not resamples or int(ids.max()) == 0:
        return with_bounds(value, None)
    draws = [ratio(weights @ above, weights @ below) for weights in group_weights(ids, resamples, seed)]
    support = len(np.unique(ids[below > 0]))
    perfect = perfect_score_lower_bound(support) if share else None
    return with_bounds(value, np.concatenate(draws), groups=support, perfect_bound=perfect)
