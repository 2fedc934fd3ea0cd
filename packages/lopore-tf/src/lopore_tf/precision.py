"""Which number format trains fastest on this device, found by a short trial, and what half precision needs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from lopore.contracts import Precision
from lopore.errors import ConfigError
from lopore.training import precision_trial as trials
from lopore.training.precision_trial import ComputePlan, Trial

from .start import tf

POLICIES = {"bf16": "mixed_bfloat16", "fp16": "mixed_float16"}
"""Keras' names: the weights stay in single precision, the arithmetic does not."""
LAYOUT = "channels_last"
"""The one layout in which TensorFlow computes on every device."""


def plan_of(precision: str) -> ComputePlan:
    return ComputePlan(precision, LAYOUT)


def candidates(precision: Precision, device: str) -> list[ComputePlan]:
    """Plans worth a trial, the safe one first; ConfigError where the device lacks the precision.

    device: as TensorFlow names it, such as ``CPU:0``.
    """
    if precision == "fp16" and device.startswith("CPU"):
        raise ConfigError("precision 'fp16' needs a GPU; on this CPU choose auto, bf16 or fp32")
    names = [precision] if precision != "auto" else ["fp32", *_fast_formats(device)]
    return [plan_of(name) for name in names]


def _fast_formats(device: str) -> list[str]:
    if device.startswith("CPU"):
        return ["bf16"] if _cpu_has_bf16() else []
    number = int(device.rpartition(":")[2])
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[number])
    major = details.get("compute_capability", (0, 0))[0]
    return ["bf16"] if major >= 8 else ["fp16"] if major >= 7 else []


@cache
def _cpu_has_bf16() -> bool:
    """Whether Linux names instructions for bf16; without them TensorFlow converts number by number, far slower."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)


def fixed_plan(precision: Precision) -> ComputePlan:
    """The plan without a trial: what deterministic runs use."""
    return plan_of("fp32" if precision == "auto" else precision)


def choose(plans: list[ComputePlan], step: Callable[[ComputePlan], None], device: str) -> list[Trial[ComputePlan]]:
    """``precision_trial.choose``; on a CPU the process's own time counts. step: ends when its result is there."""
    return trials.choose(plans, step, time.process_time if device.startswith("CPU") else time.perf_counter)


@dataclass
class LossScale:
    """The factor that keeps small fp16 gradients from vanishing (Micikevicius et al., ICLR 2018), 1 where it is off.

    It halves after an update that was no number, which is left out, and doubles after ``interval`` good ones.
    """

    on: bool
    value: float = 65536.0
    good: int = 0
    interval: int = 2000

    @property
    def factor(self) -> float:
        return self.value if self.on else 1.0

    def update(self, finite: bool) -> None:
        """After each optimiser step: whether its gradients were finite."""
        if not self.on:
            return
        self.good = self.good + 1 if finite else 0
        if not finite:
            self.value *= 0.5
        elif self.good == self.interval:
            self.value, self.good = self.value * 2.0, 0

    def state(self) -> dict[str, Any]:
        return {"value": self.value, "good": self.good}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.value, self.good = float(state["value"]), int(state["good"])
