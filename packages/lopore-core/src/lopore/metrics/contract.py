"""An operating point whose recall holds with stated confidence: exact binomial bounds over films.

A film is one trial: it counts as found where every image of it that carries the class scores at or above the threshold.
Thresholds are tried from the lowest up and the first that fails ends the search, so that trying many costs no
confidence (fixed sequence; Angelopoulos and others, "Learn then test", Annals of Applied Statistics 19, 2025). The
bound is that of Clopper and Pearson (Biometrika 26, 1934).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lopore.record.contract import RecallContract

from .binomial import exact_share, share_at_least, trials_needed
from .bootstrap import Floats
from .statement import Refusal


def recall_contract(
    scores: ArrayLike, labels: ArrayLike, groups: ArrayLike, *, recall: float, confidence: float
) -> RecallContract | Refusal:
    """The highest threshold that keeps the contract on these films, or what is missing for any.

    scores: (N,) in 0..1. labels: (N,) of 0 and 1. groups: (N,) film of each image.
    """
    film_scores = scores_by_film(scores, labels, groups)
    films = len(film_scores)
    allowed = failures_allowed(films, recall, confidence)
    if allowed is None:
        return contract_refusal(films, recall, confidence)
    lowest = np.sort(film_scores)
    value = float(lowest[allowed])
    below = np.asarray(scores, np.float64)[np.asarray(scores, np.float64) < value]
    threshold = (value + float(below.max())) / 2 if len(below) else value / 2
    return contract_at(threshold, scores, labels, groups, recall=recall, confidence=confidence)


def contract_at(
    threshold: float, scores: ArrayLike, labels: ArrayLike, groups: ArrayLike, *, recall: float, confidence: float
) -> RecallContract:
    """What a threshold that was chosen elsewhere proves on these films."""
    film_scores = scores_by_film(scores, labels, groups)
    missed = int((film_scores < threshold).sum())
    values, truth, ids = (np.asarray(one) for one in (scores, labels, groups))
    with_it = np.unique(ids[truth.astype(bool)])
    sound = ~np.isin(ids, with_it)
    sound_films = len(np.unique(ids[sound]))
    called = len(np.unique(ids[sound & (values >= threshold)]))
    found = len(film_scores) - missed
    return RecallContract(
        recall=recall,
        confidence=confidence,
        threshold=threshold,
        films=len(film_scores),
        missed=missed,
        bound=share_at_least(found, len(film_scores), confidence=confidence) if len(film_scores) else 0.0,
        sound_films=sound_films,
        false_calls=called,
        false_call_rate=exact_share(called, sound_films),
    )


def scores_by_film(scores: ArrayLike, labels: ArrayLike, groups: ArrayLike) -> Floats:
    """(F,) of each film with the class the lowest score of its images that carry it."""
    values, truth, names = np.asarray(scores, np.float64), np.asarray(labels, bool), np.asarray(groups)
    if not truth.any():
        return np.zeros(0)
    ids = np.unique(names[truth], return_inverse=True)[1].reshape(-1)
    lowest = np.full(int(ids.max()) + 1, np.inf)
    np.minimum.at(lowest, ids, values[truth])
    return lowest


def failures_allowed(films: int, recall: float, confidence: float) -> int | None:
    """How many of so many films may be missed; None where not even all found would prove the recall."""
    if films < trials_needed(recall, confidence=confidence):
        return None
    failures = 0
    while trials_needed(recall, failures=failures + 1, confidence=confidence) <= films:
        failures += 1
    return failures


def contract_refusal(films: int, recall: float, confidence: float) -> Refusal:
    """What is missing, and what so many films could prove."""
    need = trials_needed(recall, confidence=confidence)
    provable = share_at_least(films, films, confidence=confidence) if films else 0.0
    missing = (
        f"It needs at least {need} films with the class, without a miss; there are {films}.",
        f"{films} found of {films} would prove {provable:.3f}.",
    )
    return Refusal(what=f"Recall {recall:g} with {confidence:.0%} confidence", missing=missing)
