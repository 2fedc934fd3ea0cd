"""Shared fixtures: networks trained a few steps on made films, once a session."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Any, Any]]:
    """(learner, model folder) of a backbone after a few steps; the same pair for the same arguments."""
    from films import batches, publish, request

    from lopore_torch.learner import TorchLearner

    made: dict[str, tuple[Any, Any]] = {}

    def make(backbone: str, steps: int = 8, size: int = 8, side: int = 64, **changes: Any) -> tuple[Any, Any]:
        key = f"{backbone}-{steps}-{side}-{sorted(changes.items())!r}"
        if key not in made:
            depth = changes.get("network_depth", 8)
            asked = request(backbone, epochs=1, steps_per_epoch=steps, network_size=(side, side), **changes)
            learner = TorchLearner(asked)
            learner.fit_epoch(0, batches(steps * size, size, side=side, depth=depth))
            made[key] = learner, publish(learner, tmp_path_factory.mktemp("model") / "made" / "1")
        return made[key]

    return make
