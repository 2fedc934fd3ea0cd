"""Figures of indications: marks hit, false calls a film and per 100 mm, free response, sizes; intervals over films.

A model is asked at its own operating point and at a ladder of thresholds, because regions that are drawn at a lower
one are other regions. Films that belong to one group are drawn together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.messages import counted
from lopore.record.interval import Interval

from .average_precision import AveragePrecision
from .bootstrap import (
    RESAMPLES,
    Floats,
    group_weights,
    perfect_score_lower_bound,
    ratio,
    ratio_with_bounds,
    with_bounds,
)
from .free_response import FilmCalls, free_response_areas
from .matching import FilmMatches, sizing_errors_mm
from .sizing import SizingError, sizing_error
from .statement import Facts, Refusal

LIMITS = (0.5, 1.0, 2.0, 5.0, 10.0)
"""False calls a film at which the share of marks hit is stated."""
_MOST_THRESHOLDS = 200
Levels = Mapping[float, Sequence[FilmMatches]]
"""By the threshold that regions were drawn for: the films, always the same in the same order."""


class FrocPoint(Facts):
    """At a threshold: the share of marks hit, and false calls a film."""

    threshold: float
    hits: float
    false_per_film: float


class HitsAt(Facts):
    """The largest share of marks hit at no more than so many false calls a film. threshold: that reaches it; None where
    even one call is too many."""

    false_per_film: float
    hits: Interval
    threshold: float | None


class ClassIndications(Facts):
    """One class. hits, false_per_film, false_per_100_mm: at the operating point; the last is None without a pitch.

    hit, false_calls: the counts behind them. by_truth: share hit by the truth's own class names, where it has several.
    """

    films: int
    groups: int
    films_without: int
    marks: int
    hit: int
    false_calls: int
    hits: Interval
    by_truth: dict[str, tuple[int, int]]
    false_per_film: Interval
    false_per_100_mm: Interval
    hits_at: tuple[HitsAt, ...]
    curve: tuple[FrocPoint, ...]
    afroc: Interval
    wafroc: Interval
    sizing: SizingError | Refusal


class IndicationMetrics(Facts):
    """The indications of one split against the truth. matched_by: outlines against masks, or places along the film.

    mask_ap, box_ap: by COCO's rules over all classes, of the indications at the operating point; None where only places
    along the film are known.
    """

    matched_by: str
    films: int
    per_class: dict[str, ClassIndications]
    mask_ap: AveragePrecision | None = None
    box_ap: AveragePrecision | None = None
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What was counted, for a person."""
        return (
            f"Indications of {counted(self.films, 'film')} against the truth, by {self.matched_by}. A mark is "
            "hit where an indication meets it; a false call meets no mark. Intervals: 95 %, films of a group "
            "drawn together."
        )


@dataclass(frozen=True)
class _Counts:
    """By film and threshold, the highest first: marks hit and false calls. thresholds: (T,); hits, false: (F, T)."""

    thresholds: Floats
    hits: Floats
    false: Floats


def class_indications(
    own: Sequence[FilmMatches], levels: Levels, groups: NDArray[np.int64], *, seed: int = 0
) -> ClassIndications:
    """The figures of one class over F films.

    own: the films at the operating point. levels: the same at a ladder of thresholds. groups: (F,) whole numbers from
    0, every one occurring.
    """
    marks = np.array([len(film.marks) for film in own], np.float64)
    hit = np.array([len(_hit_by(film)) for film in own], np.float64)
    false = np.array([sum(call.false for call in film.calls) for film in own], np.float64)
    lengths = [film.known_mm for film in own]
    known = np.array([length or 0.0 for length in lengths]) if all(lengths) else np.zeros(len(own))
    counts = _counts(levels)
    areas = free_response_areas(_as_calls(levels), seed=seed)
    return ClassIndications(
        films=len(own),
        groups=len(np.unique(groups)),
        films_without=int((marks == 0).sum()),
        marks=int(marks.sum()),
        hit=int(hit.sum()),
        false_calls=int(false.sum()),
        hits=ratio_with_bounds(hit, marks, groups, share=True, seed=seed),
        by_truth=_by_truth(own),
        false_per_film=_rate(false, np.ones(len(own)), groups, seed),
        false_per_100_mm=_rate(false, known / 100, groups, seed),
        hits_at=_hits_at(counts, marks, groups, seed),
        curve=_curve(counts, marks),
        afroc=areas.afroc,
        wafroc=areas.wafroc,
        sizing=_sizing(own),
    )


def _hit_by(film: FilmMatches, least: float = -np.inf) -> set[int]:
    return {number for call in film.calls if call.score >= least for number in call.hits}


def _rate(events: Floats, size: Floats, groups: NDArray[np.int64], seed: int) -> Interval:
    """Events over size; without any event the exact upper bound of Poisson counts, that of as many groups."""
    found = ratio_with_bounds(events, size, groups, seed=seed)
    if found.value is None or found.low is None or found.high is None:
        return found
    least = -np.log(0.025) / float(size.sum()) * (len(events) / len(np.unique(groups)))
    return Interval(value=found.value, low=max(0.0, found.low), high=max(found.high, least))


