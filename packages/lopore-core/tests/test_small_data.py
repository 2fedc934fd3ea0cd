"""Small data give statements or refusals: no figure is made of films that cannot carry it, and none is not a number."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from lopore.data.appearance import Appearance
from lopore.data.likeness import fit_likeness
from lopore.metrics.average_precision import average_precision
from lopore.metrics.bootstrap import perfect_score_lower_bound
from lopore.metrics.classification import measure
from lopore.metrics.conformal import fit_abstention
from lopore.metrics.contract import contract_at, recall_contract
from lopore.metrics.free_response import FilmCalls, free_response_areas
from lopore.metrics.indication_figures import class_indications
from lopore.metrics.matching import Call, FilmMatches, TruthMark
from lopore.metrics.pod.hit_miss import hit_miss_study
from lopore.metrics.recognition_grade import GradedMark, RecognitionLevel, RecognitionProfile, recognition_grade
from lopore.metrics.score_calibration import fit_calibration
from lopore.metrics.sizing import sizing_error
from lopore.metrics.statement import Refusal
from lopore.metrics.unlike import unlike_training
from lopore.record.interval import Interval

CLASSES = ("sound", "pore")
NAMED = {"task": "binary", "classes": CLASSES, "positive": "pore"}
small = settings(max_examples=25, deadline=None)


@st.composite
def answers(draw: st.DrawFn, films: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Scores on a coarse grid, so that ties abound; labels of any kind; one to a few films."""
    count = draw(st.integers(1, 9))
    scores = draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=count, max_size=count))
    labels = draw(st.lists(st.integers(0, 1), min_size=count, max_size=count))
    groups = draw(st.lists(st.integers(0, films - 1), min_size=count, max_size=count))
    return np.array(scores), np.array(labels), np.unique(groups, return_inverse=True)[1].reshape(-1)


def intervals_in(found: Any) -> Iterator[Interval]:
    """Every interval, however deep."""
    if isinstance(found, Interval):
        yield found
    elif isinstance(found, BaseModel):
        for name in type(found).model_fields:
            yield from intervals_in(getattr(found, name))
    elif isinstance(found, dict):
        for one in found.values():
            yield from intervals_in(one)
    elif isinstance(found, list | tuple):
        for one in found:
            yield from intervals_in(one)


def check(found: Any) -> None:
    """Values lie in their bounds, and nothing is infinite or not a number."""
    for one in intervals_in(found):
        if one.value is None:
            assert one.low is None
            assert one.high is None
            continue
        assert math.isfinite(one.value)
        assert (one.low is None) == (one.high is None)
        if one.low is not None and one.high is not None:
            assert math.isfinite(one.low)
            assert math.isfinite(one.high)
            assert one.low - 1e-9 <= one.value <= one.high + 1e-9


@given(answers())
@small
def test_scores_of_few_films_are_stated_within_their_bounds_or_not_at_all(
    data: tuple[np.ndarray, np.ndarray, np.ndarray],  # type: ignore[type-arg]
) -> None:
    scores, labels, groups = data
    found = measure(np.column_stack([1 - scores, scores]), labels, groups=groups, resamples=50, **NAMED)  # type: ignore[arg-type]
    check(found)
    if len(set(labels)) == 1:
        assert found.overall["roc_auc"].value is None
    for one in (found.overall["recall"], found.overall["roc_auc"]):
        if len(np.unique(groups[labels == 1])) < 2 and one.value is not None:
            assert one.low is None  # films with the class are too few to show any spread
    if found.overall["recall"].value == 1 and found.overall["recall"].low is not None:
        films = len(np.unique(groups[labels == 1]))
        assert found.overall["recall"].low <= perfect_score_lower_bound(films) + 1e-9
    assert not found.calibration.per_class["pore"].enough


def test_three_films_with_a_perfect_score_prove_little() -> None:
    scores, labels = np.array([0.9, 0.8, 0.95, 0.1, 0.2, 0.05]), np.array([1, 1, 1, 0, 0, 0])
    found = measure(np.column_stack([1 - scores, scores]), labels, groups=np.arange(6), **NAMED)  # type: ignore[arg-type]
    assert found.overall["recall"].value == 1
    assert found.overall["recall"].low <= 0.025 ** (1 / 3) + 1e-9  # type: ignore[operator]
    assert found.overall["roc_auc"].value == 1
    assert found.overall["roc_auc"].low < 0.6  # type: ignore[operator]


def test_scores_that_are_all_equal_rank_nothing() -> None:
    scores, labels = np.full(8, 0.5), np.array([1, 0] * 4)
    found = measure(np.column_stack([1 - scores, scores]), labels, groups=np.arange(8), **NAMED)  # type: ignore[arg-type]
    assert found.overall["roc_auc"].value == 0.5


