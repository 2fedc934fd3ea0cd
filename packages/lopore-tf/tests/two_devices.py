"""Run by ``test_distributed``: trains on one CPU device, then on two virtual ones, and writes what each saw."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
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


def made_batches(sizes: Sequence[int] = WHOLES) -> list[Batch]:
    pixels, targets, _ = films(sum(sizes), side=SIDE)
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    return [Batch(pixels[end - n : end], targets[end - n : end]) for n, end in zip(sizes, ends, strict=True)]


def learn(
    device: str, folder: Path, optimizer: str, given: Sequence[Batch], whole: Sequence[Batch], **more: Any
) -> dict[str, Any]:
    """What a learner tells of two epochs on ``given``, its share of ``whole``, before and after it was saved."""
    from lopore_tf.learner import TensorFlowLearner
    from lopore_tf.state import weights_of

    chosen = Optimizer(name=optimizer, learning_rate=0.02 if optimizer == "sgd" else 1e-3, clip_norm=1.0)  # type: ignore[arg-type]
    asked = request(network_size=(SIDE, SIDE), optimizer=chosen, ema_decay=0.5, device=device, **more)
    learner = TensorFlowLearner(asked)
    losses = [learner.fit_epoch(epoch, given).loss for epoch in range(2)]
    folder.mkdir()
    learner.save(folder)
    scores = learner.predict(whole).tolist()
    learner.publish(folder)
    learner.fit_epoch(2, given)
    learner.restore(folder)
    weights = weights_of(learner.network)
    return {
        "devices": learner.facts()["devices"],
        "losses": losses,
        "scores": scores,
        "restored": learner.predict(whole).tolist(),
        "weights": {name: weights[name].ravel()[:20].tolist() for name in ("conv_stem/kernel", "bn2/moving_variance")},
    }


def main() -> None:
    from lopore_tf.architectures import ARCHITECTURES

    ARCHITECTURES[TINY] = tiny()  # type: ignore[index]
    folder = Path(sys.argv[1])
    half = tf.config.LogicalDeviceConfiguration()
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [half, half])
    told = {
        name: [learn(device, folder / f"{name}-{device}", name, made_batches(), made_batches(),
                     accumulation_steps=2 if name == "sgd" else 1) for device in ("cpu", "all")]
        for name in OPTIMIZERS
    }  # fmt: skip
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
