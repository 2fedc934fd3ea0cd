"""How far two readers agree beyond chance."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from lopore.record.interval import Interval

from .bootstrap import RESAMPLES, Floats, group_weights, ratio, with_bounds


def cohen_kappa(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    groups: Sequence[Hashable],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Cohen's kappa of two readers over the same items, with 95 % bounds that resample groups (films).

    first, second: what each reader said of each item. groups: the film of each item; under two films there are no
    bounds. 1 is full agreement, 0 that of chance; not defined where both said one and the same of everything.
    Raises ValueError for lists of different lengths.
    Source: Cohen, Educational and Psychological Measurement 20 (1960).
    """
    if not len(first) == len(second) == len(groups):
        raise ValueError(f"{len(first)}, {len(second)} and {len(groups)} entries; the three belong to the same items")
    names = {name: number for number, name in enumerate(dict.fromkeys((*first, *second)))}
    films = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    tables = np.zeros((len(films), len(names), len(names)))
    for one, other, film in zip(first, second, groups, strict=True):
        tables[films[film], names[one], names[other]] += 1
    draws: Floats | None = None
    if len(films) > 1:
        ids = np.arange(len(films))
        parts = [_kappas(np.tensordot(weights, tables, 1)) for weights in group_weights(ids, resamples, seed)]
        draws = np.concatenate(parts)
    value = float(_kappas(tables.sum(axis=0, keepdims=True))[0]) if len(first) else float("nan")
    return with_bounds(value, draws, groups=len(films))


def _kappas(tables: NDArray[np.float64]) -> Floats:
    """(n,) of tables (n, K, K) of counts."""
    total = tables.sum(axis=(1, 2))
    agreed = ratio(np.trace(tables, axis1=1, axis2=2), total)
    by_chance = ratio((tables.sum(axis=2) * tables.sum(axis=1)).sum(axis=1), total**2)
    return ratio(agreed - by_chance, 1 - by_chance)
