"""Networks that trained a few steps on made films: once a session, however many tests ask."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from made.films import SIDE, batches
from made.learning import publish, request

from lopore.record.folder import ModelFolder
from lopore.training_settings import Optimizer
from lopore_torch import plugin
from lopore_torch.learner import TorchLearner

LEARNED: dict[str, Any] = {"backbone": "resnet18", "steps": 60, "size": 8, "optimizer": Optimizer(learning_rate=2e-3)}
"""Arguments of ``trained`` for a network that has learned the films."""
_PLACE = tempfile.TemporaryDirectory()
_MADE: dict[str, tuple[TorchLearner, ModelFolder]] = {}


def trained(
    backbone: str, steps: int = 8, size: int = 8, side: int = SIDE, **changes: Any
) -> tuple[TorchLearner, ModelFolder]:
    """A learner and its model folder after a few steps; the same pair for the same arguments."""
    key = f"{backbone}-{steps}-{side}-{sorted(changes.items())!r}"
    if key not in _MADE:
        learner = TorchLearner(request(backbone, side, epochs=1, steps_per_epoch=steps, **changes))
        learner.fit_epoch(0, batches(steps * size, size, side=side, depth=changes.get("network_depth", 8)))
        _MADE[key] = learner, published(learner, Path(_PLACE.name) / str(len(_MADE)))
    return _MADE[key]


def published(learner: TorchLearner, folder: Path) -> ModelFolder:
    (trainer,) = plugin.lopore_trainers()
    return publish(trainer, learner, folder)