def _by_truth(films: Sequence[FilmMatches]) -> dict[str, tuple[int, int]]:
    """(hit, all) by the class name of the marks; empty where they have one name."""
    table: dict[str, tuple[int, int]] = {}
    for film in films:
        hit = _hit_by(film)
        for mark in film.marks:
            found, every = table.get(mark.class_name, (0, 0))
            table[mark.class_name] = found + (mark.id in hit), every + 1
    return dict(sorted(table.items(), key=lambda item: -item[1][1])) if len(table) > 1 else {}


def _counts(levels: Levels) -> _Counts:
    """All scores at the highest level, which drew the regions of every threshold above it; one threshold a lower
    level."""
    order = sorted(levels, reverse=True)
    highest = levels[order[0]]
    scores = np.unique([call.score for film in highest for call in film.calls if call.score >= order[0]])[::-1]
    if len(scores) > _MOST_THRESHOLDS:
        scores = scores[np.unique(np.linspace(0, len(scores) - 1, _MOST_THRESHOLDS).astype(int))]
    columns = [([*highest], float(score)) for score in scores]
    columns += [([*levels[level]], level) for level in order[1:]]
    hits = [[len(_hit_by(film, least)) for film in films] for films, least in columns]
    false = [
        [sum(call.false and call.score >= least for call in film.calls) for film in films] for films, least in columns
    ]
    shape = (len(columns), len(highest))
    return _Counts(
        np.array([least for _, least in columns]),
        np.array(hits, np.float64).reshape(shape).T,
        np.array(false, np.float64).reshape(shape).T,
    )


def _curve(counts: _Counts, marks: Floats) -> tuple[FrocPoint, ...]:
    if not marks.sum():
        return ()
    shares, rates = counts.hits.sum(axis=0) / marks.sum(), counts.false.mean(axis=0)
    return tuple(
        FrocPoint(threshold=float(at), hits=float(share), false_per_film=float(rate))
        for at, share, rate in zip(counts.thresholds, shares, rates, strict=True)
    )


def _hits_at(counts: _Counts, marks: Floats, groups: NDArray[np.int64], seed: int) -> tuple[HitsAt, ...]:
    best = _best(counts, marks, np.ones((1, len(marks))))
    draws = None
    if len(np.unique(groups)) > 1:
        parts = [_best(counts, marks, weights) for weights in group_weights(groups, RESAMPLES, seed)]
        draws = np.concatenate(parts)
    with_marks = len(np.unique(groups[marks > 0]))
    found = []
    for column, limit in enumerate(LIMITS):
        bounds = with_bounds(
            float(best[0, column]), None if draws is None else draws[:, column], groups=with_marks,
            perfect_bound=perfect_score_lower_bound(with_marks),
        )  # fmt: skip
        allowed = np.flatnonzero(counts.false.mean(axis=0) <= limit) if len(marks) else np.zeros(0, int)
        at = allowed[int(np.argmax(counts.hits.sum(axis=0)[allowed]))] if len(allowed) else None
        threshold = None if at is None else float(counts.thresholds[at])
        found.append(HitsAt(false_per_film=limit, hits=bounds, threshold=threshold))
    return tuple(found)


def _best(counts: _Counts, marks: Floats, weights: Floats) -> Floats:
    """(B, L) the largest share of marks hit within each limit, under weights (B, F) of the films."""
    total = weights @ marks
    shares = ratio(weights @ counts.hits, total[:, None] * np.ones(counts.hits.shape[1]))
    rates = weights @ counts.false / weights.sum(axis=1, keepdims=True)
    found = np.where(total[:, None] > 0, np.zeros((len(weights), len(LIMITS))), np.nan)
    for column, limit in enumerate(LIMITS):
        within = np.where(rates <= limit, np.nan_to_num(shares), 0.0)
        found[:, column] += within.max(axis=1, initial=0.0)
    return np.asarray(found, np.float64)


def _as_calls(levels: Levels) -> list[FilmCalls]:
    """Of each film the highest score of each mark and of its false calls; below the highest level the level itself."""
    order = sorted(levels, reverse=True)
    found = []
    for number, film in enumerate(levels[order[0]]):
        marks: dict[int, float] = {}
        false: list[float] = []
        for level in order:
            calls = levels[level][number].calls
            for call in calls:
                score = call.score if level == order[0] else level
                marks.update({hit: max(score, marks.get(hit, -np.inf)) for hit in call.hits})
            if not false:
                false = [call.score if level == order[0] else level for call in calls if call.false]
        found.append(FilmCalls(false=tuple(false), marks=tuple(marks.get(mark.id) for mark in film.marks)))
    return found


def _sizing(films: Sequence[FilmMatches]) -> SizingError | Refusal:
    """Of marks that one call alone meets, and that it alone meets."""
    each = [sizing_errors_mm([film]) for film in films]
    names = np.repeat(np.arange(len(each)), [len(pairs) for pairs in each])
    pairs = np.concatenate(each) if each else np.zeros((0, 2))
    return sizing_error(pairs[:, 0], pairs[:, 1], names)
