"""Scores and their bounds."""

from __future__ import annotations

import json
import time
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from lopore.config import ThresholdRule
from lopore.errors import ConfigError
from lopore.metrics import (
    Metrics,
    check_rule,
    choose_threshold,
    measure,
    operating_point,
    pr_auc,
    roc_auc,
    validation_score,
)
from lopore.model import Threshold

SCORES = st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(1, 4)), min_size=2, max_size=60)


def _columns(rows: list[tuple[int, bool, int]]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    scores, labels, weights = (np.array(column) for column in zip(*rows, strict=True))
    return scores / 20, labels.astype(int), weights.astype(float)


@given(SCORES)
def test_roc_auc_is_that_of_scikit_learn_ties_and_weights_included(rows: list[tuple[int, bool, int]]) -> None:
    scores, labels, weights = _columns(rows)
    assume(0 < labels.sum() < len(labels))
    assert roc_auc(scores, labels, weights) == pytest.approx(sk.roc_auc_score(labels, scores, sample_weight=weights))


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


def test_one_group_gives_no_interval() -> None:
    scores, targets = _binary(20)
    found = measure(scores, targets, task="binary", classes=["ok", "pore"], positive="pore", groups=["film"] * 20)
    assert found.overall["roc_auc"].value is not None
    assert found.overall["roc_auc"].low is None


def test_2000_resamples_of_265_images_take_under_two_seconds() -> None:
    scores, targets = _binary(265)
    began = time.process_time()
    measure(scores, targets, task="binary", classes=["lop", "pore"], positive="pore", groups=np.arange(265) // 4)
    assert time.process_time() - began < 2


def test_the_same_seed_gives_the_same_bounds() -> None:
    scores, targets = _binary()
    options: dict[str, Any] = {"task": "binary", "classes": ["ok", "pore"], "positive": "pore", "resamples": 200}
    assert measure(scores, targets, seed=1, **options) == measure(scores, targets, seed=1, **options)
    assert measure(scores, targets, seed=1, **options) != measure(scores, targets, seed=2, **options)


@given(SCORES)
def test_the_f1_threshold_reaches_the_best_f1_there_is(rows: list[tuple[int, bool, int]]) -> None:
    scores, labels, _ = _columns(rows)
    assume(labels.any())
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
    assert choose_threshold([0.1, 0.2], [0, 1], ThresholdRule(rule="fixed", value=0.25)) == 0.25


def test_the_operating_point_says_how_and_where_it_was_chosen() -> None:
    scores, targets = _binary()
    options: dict[str, Any] = {"classes": ["ok", "pore"], "positive": "pore", "chosen_on": "validation (120 images)"}
    point = operating_point(scores, targets, task="binary", rule=ThresholdRule(rule="recall", recall=0.9), **options)
    assert point.rule == "recall >= 0.9"
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
