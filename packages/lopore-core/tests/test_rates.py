from __future__ import annotations

import pytest

from lopore.training.learning_rate import LearningRateSchedule
from lopore.training_settings import Schedule


def test_cosine_ends_at_its_final_factor_after_a_linear_warm_up() -> None:
    rate = LearningRateSchedule(
        Schedule(name="cosine", warmup_epochs=1, final_factor=0.1), epochs=5, steps_per_epoch=10
    )
    factors = [rate.factor(step) for step in range(50)]
    assert factors[:3] == pytest.approx([1 / 11, 2 / 11, 3 / 11])
    assert factors[10] == 1.0
    assert factors[-1] == pytest.approx(0.1)
    assert factors[10:] == sorted(factors[10:], reverse=True)


def test_one_cycle_peaks_once_and_constant_never_moves() -> None:
    rate = LearningRateSchedule(Schedule(name="one-cycle", final_factor=0.01), epochs=2, steps_per_epoch=50)
    factors = [rate.factor(step) for step in range(100)]
    peak = factors.index(max(factors))
    assert factors[peak] == pytest.approx(1.0)
    assert factors[0] == pytest.approx(1 / 25)
    assert factors[-1] == pytest.approx(0.01)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert {LearningRateSchedule(Schedule(name="constant"), 3, 4).factor(step) for step in range(12)} == {1.0}


def test_plateau_falls_only_after_patience_and_its_state_goes_on_where_it_was() -> None:
    schedule = Schedule(name="plateau", plateau_patience=2, plateau_factor=0.5)
    rate, twin = LearningRateSchedule(schedule, 9, 4), LearningRateSchedule(schedule, 9, 4)
    for score in (0.5, 0.6, 0.6):
        rate.observe(score)
    twin.restore(rate.state())
    assert rate.factor(12) == 1.0
    rate.observe(0.55)
    twin.observe(0.55)
    assert rate.factor(16) == twin.factor(16) == 0.5
