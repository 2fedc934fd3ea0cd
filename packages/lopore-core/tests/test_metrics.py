"""Scores and their bounds."""

from __future__ import annotations

import json
import warnings
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from lopore.config.experiment import ThresholdRule
from lopore.errors import ConfigError
from lopore.metrics.classification import Metrics, measure
from lopore.metrics.operating_point import HIGHEST, LOWEST, check_rule, choose_threshold, operating_point
from lopore.metrics.ranking import auc_within, perfect_area_lower_bounds, pr_auc, roc_auc
from lopore.metrics.selection import validation_score
from lopore.record.model import Threshold

SCORES = st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(1, 4)), min_size=2, max_size=60)


def _columns(rows: list[tuple[int, bool, int]]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    scores, labels, weights = (np.array(column) for column in zip(*rows, strict=True))
    return scores / 20, labels.astype(int), weights.astype(float)


@given(SCORES)
def test_roc_auc_is_that_of_scikit_learn_ties_and_weights_included(rows: list[tuple[int, bool, int]]) -> None:
    scores, labels, weights = _columns(rows)
    assume(0 < labels.sum() < len(labels))
    assert roc_auc(scores, labels, weights) == pytest.approx(sk.roc_auc_score(labels, scores, sample_weight=weights))


def test_the_auc_within_parts_takes_no_pair_across_them() -> None:
    scores, labels = [0.1, 0.2, 0.8, 0.9], [0, 1, 0, 1]  # each model ranks its own two films right
    assert roc_auc(scores, labels) == 0.75
    assert auc_within(scores, labels, ["a", "a", "b", "b"]) == 1.0
    assert auc_within(scores, labels, ["a"] * 4) == 0.75
    assert auc_within(scores, labels, ["a", "b", "c", "d"]) is None


@given(SCORES)
def test_pr_auc_is_that_of_scikit_learn_ties_and_weights_included(rows: list[tuple[int, bool, int]]) -> None:
    scores, labels, weights = _columns(rows)
    assume(labels.any())
    assert pr_auc(scores, labels, weights) == pytest.approx(
        sk.average_precision_score(labels, scores, sample_weight=weights)
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 5), st.integers(5, 60), st.integers(0, 1000))
def test_multiclass_scores_are_those_of_scikit_learn(classes: int, images: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = np.r_[np.arange(classes), rng.integers(0, classes, images)]
    scores = rng.dirichlet(np.ones(classes), len(targets))
    names = [f"class {index}" for index in range(classes)]
    got = measure(scores, targets, task="multiclass", classes=names, resamples=0)
    answers = scores.argmax(axis=1)
    assert got.confusion == sk.confusion_matrix(targets, answers, labels=range(classes)).tolist()
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        targets, answers, labels=range(classes), zero_division=np.nan
    )
    for index, name in enumerate(names):
        one = got.per_class[name]
        assert one.support == support[index]
        assert one.recall.value == pytest.approx(recall[index])
        assert one.precision.value == (None if np.isnan(precision[index]) else pytest.approx(precision[index]))
        assert one.f1.value == pytest.approx(f1[index])
    assert got.overall["accuracy"].value == pytest.approx(sk.accuracy_score(targets, answers))
    assert got.overall["balanced_accuracy"].value == pytest.approx(sk.balanced_accuracy_score(targets, answers))
    aucs = [sk.roc_auc_score(targets == index, scores[:, index]) for index in range(classes)]
    assert got.overall["roc_auc"].value == pytest.approx(np.mean(aucs))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.floats(0.2, 0.8))
