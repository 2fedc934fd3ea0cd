"""Which number format and memory layout trains fastest on this device, found by a short trial."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from lopore.contracts import Precision
from lopore.errors import ConfigError

Layout = Literal["contiguous", "channels_last"]
DEFAULT_GAIN = 1.1
"""A plan must beat the first one by this factor: noise must not decide how numbers are rounded."""
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Plan:
    """Number format of the matrix work and layout of the weights."""

    precision: str
    layout: Layout

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.layout == "channels_last" else torch.contiguous_format

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(device.type, dtype=DTYPES[self.precision])

    @property
    def text(self) -> str:
        return f"{self.precision} {self.layout}"


@dataclass(frozen=True)
class Trial:
    """A plan and the seconds its faster step took."""

    plan: Plan
    seconds: float

    def as_data(self) -> dict[str, Any]:
        return {**asdict(self.plan), "seconds": round(self.seconds, 4)}


SAFE = Plan("fp32", "channels_last")


def candidates(precision: Precision, device: torch.device) -> list[Plan]:
    """Plans worth a trial, the safe one first; ConfigError where the device lacks the precision."""
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError("precision 'fp16' needs a GPU; on this CPU choose auto, bf16 or fp32")
    names = [precision] if precision != "auto" else ["fp32", *_fast_formats(device)]
    layouts: tuple[Layout, ...] = ("channels_last", "contiguous")
    return [Plan(name, layout) for name in names for layout in layouts]


def _fast_formats(device: torch.device) -> list[str]:
    if device.type == "cpu":
        return ["bf16"] if torch.ops.mkldnn._is_mkldnn_bf16_supported() else []
    if device.type == "cuda":
        return ["bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"]
    return []


def fixed_plan(precision: Precision) -> Plan:
    """The plan without a trial: what deterministic runs use."""
    return Plan("fp32" if precision == "auto" else precision, "channels_last")


def choose(plans: list[Plan], step: Callable[[Plan], None], device: torch.device) -> list[Trial]:
    """A warm-up and two timed steps per plan, in turns so that a busy moment hits all; the chosen one comes first.

    On a CPU the process's own time counts, which other programs disturb less than the clock on the wall. The first
    plan stays unless another is faster by ``DEFAULT_GAIN``.
    """
    rounds = [[_seconds(plan, step, device) for plan in plans] for _ in range(3)]
    return rank([Trial(plan, min(times)) for plan, times in zip(plans, zip(*rounds[1:], strict=True), strict=True)])


def rank(trials: list[Trial]) -> list[Trial]:
    """The chosen trial, then the others by time."""
    first, fastest = trials[0], min(trials, key=lambda trial: trial.seconds)
    chosen = fastest if fastest.seconds * DEFAULT_GAIN < first.seconds else first
    return [chosen, *sorted((t for t in trials if t is not chosen), key=lambda trial: trial.seconds)]


def _seconds(plan: Plan, step: Callable[[Plan], None], device: torch.device) -> float:
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    begin = clock()
    step(plan)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - begin
