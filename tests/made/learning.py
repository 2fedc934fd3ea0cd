"""Learners of any framework: what they are asked, what they publish, and whether two hold the same weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from lopore.contracts import Batch, Learner, LearnRequest, NetworkRequest, Task, Trainer
from lopore.plugins.registry import discover
from lopore.record.folder import ModelFolder
from lopore.testing import learning
from lopore.training.losses import chosen_losses
from lopore.training_settings import Loss, Optimizer, Schedule
from made.films import SIDE, batches, films


def request(backbone: str, side: int = SIDE, *, framework: str = "torch", **changes: Any) -> LearnRequest:
    """A binary run over ``made.films`` in fp32; ``network_`` in front of a name changes the network's request, and
    ``loss`` is a section of a config."""
    network = {"backbone": backbone, "outputs": 1, "channels": 1, "size": (side, side)}
    network |= {key.removeprefix("network_"): value for key, value in changes.items() if key.startswith("network_")}
    settings: dict[str, Any] = {
        "task": "binary", "classes": ("ok", "pore"), "optimizer": Optimizer(learning_rate=2e-3),
        "schedule": Schedule(), "epochs": 2, "steps_per_epoch": 4, "batch_size": 8, "precision": "fp32",
        "device": "cpu", "deterministic": True, "threads": 1,
    }  # fmt: skip
    loss = changes.pop("loss", Loss())
    settings |= {key: value for key, value in changes.items() if not key.startswith("network_")}
    settings["losses"] = chosen_losses(loss, settings["task"], framework, discover().losses)
    settings["label_smoothing"] = loss.label_smoothing
    return LearnRequest(network=NetworkRequest(**network), **settings)  # type: ignore[arg-type]


tf_request = partial(request, framework="tf")
"""The same with the losses of TensorFlow."""


def image_loss(
    framework: str, loss: Loss, task: Task, class_weights: tuple[float, ...] | None = None
) -> Callable[[Any, Any], Any]:
    """What a run with these settings makes small, as its backend adds it up: (logits, targets) to (N,)."""
    backend = import_module(f"lopore_{framework}.losses")
    made: Callable[[Any, Any], Any] = backend.image_loss(
        chosen_losses(loss, task, framework, discover().losses), task=task, classes=3, class_weights=class_weights,
        label_smoothing=loss.label_smoothing,
    )  # fmt: skip
    return made


def publish(trainer: Trainer, learner: Any, folder: Path) -> ModelFolder:
    """The learner's weights as a model folder, with the record that the conformance kit writes."""
    folder.mkdir(parents=True, exist_ok=True)
    return learning.publish(trainer, learner, learner.request, folder)


def same(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    """The same names, and bit for bit the same numbers."""
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


def assert_it_tells_films_apart(learner: Any, side: int = SIDE) -> None:
    """Scores of films that it never saw are probabilities, and right for nearly all."""
    made = films(32, seed=99, side=side)
    scores = learner.predict([Batch(made.pixels[:20]), Batch(made.pixels[20:])])
    assert isinstance(learner, Learner)
    assert scores.shape == (32, 2)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    assert ((scores[:, 1] > 0.5) == made.targets).mean() >= 0.95


def whole_and_resumed(make: Callable[..., Any], place: Path, side: int) -> tuple[Any, Any]:
    """A learner after two epochs, and one that took the second over from a state in ``place``; equal reports."""
    settings: dict[str, Any] = {
        "ema_decay": 0.9, "accumulation_steps": 2, "schedule": Schedule(name="one-cycle"), "network_dropout": 0.3,
        "optimizer": Optimizer(clip_norm=1.0, head_factor=3.0), "epochs": 2, "steps_per_epoch": 2,
    }  # fmt: skip
    whole, first = make(**settings), make(**settings)
    for learner in (whole, first):
        learner.fit_epoch(0, batches(12, 4, seed=1, side=side))
    first.save(place)
    expected = whole.fit_epoch(1, batches(12, 4, seed=2, side=side))
    second = make(**settings)
    second.restore(place)
    got = second.fit_epoch(1, batches(12, 4, seed=2, side=side))
    assert (got.loss, got.learning_rate) == (expected.loss, expected.learning_rate)
    return whole, second
