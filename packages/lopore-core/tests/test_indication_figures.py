"""Figures of indications: hits, false calls, free response and intervals, against counts by hand and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from lopore.metrics.indication_figures import class_indications
from lopore.metrics.matching import Call, FilmMatches, TruthMark
from lopore.metrics.statement import Refusal


def film(name: str, hits: dict[float, tuple[int, ...]], false: tuple[float, ...], marks: int) -> FilmMatches:
    calls = [Call(score, numbers, False, "pore", length_mm=1.0) for score, numbers in hits.items()]
    calls += [Call(score, (), True, "pore") for score in false]
    truth = tuple(TruthMark(number, "pore", length_mm=0.9) for number in range(1, marks + 1))
    return FilmMatches(name, tuple(calls), truth, known_mm=200.0)


HIGH = [
    film("a", {0.9: (1,), 0.7: (2,)}, (0.8,), 3),
    film("b", {0.6: (1,)}, (0.95, 0.55), 1),
    film("c", {}, (), 0),
    film("d", {}, (0.52,), 0),
]
LOW = [film("a", {0.9: (1,), 0.7: (2,), 0.2: (3,)}, (0.8, 0.3), 3), *HIGH[1:3], film("d", {}, (0.52, 0.4), 0)]
GROUPS = np.arange(4)


def test_the_operating_point_is_counted_by_hand() -> None:
    found = class_indications(HIGH, {0.5: HIGH, 0.1: LOW}, GROUPS)
    assert (found.films, found.films_without, found.marks, found.hit, found.false_calls) == (4, 2, 4, 3, 4)
    assert found.hits.value == pytest.approx(3 / 4)
    assert found.false_per_film.value == pytest.approx(1.0)
    assert found.false_per_100_mm.value == pytest.approx(4 / 8.0)  # 4 films of 200 mm
    assert found.hits.low is not None
    assert found.hits.low <= 0.025**0.5  # no surer than two films with marks
    assert isinstance(found.sizing, Refusal)


def test_free_response_points_are_counted_from_the_highest_score() -> None:
    found = class_indications(HIGH, {0.5: HIGH, 0.1: LOW}, GROUPS)
    points = [(point.threshold, point.hits, point.false_per_film) for point in found.curve]
    assert points[:4] == [(0.95, 0.0, 0.25), (0.9, 0.25, 0.25), (0.8, 0.25, 0.5), (0.7, 0.5, 0.5)]
    assert points[-1] == (0.1, 1.0, 1.5)  # the regions of the lower level
    at = {one.false_per_film: (one.hits.value, one.threshold) for one in found.hits_at}
    assert at[0.5] == at[1.0] == (0.75, 0.6)
    assert at[2.0] == (1.0, 0.1)
    # Sound films' highest false calls: none and 0.52; marks: 0.9, 0.7, 0.1 and 0.6. Wins: 1, 1, 0.5 and 1.
    assert found.afroc.value == pytest.approx(3.5 / 4)
    assert found.wafroc.value == pytest.approx(((1 + 1 + 0.5) / 3 + 1) / 2)


def test_small_data_is_told_without_bounds_that_mean_nothing() -> None:
    one = class_indications(HIGH[:1], {0.5: HIGH[:1]}, np.zeros(1, np.int64))
    assert one.hits.value == pytest.approx(2 / 3)
    assert one.hits.low is None
    assert one.false_per_film.low is None
    nothing = class_indications(HIGH[2:3], {0.5: HIGH[2:3]}, np.zeros(1, np.int64))
    assert nothing.hits.value is None
    assert all(point.hits.value is None for point in nothing.hits_at)
    assert nothing.curve == ()
    perfect = [film(str(k), {0.9: (1,)}, (), 1) for k in range(3)]
    found = class_indications(perfect, {0.5: perfect}, np.arange(3))
    assert (found.hits.value, found.hits.high) == (1.0, 1.0)
    assert found.hits.low == pytest.approx(0.025 ** (1 / 3))
    assert found.false_per_film.high == pytest.approx(-np.log(0.025) / 3)  # no call on three films


def test_bounds_hold_the_truth_on_films_that_differ() -> None:
    rng = np.random.default_rng(0)
    held_hits, held_false = 0, 0
    for _ in range(40):
        films = []
        for number in range(20):
            ease = rng.normal(0.8, 1.0)  # films are unlike each other
            found = rng.random(6) < 1 / (1 + np.exp(-ease))
            calls = tuple(0.6 for _ in range(rng.poisson(2 * np.exp(rng.normal(0, 0.5) - 0.125))))
            films.append(film(str(number), {0.9 - k / 100: (k + 1,) for k in range(6) if found[k]}, calls, 6))
        got = class_indications(films, {0.5: films}, np.arange(20))
        truth = float(np.mean(1 / (1 + np.exp(-np.random.default_rng(1).normal(0.8, 1.0, 100_000)))))
        held_hits += got.hits.low <= truth <= got.hits.high
        held_false += got.false_per_film.low <= 2.0 <= got.false_per_film.high
    assert held_hits >= 35
    assert held_false >= 35