@given(answers())
@small
def test_contract_abstention_and_calibration_name_what_is_missing(
    data: tuple[np.ndarray, np.ndarray, np.ndarray],  # type: ignore[type-arg]
) -> None:
    scores, labels, groups = data
    contract = recall_contract(scores, labels, groups, recall=0.95, confidence=0.95)
    assert isinstance(contract, Refusal)
    films = len(np.unique(groups[labels == 1]))
    assert f"It needs at least 59 films with the class, without a miss; there are {films}." in contract.missing
    proven = contract_at(0.5, scores, labels, groups, recall=0.95, confidence=0.95)
    check(proven)
    assert not proven.holds
    both, truth = np.column_stack([1 - scores, scores]), np.column_stack([labels == 0, labels == 1])
    named = {"classes": CLASSES, "coverage": 0.95, "fitted_on": "few films"}
    assert isinstance(fit_abstention(both, truth, groups, **named), Refusal)  # type: ignore[arg-type]
    told = fit_calibration(both, truth, groups, task="binary", fitted_on="few films")
    assert isinstance(told, str)
    assert "too few validation films" in told


@given(st.lists(st.tuples(st.sampled_from([0.5, 1.0, 2.0]), st.integers(0, 1), st.integers(0, 2)), max_size=25))
@small
def test_a_few_flaws_state_no_size(flaws: list[tuple[float, int, int]]) -> None:
    sizes, hits, films = (np.array(column) for column in zip(*flaws, strict=True)) if flaws else (np.zeros(0),) * 3
    for given_films in (films, None):
        study = hit_miss_study(sizes, hits, given_films)
        assert study.refusals
        assert (study.a90, study.a90_95, study.curve) == (None, None, ())
        assert all(refusal.missing for refusal in study.refusals)


calls = st.tuples(st.sampled_from([0.55, 0.75, 0.95]), st.lists(st.integers(1, 2), max_size=2, unique=True))
films = st.lists(st.tuples(st.lists(calls, max_size=3), st.integers(0, 2)), min_size=1, max_size=3)


@given(films)
@small
def test_indications_of_few_films_are_stated_within_their_bounds(
    drawn: list[tuple[list[tuple[float, list[int]]], int]],
) -> None:
    matches = []
    for number, (made, marks) in enumerate(drawn):
        hit = [(score, tuple(mark for mark in met if mark <= marks)) for score, met in made]
        own = tuple(Call(score, met, not met, "pore") for score, met in hit)
        matches.append(FilmMatches(str(number), own, tuple(TruthMark(mark) for mark in range(1, marks + 1))))
    found = class_indications(matches, {0.5: matches}, np.arange(len(matches)))
    check(found)
    assert (found.hits.value is None) == (found.marks == 0)
    if sum(bool(film.marks) for film in matches) < 2:
        assert found.hits.low is None
    assert found.false_per_100_mm.value is None  # no pitch
    assert isinstance(found.sizing, Refusal)


def test_nothing_at_all_is_told_as_nothing() -> None:
    nothing = average_precision([])
    assert (nothing.ap.value, nothing.ap50.value) == (None, None)
    areas = free_response_areas([FilmCalls()])
    assert (areas.afroc.value, areas.wafroc.value) == (None, None)
    assert isinstance(sizing_error([], []), Refusal)
    empty = unlike_training([], np.zeros(0, np.int64), None)
    assert empty.rate.value is None
    assert "0 of 0 films" in empty.text


@given(st.integers(0, 3), st.integers(0, 3))
@small
def test_a_grade_of_few_films_is_supported_by_none(marks: int, sound: int) -> None:
    levels = (RecognitionLevel(name="only", tdr=0.85, wdr=0.92, kdr=0.95, frr=0.1),)
    profile = RecognitionProfile(title="T", source="S", iou=0.1, key_classes=("crack",), levels=levels)
    perfect = [GradedMark(f"F{number}", "crack", True, True) for number in range(marks)]
    grade = recognition_grade(perfect, sound, 0, profile)
    check(grade)
    assert grade.supported == ""
    assert (grade.observed == "only") == (marks > 0 and sound > 0)
    assert bool(grade.missing) == (marks == 0 or sound == 0)


@pytest.mark.parametrize("films", [1, 2, 3])
def test_few_training_films_give_bounds_and_no_rate(films: int) -> None:
    same = [Appearance(0.5, 0.2, 0.4, 0.7, 20.0)] * films
    grey, likeness = fit_likeness(same)
    assert likeness.false_alarms is None
    assert "not known" in likeness.rate_text
    assert all(math.isfinite(value) for value in grey.values())
    assert math.isfinite(likeness.distance_high)
