"""Learning-rate factors, computed from the step alone, so that a resumed run walks the same line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lopore.training_settings import Schedule

ONE_CYCLE_RISE = 0.3
ONE_CYCLE_START = 1 / 25


class LearningRateSchedule:
    """The factor on every group's learning rate at a step; 'plateau' also watches the validation score."""

    def __init__(self, schedule: Schedule, epochs: int, steps_per_epoch: int) -> None:
        self.schedule = schedule
        self.total = max(1, epochs * steps_per_epoch)
        self.warmup = min(schedule.warmup_epochs * steps_per_epoch, float(self.total))
        self.plateau = 1.0
        self.best: float | None = None
        self.waited = 0

    def factor(self, step: int) -> float:
        """Factor at optimiser step ``step``, counted from 0; 1 is the configured rate."""
        if self.schedule.name == "one-cycle":
            return self._one_cycle(step)
        if step < self.warmup:
            return (step + 1) / (self.warmup + 1)
        if self.schedule.name == "cosine":
            return self._cosine((step - self.warmup) / max(1.0, self.total - 1 - self.warmup))
        return self.plateau if self.schedule.name == "plateau" else 1.0

    def _cosine(self, part: float) -> float:
        low = self.schedule.final_factor
        return low + (1.0 - low) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, part)))

    def _one_cycle(self, step: int) -> float:
        """Cosine up from 1/25 over the warm-up (30 % of the run without one), cosine down (Smith, arXiv:1708.07120)."""
        rise = self.warmup or ONE_CYCLE_RISE * self.total
        if step < rise:
            return ONE_CYCLE_START + (1.0 - ONE_CYCLE_START) * 0.5 * (1.0 - math.cos(math.pi * step / rise))
        return self._cosine((step - rise) / max(1.0, self.total - 1 - rise))

    def observe(self, score: float) -> None:
        """Take an epoch's validation score; after ``plateau_patience`` epochs without a better one the rate falls."""
        if self.schedule.name != "plateau":
            return
        if self.best is None or score > self.best:
            self.best, self.waited = score, 0
            return
        self.waited += 1
        if self.waited >= self.schedule.plateau_patience:
            self.plateau = max(self.plateau * self.schedule.plateau_factor, self.schedule.final_factor)
            self.waited = 0

    def state(self) -> dict[str, Any]:
        return {"plateau": self.plateau, "best": self.best, "waited": self.waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.plateau, self.best, self.waited = state["plateau"], state["best"], state["waited"]
