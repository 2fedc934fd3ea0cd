"""Which number format and memory layout trains fastest on this device, found by a short trial."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch

from lopore.contracts import Precision
from lopore.errors import ConfigError
from lopore.training import precision_trial as trials
from lopore.training.precision_trial import ComputePlan, Trial

Layout = Literal["contiguous", "channels_last"]
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Plan(ComputePlan):
    """How torch computes a step."""

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


def choose(plans: list[Plan], step: Callable[[Plan], None], device: torch.device) -> list[Trial[Plan]]:
    """``lopore.training.precision_trial.choose`` on this device: on a CPU the process's own time counts."""

    def whole_step(plan: Plan) -> None:
        step(plan)
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return trials.choose(plans, whole_step, time.process_time if device.type == "cpu" else time.perf_counter)
