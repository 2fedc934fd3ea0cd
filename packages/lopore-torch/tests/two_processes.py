"""Run by torchrun in ``test_distributed``: each process trains on its share and writes what it saw."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from made.films import films
from made.learning import request

from lopore.contracts import Batch
from lopore.training_settings import Optimizer
from lopore_torch.distributed import process_rank
from lopore_torch.learner import TorchLearner

SIDE = 40
BACKBONES = ("resnet18", "mobilenetv3_small_100")
WHOLES = (6, 5, 1, 4)
"""Sizes of the whole batches: even, uneven, too small for both processes, and one more."""


def made_batches() -> list[Batch]:
    pixels, targets, _ = films(sum(WHOLES), side=SIDE)
    ends = [sum(WHOLES[: n + 1]) for n in range(len(WHOLES))]
    return [Batch(pixels[end - n : end], targets[end - n : end]) for n, end in zip(WHOLES, ends, strict=True)]


def share(batch: Batch, rank: int, world: int) -> Batch:
    assert batch.targets is not None
    return Batch(batch.pixels[rank::world], batch.targets[rank::world], global_batch_size=len(batch.pixels))


def learn(backbone: str, rank: int, world: int) -> tuple[TorchLearner, list[float]]:
    optimizer = Optimizer(name="sgd", learning_rate=0.02, clip_norm=1.0)
    asked = request(backbone, network_size=(SIDE, SIDE), optimizer=optimizer, accumulation_steps=2, ema_decay=0.5)
    learner = TorchLearner(asked)
    given = [share(batch, rank, world) if world > 1 else batch for batch in made_batches()]
    return learner, [learner.fit_epoch(epoch, given).loss for epoch in range(2)]


def observe(learner: TorchLearner, losses: list[float]) -> dict[str, Any]:
    """What all processes, one or two, have to agree on."""
    weight = next(learner.network.body.parameters()).detach().flatten()[:50]
    return {"losses": losses, "scores": learner.predict(made_batches()).tolist(), "weight": weight.tolist()}


def try_plans(rank: int, world: int) -> list[str]:
    """The trial of precision and layout, which all processes have to take together and agree on."""
    learner = TorchLearner(request(BACKBONES[1], network_size=(SIDE, SIDE), deterministic=False, precision="auto"))
    learner.fit_epoch(0, [share(made_batches()[0], rank, world)])
    return [learner.facts()["precision"], learner.facts()["memory_format"]]


def main() -> None:
    rank, world = process_rank()
    told: dict[str, Any] = {backbone: observe(*learn(backbone, rank, world)) for backbone in BACKBONES}
    told["plan"] = try_plans(rank, world)
    Path(sys.argv[1], f"{rank}.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
