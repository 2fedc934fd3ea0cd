"""Calibration: scores as frequencies, with figures and intervals that hold what they say."""

from __future__ import annotations

import re
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as sk

from lopore.metrics.bootstrap import group_weights
from lopore.metrics.calibration import ClassCalibration, Reliability, equal_count_bins
from lopore.metrics.classification import Metrics, measure

SCORES = st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=80)


def told(scores: NDArray[Any], truth: NDArray[Any], ids: NDArray[Any] | None = None, seed: int = 0) -> ClassCalibration:
    ids = np.arange(len(scores)) if ids is None else ids
    one = Reliability(np.asarray(scores, np.float64), np.asarray(truth, bool), ids)
    drawn = np.concatenate([one.sums(weights) for weights in group_weights(ids, 400, seed)])
    return one.summary(drawn)


def made(films: int, seed: int, *, too_sure: float = 0.0, copies: int = 1) -> tuple[Any, Any, Any]:
    """Scores, truths and films; a score s is right with the chance s drawn towards 0.5 by ``too_sure``."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.6, 0.6, films)
    truth = rng.random(films) < 0.5 + (1 - too_sure) * (scores - 0.5)
    return np.repeat(scores, copies), np.repeat(truth, copies), np.repeat(np.arange(films), copies)


@given(SCORES)
def test_the_brier_score_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    scores, truth = np.array([score / 30 for score, _ in rows]), np.array([there for _, there in rows])
    found = told(scores, truth)
    assert found.brier.value == pytest.approx(sk.brier_score_loss(truth, scores, pos_label=True))
    assert found.brier_of_share == pytest.approx(np.mean((truth - truth.mean()) ** 2))


@given(SCORES, st.integers(1, 10), st.randoms())
def test_bins_part_no_equal_scores_and_hang_on_no_order(rows: list[tuple[int, bool]], count: int, chance: Any) -> None:
    scores = np.array([score / 30 for score, _ in rows])
    bins = equal_count_bins(scores, count)
    assert sorted(set(bins.tolist())) == list(range(bins.max() + 1))
    assert bins.max() < count
    assert all(len(set(bins[scores == value].tolist())) == 1 for value in scores)
    assert (np.diff(bins[np.argsort(scores, kind="stable")]) >= 0).all()
    order = list(range(len(scores)))
    chance.shuffle(order)
    assert (equal_count_bins(scores[order], count) == bins[order]).all()


def test_scores_without_ties_fill_bins_of_equal_count() -> None:
    counts = np.bincount(equal_count_bins(np.random.default_rng(0).random(105), 10))
    assert counts.min() >= 10
    assert counts.max() <= 11


def test_the_error_is_that_of_a_hand_count() -> None:
    scores = np.r_[np.full(10, 0.2), np.full(10, 0.9)]
    truth = np.r_[np.ones(4), np.zeros(6), np.ones(6), np.zeros(4)]
    found = told(scores, truth)
    assert found.ece.value == pytest.approx(0.5 * 0.2 + 0.5 * 0.3)
    assert [(one.images, one.score, one.share.value) for one in found.bins] == [
        (10, pytest.approx(0.2), 0.4),
        (10, pytest.approx(0.9), 0.6),
    ]


def test_equal_scores_for_all_make_one_bin_and_no_error_of_their_own() -> None:
    found = told(np.full(40, 0.25), np.arange(40) < 10)
    assert len(found.bins) == 1
    assert found.ece.value == pytest.approx(0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_the_interval_holds_the_measured_error_and_stays_in_0_to_1(seed: int, too_sure: float) -> None:
    found = told(*made(60, seed, too_sure=too_sure))
    for figure in (found.ece, found.brier, *(one.share for one in found.bins)):
        assert figure.low is not None
        assert figure.high is not None
        assert figure.value is not None
        assert -1e-12 <= figure.low <= figure.value + 1e-12
        assert figure.value - 1e-12 <= figure.high <= 1 + 1e-12


def test_calibrated_scores_are_not_said_to_be_off_though_chance_parts_them() -> None:
    """Plain percentiles of the resampled error hold the 0 of a calibrated model in not one of these sets."""
    found = [told(*made(100, seed), seed=seed) for seed in range(60)]
    assert sum(one.ece.low == 0 for one in found) >= 52
    assert np.mean([one.ece.value or 0 for one in found]) > 0.06
    by_chance = np.mean([one.ece_by_chance or 0 for one in found])
    assert by_chance == pytest.approx(np.mean([one.ece.value or 0 for one in found]), rel=0.25)


def test_scores_that_are_too_sure_are_found_out() -> None:
    found = [told(*made(100, seed, too_sure=0.8), seed=seed) for seed in range(40)]
    assert sum(one.ece.low is not None and one.ece.low > 0 for one in found) >= 36
    expected = 0.8 * np.abs(np.random.default_rng(0).beta(0.6, 0.6, 100_000) - 0.5).mean()
    held = [one.ece.low <= expected <= one.ece.high for one in found if one.ece.low is not None and one.ece.high]
    assert sum(held) >= 36


def test_copies_of_films_make_no_figure_surer() -> None:
    alone, copied = told(*made(60, 1)), told(*made(60, 1, copies=7))
    assert copied.ece == pytest.approx(alone.ece) or copied.ece.value == pytest.approx(alone.ece.value)
    assert copied.ece_by_chance == pytest.approx(alone.ece_by_chance)
    assert (copied.groups, copied.groups_with) == (alone.groups, alone.groups_with)
    assert [one.groups for one in copied.bins] == [one.groups for one in alone.bins]


def _binary(films: int, positives: int, **options: Any) -> Metrics:
    rng = np.random.default_rng(3)
    truth = (np.arange(films) < positives).astype(int)
    scores = np.clip(rng.normal(0.3 + 0.4 * truth, 0.2), 0, 1)
    columns = np.stack([1 - scores, scores], 1)
    return measure(columns, truth, task="binary", classes=["ok", "pore"], positive="pore", resamples=200, **options)


@pytest.mark.parametrize(
    ("films", "positives", "enough"), [(19, 9, False), (20, 10, True), (60, 4, False), (60, 5, True)]
)
def test_with_too_few_films_nothing_is_said_but_that(films: int, positives: int, enough: bool) -> None:
    found = _binary(films, positives).calibration
    assert found is not None
    ((name, one, text),) = found.described
    assert name == "pore"
    assert one.brier.low is not None
    assert (re.match("Too few films (with pore )?to tell", text) is not None) is not enough
    assert bool(one.bins) is enough
    assert (one.ece.value is not None) is enough
    if not enough:
        assert f"{films} groups, {positives} " in text
        assert one.ece_by_chance is None


def test_the_sentence_tells_the_share_among_the_highest_scores() -> None:
    rng = np.random.default_rng(0)
    scores = np.r_[rng.uniform(0, 0.2, 50), rng.uniform(0.75, 0.85, 50)]
    truth = np.r_[np.zeros(50), np.tile([1, 0], 25)].astype(int)
    found = measure(
        np.stack([1 - scores, scores], 1), truth, task="binary", classes=["ok", "pore"], positive="pore", resamples=500
    )
    ((_, one, text),) = found.calibration.described
    top = one.bins[-1]
    assert text.startswith(
        f"Of the {top.images} images with the highest scores for pore ({top.score:.2f} on average), a share of "
    )
    assert "carry pore" in text
    assert "chance alone gives about" in text


def test_scores_that_are_too_high_are_said_to_be_too_high() -> None:
    scores, truth = np.r_[np.full(60, 0.1), np.full(60, 0.9)], np.r_[np.zeros(60), np.tile([1, 0, 0], 20)].astype(int)
    options: dict[str, Any] = {"task": "binary", "classes": ["ok", "pore"], "positive": "pore", "resamples": 300}
    found = measure(np.stack([1 - scores, scores], 1), truth, **options).calibration
    assert found is not None
    assert "scores as high as that are too high" in found.described[0][2]
    swapped = measure(np.stack([scores, 1 - scores], 1)[:, ::-1], truth, **options).calibration
    assert swapped == found


def test_multiclass_has_a_top_label_beside_its_classes_and_binary_its_positive_class_alone() -> None:
    rng = np.random.default_rng(1)
    targets, classes = rng.integers(0, 3, 90), ["crack", "ok", "pore"]
    scores = rng.dirichlet(np.ones(3), 90)
    found = measure(scores, targets, task="multiclass", classes=classes, resamples=50).calibration
    assert found is not None
    assert [name for name, _, _ in found.described] == ["top label", *classes]
    right = scores.argmax(1) == targets
    assert found.top_label is not None
    assert found.top_label.brier.value == pytest.approx(np.mean((scores.max(1) - right) ** 2))
    binary = _binary(40, 20).calibration
    assert binary is not None
    assert list(binary.per_class) == ["pore"]
    assert binary.top_label is None


def test_a_model_without_mistakes_is_not_said_to_have_seen_too_few_films() -> None:
    targets = np.tile([0, 1, 2], 20)
    scores = np.full((60, 3), 0.05)
    scores[np.arange(60), targets] = 0.9
    found = measure(scores, targets, task="multiclass", classes=["crack", "ok", "pore"], resamples=50).calibration
    assert found is not None
    assert found.described[0][2].startswith(
        "Too few wrong answers to tell whether scores are right as frequencies: 60 groups"
    )


def test_no_picture_and_one_film_are_told_as_they_are() -> None:
    empty = measure(np.zeros((0, 2)), np.zeros(0, int), task="binary", classes=["ok", "pore"], positive="pore")
    assert empty.calibration.per_class["pore"].brier.value is None
    assert "0 groups" in empty.calibration.described[0][2]
    one_film = _binary(30, 15, groups=["film"] * 30).calibration
    assert one_film is not None
    assert one_film.per_class["pore"].brier.low is None
    assert "1 group," in one_film.described[0][2]
    assert Metrics.model_validate_json(empty.model_dump_json()) == empty


def test_2000_resamples_of_5000_films_take_bounded_memory() -> None:
    scores, truth, ids = made(5000, 0)
    one = Reliability(scores, truth, ids)
    tracemalloc.start()
    one.summary(np.concatenate([one.sums(weights) for weights in group_weights(ids, 2000, 0)]))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 160 << 20
