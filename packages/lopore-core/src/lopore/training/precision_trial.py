"""Which way of computing a training step is fastest on this device, found by a short trial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

DEFAULT_GAIN = 1.1
"""A plan must beat the first one by this factor: noise must not decide how numbers are rounded."""


@dataclass(frozen=True)
class ComputePlan:
    """Number format of the matrix work (fp32, bf16, fp16) and memory layout (contiguous, channels_last)."""

    precision: str
    layout: str


P = TypeVar("P", bound=ComputePlan)


@dataclass(frozen=True)
class Trial(Generic[P]):
    """A plan and the seconds its faster step took."""

    plan: P
    seconds: float

    def as_data(self) -> dict[str, Any]:
        return {**asdict(self.plan), "seconds": round(self.seconds, 4)}


def choose(plans: list[P], step: Callable[[P], None], clock: Callable[[], float]) -> list[Trial[P]]:
    """A warm-up and two timed steps per plan, in turns so that a busy moment hits all; the chosen one comes first.

    step: one training step that has ended when it returns. clock: seconds; on a CPU those of the process, which other
    programs disturb less than the clock on the wall. The first plan stays unless another is faster by
    ``DEFAULT_GAIN``.
    """

    def seconds(plan: P) -> float:
        begin = clock()
        step(plan)
        return clock() - begin

    rounds = [[seconds(plan) for plan in plans] for _ in range(3)]
    return rank([Trial(plan, min(times)) for plan, times in zip(plans, zip(*rounds[1:], strict=True), strict=True)])


def rank(trials: list[Trial[P]]) -> list[Trial[P]]:
    """The chosen trial, then the others by time."""
    first, fastest = trials[0], min(trials, key=lambda trial: trial.seconds)
    chosen = fastest if fastest.seconds * DEFAULT_GAIN < first.seconds else first
    return [chosen, *sorted((t for t in trials if t is not chosen), key=lambda trial: trial.seconds)]
