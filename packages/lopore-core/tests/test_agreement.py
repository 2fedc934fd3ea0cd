"""Agreement of two readers beyond chance."""

from __future__ import annotations

import pytest

from lopore.metrics.agreement import cohen_kappa


def test_kappa_is_that_of_a_worked_table() -> None:
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed 0.7, by chance 0.5, kappa 0.4.
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    found = cohen_kappa(first, second, [number % 10 for number in range(50)])
    assert found.value == pytest.approx(0.4)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.4 < found.high


def test_one_film_gives_no_bounds_and_one_answer_throughout_no_kappa() -> None:
    alone = cohen_kappa(["a", "b"], ["a", "b"], ["film", "film"])
    assert (alone.value, alone.low) == (1.0, None)
    assert cohen_kappa(["a", "a"], ["a", "a"], [1, 2]).value is None
    assert cohen_kappa([], [], []).value is None


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="same items"):
        cohen_kappa(["a"], [], ["film"])
