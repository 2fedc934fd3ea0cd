"""Areas under free-response curves: AFROC and wAFROC, with intervals over films.

Chakraborty, Observer Performance Methods for Diagnostic Imaging (2017), chapters 13 and 14. The abscissa is the share
of sound films whose highest false call reaches the threshold; the ordinate the share of marks found (AFROC), or its
mean over films where each mark has a weight and those of one film add up to 1 (wAFROC). A film without a call, and a
mark that was not called, count as called last of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lopore.record.interval import Interval

from .bootstrap import RESAMPLES, Floats, ratio, with_bounds
from .matching import FilmMatches


@dataclass(frozen=True)
class FilmCalls:
    """One film. false: scores of its false calls. marks: of each true mark the highest score that met it, None where
    none did. weights: of the marks, adding up to 1; None: equal ones. A film without marks is sound."""

    false: tuple[float, ...] = ()
    marks: tuple[float | None, ...] = ()
    weights: tuple[float, ...] | None = None


@dataclass(frozen=True)
class FreeResponseAreas:
    """Both areas with 95 % intervals that resample sound films and films with marks apart.

    A side with fewer than two films gives no interval; none of either gives no value.
    """

    afroc: Interval
    wafroc: Interval
    sound_films: int
    films_with_marks: int
    marks: int


def calls_of(film: FilmMatches) -> FilmCalls:
    """A matched film as the areas take it."""
    best: dict[int, float] = {}
    for call in film.calls:
        for number in call.hits:
            best[number] = max(call.score, best.get(number, -np.inf))
    return FilmCalls(
        false=tuple(call.score for call in film.calls if call.false),
        marks=tuple(best.get(mark.id) for mark in film.marks),
    )


def free_response_areas(films: Sequence[FilmCalls], *, resamples: int = RESAMPLES, seed: int = 0) -> FreeResponseAreas:
    """AFROC and wAFROC areas of films; ValueError for weights that do not belong to the marks."""
    sound = [film for film in films if not film.marks]
    marked = [film for film in films if film.marks]
    won, shares, counts = _wins(sound, marked)
    afroc, wafroc = _areas(won, shares, counts, np.ones((1, len(marked))), np.ones((1, len(sound))))
    draws = None
    if resamples and len(sound) > 1 and len(marked) > 1:
        rng = np.random.default_rng(seed)
        rows, columns = (rng.multinomial(n, np.full(n, 1 / n), size=resamples) for n in (len(marked), len(sound)))
        draws = _areas(won, shares, counts, rows.astype(np.float64), columns.astype(np.float64))
    fewest = min(len(sound), len(marked))
    return FreeResponseAreas(
        afroc=with_bounds(float(afroc[0]), None if draws is None else draws[0], groups=fewest),
        wafroc=with_bounds(float(wafroc[0]), None if draws is None else draws[1], groups=fewest),
        sound_films=len(sound),
        films_with_marks=len(marked),
        marks=sum(len(film.marks) for film in marked),
    )


def _wins(sound: Sequence[FilmCalls], marked: Sequence[FilmCalls]) -> tuple[Floats, Floats, Floats]:
    """(F, S) won comparisons of each film's marks with each sound film: unweighted sums, weighted sums; (F,) marks."""
    highest = np.array([max(film.false, default=-np.inf) for film in sound], np.float64)
    plain, weighted = np.zeros((len(marked), len(sound))), np.zeros((len(marked), len(sound)))
    for row, film in enumerate(marked):
        scores = np.array([-np.inf if score is None else score for score in film.marks], np.float64)[:, None]
        share = np.full(len(film.marks), 1 / len(film.marks)) if film.weights is None else np.array(film.weights)
        if len(share) != len(film.marks) or abs(share.sum() - 1) > 1e-6:
            raise ValueError(f"{len(share)} weights that add up to {share.sum():.3g} for {len(film.marks)} marks")
        beats = (scores > highest) + 0.5 * (scores == highest)
        plain[row], weighted[row] = beats.sum(axis=0), share @ beats
    return plain, weighted, np.array([len(film.marks) for film in marked], np.float64)


def _areas(won: Floats, shares: Floats, counts: Floats, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """(B,) both areas under weights of the films with marks (B, F) and of the sound ones (B, S)."""
    many = columns.sum(axis=1)
    afroc = ratio(np.einsum("bf,fs,bs->b", rows, won, columns), rows @ counts * many)
    wafroc = ratio(np.einsum("bf,fs,bs->b", rows, shares, columns), rows.sum(axis=1) * many)
    return afroc, wafroc


def leave_one_out(films: Sequence[FilmCalls]) -> Floats:
    """(N,) wAFROC area with each film left out in turn, for a reader study."""
    sound = [index for index, film in enumerate(films) if not film.marks]
    marked = [index for index, film in enumerate(films) if film.marks]
    _, shares, _ = _wins([films[i] for i in sound], [films[i] for i in marked])
    total, f, s = shares.sum(), len(marked), len(sound)
    found = np.zeros(len(films))
    found[marked] = (total - shares.sum(axis=1)) / ((f - 1) * s)
    found[sound] = (total - shares.sum(axis=0)) / (f * (s - 1))
    return found
