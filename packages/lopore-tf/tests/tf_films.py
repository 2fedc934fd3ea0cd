"""Made pictures with clear defects, and the requests that tests train with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.config import Loss, Optimizer, Schedule
from lopore.contracts import Batch, LearnRequest, NetworkRequest

SIDE = 32
TINY = "tiny"
"""A network of the two-stage table below: all that lopore-tf does to a network, in a tenth of the time."""


def tiny() -> Any:
    """The architecture of ``TINY``, which tests put among those that ``backbones.build`` knows."""
    from functools import partial

    from lopore_tf.architectures import Architecture
    from lopore_tf.architectures.inverted import Block, Inverted, inverted_features
    from lopore_tf.architectures.layers import Style

    style = Style(padding="even", epsilon=1e-5, activation="relu")
    stages = [[Block("separable", 8)], [Block("inverted", 16, stride=2, expand=2)], [Block("inverted", 24, expand=2)]]
    features = partial(inverted_features, network=Inverted(style, 8, stages, head=48))
    return Architecture(features, style, "conv_stem", "classifier", "none")


def films(count: int, seed: int = 0, side: int = SIDE) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Grain, a bright disc in every second one: pixels (N, S, S, 1), targets (N,)."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 2
    centres = rng.uniform(0.2 * side, 0.8 * side, (count, 2))
    rows, columns = np.mgrid[0:side, 0:side] + 0.5
    distance = np.hypot(rows - centres[:, 0, None, None], columns - centres[:, 1, None, None])
    values = rng.normal(90, 8, (count, side, side)) + 110 * (distance < 0.14 * side) * targets[:, None, None]
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)[..., None], targets.astype(np.int64)


def batches(count: int, size: int, seed: int = 0, side: int = SIDE) -> list[Batch]:
    pixels, targets = films(count, seed, side)
    return [Batch(pixels[at : at + size], targets[at : at + size]) for at in range(0, count, size)]


def request(backbone: str = TINY, **changes: Any) -> LearnRequest:
    """A binary run over ``films`` in fp32; ``network_`` in front of a name changes the network's request."""
    network = {"backbone": backbone, "outputs": 1, "channels": 1, "size": (SIDE, SIDE)}
    network |= {key.removeprefix("network_"): value for key, value in changes.items() if key.startswith("network_")}
    settings: dict[str, Any] = {
        "task": "binary", "classes": ("ok", "pore"), "loss": Loss(), "optimizer": Optimizer(learning_rate=2e-3),
        "schedule": Schedule(), "epochs": 2, "steps_per_epoch": 4, "batch_size": 8, "precision": "fp32",
        "device": "cpu", "deterministic": True, "threads": 1,
    }  # fmt: skip
    settings |= {key: value for key, value in changes.items() if not key.startswith("network_")}
    return LearnRequest(network=NetworkRequest(**network), **settings)  # type: ignore[arg-type]
