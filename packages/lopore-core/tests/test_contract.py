"""An operating point by contract: a recall that holds with stated confidence, or what is missing for it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import betainc

from lopore.config.experiment import ThresholdRule
from lopore.errors import DataError
from lopore.metrics.contract import contract_at, failures_allowed, recall_contract
from lopore.metrics.operating_point import operating_point
from lopore.metrics.statement import Refusal
from lopore.record.contract import RecallContract


def made(films: int, seed: int, images: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half of the films carry the class; scores of one film go together."""
    rng = np.random.default_rng(seed)
    film = np.repeat(np.arange(2 * films), images)
    label = (film < films).astype(int)
    z = 1.5 * label + rng.normal(size=2 * films)[film] + 0.5 * rng.normal(size=len(film))
    return 1 / (1 + np.exp(-z)), label, film


def test_the_contract_needs_59_films_without_a_miss_and_says_how_many_there_are():
    assert [failures_allowed(n, 0.95, 0.95) for n in (58, 59, 92, 93, 123, 124)] == [None, 0, 0, 1, 1, 2]
    found = recall_contract(*made(41, 0), recall=0.95, confidence=0.95)
    assert isinstance(found, Refusal)
    assert "at least 59 films" in found.text
    assert "there are 41" in found.text


def test_images_of_one_film_are_one_trial():
    scores, labels, _ = made(30, 1, images=4)
    by_image = recall_contract(scores, labels, np.arange(len(scores)), recall=0.95, confidence=0.95)
    assert isinstance(by_image, RecallContract)
    assert isinstance(recall_contract(*made(30, 1, images=4), recall=0.95, confidence=0.95), Refusal)


def test_the_threshold_is_the_highest_that_keeps_the_bound():
    scores, labels, films = made(120, 2)
    found = recall_contract(scores, labels, films, recall=0.95, confidence=0.95)
    assert found.holds
    assert found.missed == failures_allowed(120, 0.95, 0.95) == 1
    higher = np.unique(scores[scores > found.threshold])[:200]
    assert not any(
        contract_at(value + 1e-9, scores, labels, films, recall=0.95, confidence=0.95).holds
        for value in higher
        if contract_at(value + 1e-9, scores, labels, films, recall=0.95, confidence=0.95).missed > found.missed
    )


@pytest.mark.parametrize("films", [59, 93, 200])
def test_the_contract_is_kept_as_often_as_theory_says(films):
    """Uniform scores: a threshold t finds 1 - t of all films, so no sample stands for the truth."""
    rng, allowed = np.random.default_rng(films), failures_allowed(films, 0.95, 0.95)
    kept, at_least = 0, 0
    for _ in range(1000):
        scores = rng.random(films)
        found = recall_contract(scores, np.ones(films), np.arange(films), recall=0.95, confidence=0.95)
        kept += found.threshold <= 0.05
        at_least += np.sort(scores)[allowed] <= 0.05  # the score of the first film that must be found
    theory = 1 - betainc(films - allowed, allowed + 1, 0.95)
    assert 0.95 <= theory < 0.98
    assert at_least / 1000 == pytest.approx(theory, abs=0.021)  # three standard errors
    assert kept >= at_least


def test_ties_and_equal_scores_promise_nothing_that_is_not_so():
    scores, labels = np.full(200, 0.5), np.repeat([1, 0], 100)
    found = recall_contract(scores, labels, np.arange(200), recall=0.95, confidence=0.95)
    assert found.missed == 0
    assert found.false_calls == 100
    assert found.threshold < 0.5


def test_a_model_keeps_what_its_threshold_proves():
    scores, labels, films = made(120, 3)
    both = np.column_stack([1 - scores, scores])
    rule = ThresholdRule(rule="contract", recall=0.9)
    point = operating_point(
        both, labels, task="binary", classes=("sound", "pore"), positive="pore", rule=rule, chosen_on="films",
        groups=films,
    )  # fmt: skip
    contract = point.contracts["pore"]
    assert point.value == contract.threshold
    assert point.rule == "contract: recall 0.9 with 95% confidence"
    assert contract.bound >= 0.9
    assert 0 < contract.false_call_rate.value < 1
    with pytest.raises(DataError, match=r"pore: Recall 0\.99 with 95% confidence is not stated: It needs at least 299"):
        operating_point(
            both, labels, task="binary", classes=("sound", "pore"), positive="pore", groups=films, chosen_on="films",
            rule=ThresholdRule(rule="contract", recall=0.99),
        )  # fmt: skip


def test_the_empirical_rule_says_that_it_has_no_bound():
    scores, labels, _ = made(30, 4)
    point = operating_point(
        np.column_stack([1 - scores, scores]), labels, task="binary", classes=("sound", "pore"), positive="pore",
        rule=ThresholdRule(rule="recall", recall=0.9), chosen_on="films",
    )  # fmt: skip
    assert "no bound" in point.rule


def test_certainty_is_refused():
    with pytest.raises(ValueError, match="cannot be proven"):
        ThresholdRule(rule="contract", recall=1.0)
