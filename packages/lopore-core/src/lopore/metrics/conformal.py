"""Sets of classes that hold the true one with a stated share, and the images that are left to a person.

Split conformal prediction with one score a film (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World,
2005; classes apart: Vovk, ACML 2012). Images of one film are not exchangeable; films are. A film's nonconformity is
the largest of its images' of that class, 1 less the score of the true class, so the share holds for whole films.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.record.abstention import Abstention
from lopore.record.interval import Interval

from .binomial import exact_share
from .bootstrap import Floats
from .statement import Facts, Refusal


def conformal_quantile(nonconformity: Floats, coverage: float) -> float | None:
    """The (n + 1) coverage-th smallest of n values; None where n is too small for any."""
    n = len(nonconformity)
    rank = int(np.ceil((n + 1) * coverage - 1e-9))
    return None if rank > n else float(np.sort(nonconformity)[rank - 1])


def films_needed(coverage: float) -> int:
    """The fewest films of a class for which a quantile exists: 19 for 0.95."""
    return int(np.ceil(coverage / (1 - coverage) - 1e-9))


def abstention_refusal(films: Mapping[str, int], coverage: float) -> Refusal | None:
    """What is missing where classes have too few films; None where all have enough. films: by class."""
    need = films_needed(coverage)
    short = [(name, count) for name, count in films.items() if count < need]
    if not short:
        return None
    missing = tuple(f"It needs at least {need} validation films of {name}; there are {n}." for name, n in short)
    return Refusal(what=f"Abstention with {coverage:.0%} coverage", missing=missing)


def fit_abstention(
    scores: NDArray[Any], truth: NDArray[np.bool_], groups: NDArray[Any], *, classes: Sequence[str], coverage: float,
    fitted_on: str,
) -> Abstention | Refusal:  # fmt: skip
    """The largest nonconformity that each class may have. scores, truth: (N, K), one true class each; groups: (N,)."""
    limits: dict[str, float] = {}
    films: dict[str, int] = {}
    for column, name in enumerate(classes):
        rows = truth[:, column]
        worst = worst_by_film(1 - np.asarray(scores, np.float64)[rows, column], np.asarray(groups)[rows])
        films[name] = len(worst)
        quantile = conformal_quantile(worst, coverage)
        if quantile is not None:
            limits[name] = min(1.0, quantile)
    if (refusal := abstention_refusal(films, coverage)) is not None:
        return refusal
    return Abstention(coverage=coverage, limits=limits, fitted_on=fitted_on)


def worst_by_film(values: Floats, groups: NDArray[Any]) -> Floats:
    """(films,) the largest value of each film. groups: the film of each value."""
    if not len(values):
        return np.zeros(0)
    ids = np.unique(groups, return_inverse=True)[1].reshape(-1)
    worst = np.full(int(ids.max()) + 1, -np.inf)
    np.maximum.at(worst, ids, values)
    return worst


def sets_of(scores: NDArray[Any], classes: Sequence[str], abstention: Abstention) -> NDArray[np.bool_]:
    """(N, K) which classes are in the set of each image; none or several: a person decides."""
    limits = np.array([abstention.limits[name] for name in classes])
    return np.asarray(1 - np.asarray(scores, np.float64) <= limits[None, :] + 1e-7)


class AbstentionCheck(Facts):
    """On films that fitted nothing. coverage: by class, films whose images all hold the true class in their set, exact
    95 % interval. abstained: by class, images left to a person. right_of_rest: images that are not, answered right."""

    wanted: float
    coverage: dict[str, Interval]
    abstained: dict[str, Interval]
    right_of_rest: Interval

    @property
    def lines(self) -> tuple[str, ...]:
        """What a person reads, a line a class and one for the rest."""
        found = [
            f"{name}: true class held for {_share(self.coverage[name])} of films (wanted {self.wanted:.0%}), "
            f"{_share(self.abstained[name])} of images left to a person"
            for name in self.coverage
        ]
        return (*found, f"of the images that the model answers alone, {_share(self.right_of_rest)} are answered right")

    @property
    def text(self) -> str:
        """What was asked for, and how right the model is where it answers alone."""
        return (
            f"An image is left to a person where no class or several are possible; {self.wanted:.0%} of films were to "
            f"keep their true class. Of the images that the model answers alone {_share(self.right_of_rest)} are right."
        )


def _share(found: Interval) -> str:
    if found.value is None:
        return "none"
    return f"{found.value:.1%}" + ("" if found.low is None else f" ({found.low:.1%} to {found.high:.1%})")


def check_abstention(
    scores: NDArray[Any], truth: NDArray[np.bool_], groups: NDArray[Any], classes: Sequence[str], abstention: Abstention
) -> AbstentionCheck:
    """What an abstention does on other films."""
    sets = sets_of(scores, classes, abstention)
    holds = np.asarray((sets & truth).any(axis=1))
    single = sets.sum(axis=1) == 1
    coverage: dict[str, Interval] = {}
    abstained: dict[str, Interval] = {}
    for column, name in enumerate(classes):
        rows = truth[:, column]
        films = np.unique(np.asarray(groups)[rows])
        lost = np.unique(np.asarray(groups)[rows & ~holds])
        coverage[name] = exact_share(len(films) - len(lost), len(films))
        abstained[name] = exact_share(int((rows & ~single).sum()), int(rows.sum()))
    return AbstentionCheck(
        wanted=abstention.coverage,
        coverage=coverage,
        abstained=abstained,
        right_of_rest=exact_share(int((single & holds).sum()), int(single.sum())),
    )
