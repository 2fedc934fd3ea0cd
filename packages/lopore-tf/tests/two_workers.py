"""Run by ``test_distributed``, once a worker of ``TF_CONFIG``: trains on its share and writes what it saw."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import two_devices
from tf_films import TINY, tiny

from lopore.contracts import Batch
from lopore_tf.cluster import process_rank

WHOLES = (6, 5, 4)
"""Sizes of the whole batches: even and uneven; core makes none that leaves a process without an image."""


def share(batch: Batch, rank: int, world: int) -> Batch:
    assert batch.targets is not None
    return Batch(batch.pixels[rank::world], batch.targets[rank::world], global_batch_size=len(batch.pixels))


def learn(folder: Path, name: str, rank: int, world: int) -> dict[str, Any]:
    """What this process saw; a world of 1 takes whole batches."""
    whole = two_devices.made_batches(WHOLES)
    given = [share(batch, rank, world) for batch in whole] if world > 1 else whole
    steps = 2 if name == "sgd" else 1
    return two_devices.learn("cpu", folder / f"{name}-{rank}", name, given, whole, accumulation_steps=steps)


def main() -> None:
    from lopore_tf.architectures import ARCHITECTURES

    ARCHITECTURES[TINY] = tiny()  # type: ignore[index]
    folder, (rank, world) = Path(sys.argv[1]), process_rank()
    told = {name: learn(folder, name, rank, world) for name in two_devices.OPTIMIZERS}
    (folder / f"{rank}.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
