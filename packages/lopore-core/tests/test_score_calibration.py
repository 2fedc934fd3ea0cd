"""Calibration that is applied: what it does to scores, when it is refused, and that a run carries it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from lopore.metrics.score_calibration import (
    calibrated,
    curve_values,
    fit_calibration,
    log_loss,
    logits_of,
    scores_from,
)
from lopore.record.score_calibration import LogitCurve, ScoreCalibration


def made(films: int, seed: int, slope: float = 3.0, shift: float = 1.0) -> tuple[np.ndarray, ...]:
    """Scores of a network that is ``slope`` times too sure and moved, three images a film."""
    rng = np.random.default_rng(seed)
    film = np.repeat(np.arange(films), 3)
    true_logit = 1.5 * rng.normal(size=films)[film] + 0.5 * rng.normal(size=len(film))
    label = (rng.random(len(film)) < expit(true_logit)).astype(int)
    return scores_from((slope * true_logit + shift)[:, None], "binary"), np.eye(2, dtype=bool)[label], film


def several(films: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true_logits = 1.5 * rng.normal(size=(films, 3))
    p = scores_from(true_logits, "multiclass").astype(float)
    label = (p.cumsum(axis=1) < rng.random((films, 1))).sum(axis=1)
    return scores_from(3 * true_logits, "multiclass"), np.eye(3, dtype=bool)[np.minimum(label, 2)], np.arange(films)


@pytest.mark.parametrize("method", ["platt", "isotonic", "temperature", None])
def test_binary_scores_become_right_as_frequencies_on_other_films(method):
    found = fit_calibration(*made(400, 1), task="binary", method=method, fitted_on="made films")
    assert isinstance(found, ScoreCalibration)
    scores, truth, _ = made(4000, 2)
    after = calibrated(scores, "binary", found)
    assert log_loss(after, truth, "binary").mean() < 0.8 * log_loss(scores, truth, "binary").mean()
    if method != "temperature":
        for low in np.arange(0, 1, 0.2):
            rows = (after[:, 1] >= low) & (after[:, 1] < low + 0.2)
            assert abs(after[rows, 1].mean() - truth[rows, 1].mean()) < 0.06


def test_platt_finds_the_slope_and_shift_that_were_put_in():
    found = fit_calibration(*made(4000, 3), task="binary", method="platt", fitted_on="made films")
    assert found.curves[0].scale == pytest.approx(1 / 3, rel=0.06)
    assert found.curves[0].shift == pytest.approx(-1 / 3, abs=0.06)


def test_temperature_finds_what_was_put_in_and_scores_still_add_up_to_one():
    scores, truth, films = several(3000, 4)
    found = fit_calibration(scores, truth, films, task="multiclass", fitted_on="made films")
    assert found.method == "temperature"
    assert found.curves[0].scale == pytest.approx(1 / 3, rel=0.08)
    after = calibrated(scores, "multiclass", found)
    np.testing.assert_allclose(after.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(after.argmax(axis=1), scores.argmax(axis=1))


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_no_calibration_changes_the_order_of_scores(method):
    found = fit_calibration(*made(400, 5), task="binary", method=method, fitted_on="made films")
    z = np.linspace(-60, 60, 2001)
    assert (np.diff(curve_values(found.curves[0], z)) > 0).all()


def test_several_labels_have_a_curve_each():
    rng = np.random.default_rng(6)
    z = rng.normal(size=(600, 2)) * 2
    truth = rng.random((600, 2)) < expit(z * [0.5, 1.5])
    scores = scores_from(z, "multilabel")
    found = fit_calibration(scores, truth, np.arange(600), task="multilabel", method="platt", fitted_on="made films")
    assert [curve.scale for curve in found.curves] == [pytest.approx(0.5, rel=0.3), pytest.approx(1.5, rel=0.3)]


def test_films_that_are_parted_without_a_mistake_give_finite_scores():
    z = np.where(np.arange(60) < 30, -4.0, 4.0) + np.linspace(-1, 1, 60)
    truth = np.eye(2, dtype=bool)[(np.arange(60) >= 30).astype(int)]
    scores = scores_from(z[:, None], "binary")
    found = fit_calibration(scores, truth, np.arange(60), task="binary", fitted_on="made films")
    after = calibrated(scores, "binary", found)[:, 1]
    assert 0.9 < after.max() < 0.999


def test_smallest_scores_keep_their_order_and_their_logits():
    z = np.array([[-80.0], [-40.0], [-18.0], [30.0], [80.0]])
    np.testing.assert_allclose(logits_of(scores_from(z, "binary"), "binary"), z, rtol=1e-5)


REFUSED = {
    "few films": (made(15, 7), "binary", None, "too few validation films"),
    "one class": ((made(60, 8)[0], np.tile([True, False], (180, 1)), made(60, 8)[2]), "binary", None, "too few"),
    "falling": ((made(200, 9)[0][:, ::-1], made(200, 9)[1], made(200, 9)[2]), "binary", None, "keeps their order"),
    "multiclass by Platt": (several(300, 10), "multiclass", "platt", "use temperature"),
    "maps": (made(200, 11), "segmentation", None, "maps"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_where_nothing_can_be_fitted_the_reason_is_a_sentence(name):
    data, task, method, told = REFUSED[name]
    found = fit_calibration(*data, task=task, method=method, fitted_on="made films")
    assert isinstance(found, str)
    assert told in found


def test_a_falling_or_torn_curve_is_no_record():
    with pytest.raises(ValueError, match="must rise"):
        LogitCurve(scale=1.0, knots=(0.0,), gains=(-2.0,))
    with pytest.raises(ValueError, match="one gain a knot"):
        LogitCurve(scale=1.0, knots=(1.0, 0.0), gains=(1.0, 1.0))