def test_multilabel_scores_are_those_of_scikit_learn(seed: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    targets = (rng.random((40, 3)) < 0.4).astype(np.float32)
    targets[0], targets[1] = 0, 1
    scores = rng.random((40, 3))
    point = Threshold(value=0.5, rule="test", chosen_on="", per_class={"b": limit})
    got = measure(scores, targets, task="multilabel", classes=["a", "b", "c"], threshold=point, resamples=0)
    answers = scores >= np.array([0.5, limit, 0.5])
    for index, matrix in enumerate(sk.multilabel_confusion_matrix(targets, answers)):
        one = got.per_class["abc"[index]]
        assert [[one.tn, one.fp], [one.fn, one.tp]] == matrix.tolist()
    assert got.confusion is None
    assert got.overall["accuracy"].value == pytest.approx(sk.accuracy_score(targets, answers))
    assert got.overall["f1"].value == pytest.approx(sk.f1_score(targets, answers, average="macro"))
    assert got.overall["pr_auc"].value == pytest.approx(sk.average_precision_score(targets, scores, average="macro"))


def _binary(images: int = 120, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, images)
    positive = np.clip(rng.normal(0.4 + 0.2 * targets, 0.2), 0, 1)
    return np.stack([1 - positive, positive], axis=1), targets


def test_binary_overall_scores_are_those_of_the_positive_class_wherever_it_stands() -> None:
    scores, targets = _binary()
    last = measure(scores, targets, task="binary", classes=["ok", "pore"], positive="pore", resamples=0)
    first = measure(scores[:, ::-1], 1 - targets, task="binary", classes=["pore", "ok"], positive="pore", resamples=0)
    assert last.overall == first.overall
    assert last.overall["recall"] == last.per_class["pore"].recall
    assert last.overall["recall"].value == pytest.approx(sk.recall_score(targets, scores[:, 1] >= 0.5))


def test_what_is_not_defined_is_none_and_never_zero() -> None:
    scores, targets = _binary()
    one_sided = measure(scores, np.zeros_like(targets), task="binary", classes=["ok", "pore"], positive="pore")
    pore = one_sided.per_class["pore"]
    assert pore.recall.value is pore.roc_auc.value is pore.pr_auc.value is None
    assert one_sided.overall["balanced_accuracy"].value is None
    empty = measure(np.zeros((0, 2)), np.zeros(0, int), task="binary", classes=["ok", "pore"], positive="pore")
    assert {interval.value for interval in empty.flat().values()} == {None}
    assert "NaN" not in one_sided.model_dump_json() + empty.model_dump_json()
    json.loads(one_sided.model_dump_json())


def test_no_warning_is_raised_for_degenerate_sets() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure(np.full((3, 3), 1 / 3), np.array([0, 0, 0]), task="multiclass", classes=["a", "b", "c"], resamples=50)


def test_the_interval_of_copied_films_does_not_shrink_as_that_of_free_images_would() -> None:
    scores, targets = _binary(60)
    copies = 9
    many, truth = np.repeat(scores, copies, axis=0), np.repeat(targets, copies)
    films = np.repeat(np.arange(60), copies)
    alone = measure(scores, targets, task="binary", classes=["ok", "pore"], positive="pore")
    grouped = measure(many, truth, task="binary", classes=["ok", "pore"], positive="pore", groups=films)
    naive = measure(many, truth, task="binary", classes=["ok", "pore"], positive="pore")

    def width(found: Metrics) -> float:
        interval = found.overall["roc_auc"]
        assert interval.low is not None
        assert interval.high is not None
        assert interval.value is not None
        assert interval.low <= interval.value <= interval.high
        return interval.high - interval.low

    assert width(grouped) == pytest.approx(width(alone), rel=0.02)
    assert width(naive) < 0.5 * width(grouped)
    assert (grouped.images, grouped.groups) == (540, 60)


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(60):
        scores, targets = _binary(80, seed)
        found = measure(scores, targets, task="binary", classes=["ok", "pore"], positive="pore", resamples=300)
        interval = found.overall["roc_auc"]
        assert interval.low is not None
        assert interval.high is not None
        covered += interval.low <= 0.7602 <= interval.high  # Phi(0.2 / (0.2 sqrt 2))
    assert covered >= 51


@pytest.mark.parametrize("films", [10, 20, 60])
def test_intervals_of_few_films_hold_the_truth_about_as_often_as_they_say(films: int) -> None:
    """Three images a film that lie near each other; the truths are those of normal scores 1.5 apart."""
    truth = {"roc_auc": 0.8075, "recall": 0.7306, "accuracy": 0.7306}
    held, sets = dict.fromkeys(truth, 0), 80
    for seed in range(sets):
        rng = np.random.default_rng([films, seed])
        carries = np.arange(films) % 2
        film = np.repeat(np.arange(films), 3)
        z = 1.5 * (carries[film] - 0.5) + 0.7 * rng.normal(size=films)[film] + rng.normal(size=len(film))
        score = 1 / (1 + np.exp(-z))
        found = measure(
            np.column_stack([1 - score, score]), carries[film], task="binary", classes=["ok", "pore"],
            positive="pore", groups=film, resamples=150, seed=seed,
        ).overall  # fmt: skip
        for name, value in truth.items():
            low, high = found[name].low, found[name].high
            assert low is not None and high is not None
            held[name] += low <= value <= high
            assert films < 60 or high - low < 0.4
    assert min(held.values()) >= 0.87 * sets
    assert held["roc_auc"] < sets  # an interval that always holds it says nothing


def test_one_group_gives_no_interval() -> None:
    scores, targets = _binary(20)
    found = measure(scores, targets, task="binary", classes=["ok", "pore"], positive="pore", groups=["film"] * 20)
    assert found.overall["roc_auc"].value is not None
    assert found.overall["roc_auc"].low is None


def test_the_same_seed_gives_the_same_bounds() -> None:
    scores, targets = _binary()
    options: dict[str, Any] = {"task": "binary", "classes": ["ok", "pore"], "positive": "pore", "resamples": 200}
    assert measure(scores, targets, seed=1, **options) == measure(scores, targets, seed=1, **options)
    assert measure(scores, targets, seed=1, **options) != measure(scores, targets, seed=2, **options)


@given(SCORES)
def test_the_f1_threshold_reaches_the_best_f1_there_is(rows: list[tuple[int, bool, int]]) -> None:
    scores, labels, _ = _columns(rows)
    assume(0 < labels.sum() < len(labels))
    value = choose_threshold(scores, labels, ThresholdRule(rule="f1"))
    best = max(sk.f1_score(labels, scores >= limit) for limit in np.unique(scores))
    assert value is not None
    assert sk.f1_score(labels, scores >= value) == pytest.approx(best)


@given(SCORES, st.floats(0.05, 1))
def test_the_recall_threshold_keeps_the_recall_and_no_higher_one_does(
    rows: list[tuple[int, bool, int]], asked: float
) -> None:
    scores, labels, _ = _columns(rows)
    assume(labels.any())
    value = choose_threshold(scores, labels, ThresholdRule(rule="recall", recall=asked))
    assert value is not None
    assert sk.recall_score(labels, scores >= value) >= asked - 1e-12
    higher = [limit for limit in np.unique(scores) if limit > scores[scores >= value].min()]
    assert all(sk.recall_score(labels, scores >= limit) < asked for limit in higher)


def test_a_threshold_stands_midway_between_scores() -> None:
    rule = ThresholdRule(rule="f1")
    assert choose_threshold([0.1, 0.3, 0.7, 0.9], [0, 0, 1, 1], rule) == pytest.approx(0.5)
    assert choose_threshold([0.1, 0.2], [0, 0], rule) is None
    assert choose_threshold([0.4, 0.6], [1, 1], rule) is None  # else 0.2, and every sound film would be called
    assert choose_threshold([0.4, 0.6], [1, 1], ThresholdRule(rule="recall", recall=0.5)) == pytest.approx(0.5)
    assert choose_threshold([0.1, 0.2], [0, 1], ThresholdRule(rule="fixed", value=0.25)) == 0.25


@pytest.mark.parametrize("scores", [[0.0, 0.0, 1e-38, 1e-35], [0.2, 0.5, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]])
@pytest.mark.parametrize("rule", [ThresholdRule(rule="f1"), ThresholdRule(rule="recall", recall=0.5)])
def test_a_threshold_lies_where_every_runtime_tells_it_from_0_and_1(scores: list[float], rule: ThresholdRule) -> None:
    value = choose_threshold(scores, [0, 0, 1, 1], rule)
    assert value == 0 or LOWEST <= np.float32(value) < 1
    assert np.float32(LOWEST) > 0 and np.float32(HIGHEST) < 1


def test_the_operating_point_says_how_and_where_it_was_chosen() -> None:
    scores, targets = _binary()
    options: dict[str, Any] = {"classes": ["ok", "pore"], "positive": "pore", "chosen_on": "validation (120 images)"}
    point = operating_point(scores, targets, task="binary", rule=ThresholdRule(rule="recall", recall=0.9), **options)
    assert point.rule == "recall >= 0.9 on these films, no bound"
    assert point.chosen_on == "validation (120 images)"
    several = np.stack([targets, np.zeros_like(targets)], axis=1)
    point = operating_point(scores, several, task="multilabel", rule=ThresholdRule(rule="f1"), **options)
    assert point.per_class["pore"] == 0.5
    assert "pore" in point.chosen_on
    assert point.per_class["ok"] != 0.5
    point = operating_point(scores, targets, task="multiclass", rule=ThresholdRule(rule="f1"), **options)
    assert (point.value, point.rule) == (0.0, "largest score")


def test_a_recall_rule_for_multiclass_is_refused_in_one_line() -> None:
    with pytest.raises(ConfigError, match="use f1 or fixed"):
        check_rule(ThresholdRule(rule="recall"), "multiclass")


def test_the_validation_score_is_auc_or_the_best_f1() -> None:
    scores, targets = _binary()
    options: dict[str, Any] = {"task": "binary", "classes": ["ok", "pore"], "positive": "pore"}
    assert validation_score(scores, targets, by="auc", **options) == pytest.approx(
        sk.roc_auc_score(targets, scores[:, 1])
    )
    best = max(sk.f1_score(targets, scores[:, 1] >= limit) for limit in scores[:, 1])
    assert validation_score(scores, targets, by="f1", **options) == pytest.approx(best)
    assert validation_score(scores, np.zeros_like(targets), by="auc", **options) is None


def _perfect(films: int, copies: int = 1, **options: Any) -> Metrics:
    targets = np.tile([0, 1], films // 2)
    scores = np.stack([1 - targets, targets], axis=1).astype(float)
    groups = np.repeat(np.arange(films), copies)
    return measure(
        np.repeat(scores, copies, axis=0),
        np.repeat(targets, copies),
        task="binary",
        classes=["ok", "pore"],
        positive="pore",
        groups=groups,
        resamples=300,
        **options,
    )


@pytest.mark.parametrize("copies", [1, 6])
def test_a_set_without_a_mistake_proves_no_score_of_exactly_1(copies: int) -> None:
    found = _perfect(40, copies)
    twenty = 0.025 ** (1 / 20)  # Clopper and Pearson, 20 of 20
    for name in ("recall", "precision", "f1"):
        assert found.overall[name].value == found.overall[name].high == 1
        assert found.overall[name].low == pytest.approx(twenty)
    assert found.overall["accuracy"].low == pytest.approx(0.025 ** (1 / 40))
    assert found.overall["balanced_accuracy"].low == pytest.approx(1 - (1 - twenty) / 2)
    for name in ("roc_auc", "pr_auc"):
        low = found.overall[name].low
        assert found.overall[name].value == 1
        assert low is not None
        assert 0.94 < low < 0.98


@pytest.mark.parametrize(("films", "others"), [(5, 5), (20, 20), (10, 60)])
def test_the_bound_of_a_perfect_ranking_is_the_area_at_which_one_set_in_forty_is_perfect(
    films: int, others: int
) -> None:
    roc, pr = perfect_area_lower_bounds(films, others)
    rng = np.random.default_rng(0)
    apart = np.sqrt(2) * NormalDist().inv_cdf(roc)
    least, most = rng.normal(apart, 1, (20_000, films)).min(1), rng.normal(0, 1, (20_000, others)).max(1)
    assert np.mean(least > most) == pytest.approx(0.025, abs=0.004)
    many = 200_000
    share = films / (films + others)
    labels = rng.random(many) < share
    scores = rng.normal(apart * labels, 1)
    assert roc_auc(scores, labels) == pytest.approx(roc, abs=0.004)
    assert pr_auc(scores, labels) == pytest.approx(pr, abs=0.006)


def test_one_mistake_more_never_raises_a_lower_bound() -> None:
    films = 24
    lows: dict[str, list[float]] = {"recall": [], "accuracy": [], "f1": [], "roc_auc": []}
    for missed in range(6):
        targets = np.tile([0, 1], films)
        scores = 0.2 + 0.6 * targets + np.arange(len(targets)) / 1000
        scores[np.flatnonzero(targets)[:missed]] = 0.1
        found = measure(
            np.stack([1 - scores, scores], 1), targets, task="binary", classes=["ok", "pore"], positive="pore"
        )
        for name, values in lows.items():
            values.append(found.overall[name].low or 0.0)
    for values in lows.values():
        assert values == sorted(values, reverse=True)


def test_a_set_without_a_hit_proves_no_score_of_exactly_0() -> None:
    targets = np.tile([0, 1], 10)
    scores = np.stack([targets, 1 - targets], axis=1).astype(float)
    found = measure(scores, targets, task="binary", classes=["ok", "pore"], positive="pore", resamples=300)
    assert (found.overall["recall"].value, found.overall["recall"].low) == (0, 0)
    assert found.overall["recall"].high == pytest.approx(1 - 0.025 ** (1 / 10))
    assert found.overall["roc_auc"].value == 0
    assert found.overall["roc_auc"].high == pytest.approx(1 - perfect_area_lower_bounds(10, 10)[0])


def test_more_films_without_a_mistake_prove_more() -> None:
    few, many = _perfect(20).overall["recall"].low, _perfect(200).overall["recall"].low
    assert few is not None
    assert many is not None
    assert few < many < 1


def test_a_class_that_stands_on_one_film_alone_gets_no_interval() -> None:
    targets = np.r_[np.zeros(20, int), np.ones(8, int)]
    scores = np.where(np.arange(28) % 4 == 0, 0.3, 0.7)
    scores = np.where(targets == 1, scores, 0.2 + 0.4 * (np.arange(28) % 3 == 0))
    groups = np.r_[np.arange(20), np.full(8, 99)]
    found = measure(
        np.stack([1 - scores, scores], 1),
        targets,
        task="binary",
        classes=["ok", "pore"],
        positive="pore",
        groups=groups,
    )
    pore = found.per_class["pore"]
    assert pore.recall.value == 0.75
    assert pore.recall.low is pore.roc_auc.low is pore.pr_auc.low is None
    assert found.overall["balanced_accuracy"].low is None
    assert found.per_class["ok"].recall.low is not None
    assert found.overall["accuracy"].low is not None


def test_a_model_that_calls_every_film_alike_is_not_sure_of_its_mean_over_the_classes() -> None:
    """Every resample has recall 1 of one class and 0 of the others, and their mean never moves."""
    truth = np.arange(18) % 3
    three = measure(np.tile([0.2, 0.5, 0.3], (18, 1)), truth, task="multiclass", classes=("a", "b", "c")).overall
    two = measure(np.tile([0.2, 0.8], (18, 1)), truth % 2, task="binary", classes=("a", "b"), positive="b").overall
    lower, upper = 1 - 0.025 ** (1 / 6), 0.025 ** (1 / 6)
    for recall in (three["recall"], three["balanced_accuracy"]):
        assert recall.value == pytest.approx(1 / 3)
        assert recall.low == pytest.approx(1 / 3 - (1 - upper) / 3)
        assert recall.high == pytest.approx(1 / 3 + lower / 3)
    balanced = two["balanced_accuracy"]
    assert balanced.value == pytest.approx(0.5)
    assert balanced.low is not None and balanced.low < 0.4
    assert balanced.high is not None and balanced.high > 0.6
