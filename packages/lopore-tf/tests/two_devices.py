"""Run by ``test_distributed``: trains on one CPU device, then on two virtual ones, and writes what each saw."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tf_films import TINY, films, request, tiny

from lopore.contracts import Batch
from lopore.training_settings import Optimizer
from lopore_tf.start import tf

SIDE = 40
WHOLES = (6, 5, 1, 4)
"""Sizes of the batches: even, uneven, too small for both devices, and one more."""
OPTIMIZERS = ("sgd", "adamw")


def made_batches() -> list[Batch]:
    pixels, targets, _ = films(sum(WHOLES), side=SIDE)
    ends = [sum(WHOLES[: n + 1]) for n in range(len(WHOLES))]
    return [Batch(pixels[end - n : end], targets[end - n : end]) for n, end in zip(WHOLES, ends, strict=True)]


def learn(device: str, folder: Path, optimizer: str, **more: Any) -> dict[str, Any]:
    from lopore_tf.learner import TensorFlowLearner
    from lopore_tf.state import weights_of

    chosen = Optimizer(name=optimizer, learning_rate=0.02 if optimizer == "sgd" else 1e-3, clip_norm=1.0)  # type: ignore[arg-type]
    asked = request(network_size=(SIDE, SIDE), optimizer=chosen, ema_decay=0.5, device=device, **more)
    learner = TensorFlowLearner(asked)
    losses = [learner.fit_epoch(epoch, made_batches()).loss for epoch in range(2)]
    folder.mkdir()
    learner.save(folder)
    scores = learner.predict(made_batches()).tolist()
    learner.publish(folder)
    learner.fit_epoch(2, made_batches())
    learner.restore(folder)
    weights = weights_of(learner.network)
    return {
        "devices": learner.facts()["devices"],
        "losses": losses,
        "scores": scores,
        "restored": learner.predict(made_batches()).tolist(),
        "weights": {name: weights[name].ravel()[:20].tolist() for name in ("conv_stem/kernel", "bn2/moving_variance")},
    }


def main() -> None:
    from lopore_tf.architectures import ARCHITECTURES

    ARCHITECTURES[TINY] = tiny()  # type: ignore[index]
    folder = Path(sys.argv[1])
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [half, half])
    told = {
        name: [learn(device, folder / f"{name}-{device}", name, accumulation_steps=2 if name == "sgd" else 1)
               for device in ("cpu", "all")]
        for name in OPTIMIZERS
    }  # fmt: skip
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
