"""Learners of any framework: what they are asked, what they publish, and whether two hold the same weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lopore.config import Loss, Optimizer, Schedule
from lopore.contracts import Learner, LearnRequest, NetworkRequest, Trainer
from lopore.model import ModelFolder
from lopore.testing import learning
from made.films import SIDE


def request(backbone: str, side: int = SIDE, **changes: Any) -> LearnRequest:
    """A binary run over ``made.films`` in fp32; ``network_`` in front of a name changes the network's request."""
    network = {"backbone": backbone, "outputs": 1, "channels": 1, "size": (side, side)}
    network |= {key.removeprefix("network_"): value for key, value in changes.items() if key.startswith("network_")}
    settings: dict[str, Any] = {
        "task": "binary", "classes": ("ok", "pore"), "loss": Loss(), "optimizer": Optimizer(learning_rate=2e-3),
        "schedule": Schedule(), "epochs": 2, "steps_per_epoch": 4, "batch_size": 8, "precision": "fp32",
        "device": "cpu", "deterministic": True, "threads": 1,
    }  # fmt: skip
    settings |= {key: value for key, value in changes.items() if not key.startswith("network_")}
    return LearnRequest(network=NetworkRequest(**network), **settings)  # type: ignore[arg-type]


def publish(trainer: Trainer, learner: Learner, asked: LearnRequest, folder: Path) -> ModelFolder:
    """The learner's weights as a checked model folder, which may stand among others as ``NAME/VERSION``."""
    folder.mkdir(parents=True)
    return learning.publish(trainer, learner, asked, folder)


def same(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    """The same names, and bit for bit the same numbers."""
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)
