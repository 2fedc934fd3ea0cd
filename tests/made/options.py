"""Each option that every trainer is told: settings without and with it, everything else alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lopore.training_settings import Loss, Optimizer, Schedule

Settings = dict[str, Any]
PLAIN: Settings = {"optimizer": Optimizer(learning_rate=0.01), "schedule": Schedule(name="constant")}
"""What holds where an option says nothing else."""
_SGD: Settings = {"optimizer": Optimizer(name="sgd", learning_rate=0.01)}
_FOCAL: Settings = {"loss": Loss(name="focal")}
OPTIONS: dict[str, tuple[Settings, Settings]] = {
    "loss.name": ({}, _FOCAL),
    "loss.parameters": (_FOCAL, {"loss": Loss(name="focal", parameters={"focal": {"gamma": 0.5}})}),
    "loss.label_smoothing": ({}, {"loss": Loss(label_smoothing=0.2)}),
    "loss.class_weights": ({}, {"class_weights": (1.0, 3.0)}),
    "optimizer.name": ({}, _SGD),
    "optimizer.learning_rate": ({}, {"optimizer": Optimizer(learning_rate=0.003)}),
    "optimizer.weight_decay": ({}, {"optimizer": Optimizer(learning_rate=0.01, weight_decay=0.5)}),
    "optimizer.momentum": (_SGD, {"optimizer": Optimizer(name="sgd", learning_rate=0.01, momentum=0.0)}),
    "optimizer.head_factor": ({}, {"optimizer": Optimizer(learning_rate=0.01, head_factor=3.0)}),
    "optimizer.clip_norm": (_SGD, {"optimizer": Optimizer(name="sgd", learning_rate=0.01, clip_norm=0.01)}),
    "schedule.name": ({}, {"schedule": Schedule(name="one-cycle")}),
    "accumulation_steps": ({}, {"accumulation_steps": 2}),
    "ema_decay": ({}, {"ema_decay": 0.5}),
    "freeze": ({}, {"freeze": "half"}),
    "seed": ({}, {"seed": 1}),
    "precision": ({}, {"precision": "bf16"}),
    "dropout": ({}, {"network_dropout": 0.5}),
    "mean": ({}, {"network_mean": (0.3,)}),
    "std": ({}, {"network_std": (0.5,)}),
    "grey_input": ({}, {"network_grey_input": "convolution"}),
}


def kept(learn: Callable[[Settings], list[float]]) -> Callable[[Settings], list[float]]:
    """``learn`` with each of its answers computed once, for settings that cannot be keys."""
    known: dict[str, list[float]] = {}

    def answer(settings: Settings) -> list[float]:
        key = repr(settings)
        if key not in known:
            known[key] = learn(settings)
        return known[key]

    return answer
