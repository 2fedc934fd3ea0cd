"""Made pictures with clear defects, and the requests and records that tests train them with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.config import Loss, Optimizer, Schedule
from lopore.contracts import Batch, LearnRequest, NetworkRequest
from lopore.files import sha256_of
from lopore.model import LeakReport, ModelFile, ModelFolder, ModelRecord, Threshold
from lopore.preprocess import Preprocessing

SIDE = 64
LEARNED: dict[str, Any] = {"backbone": "resnet18", "steps": 60, "size": 16, "optimizer": Optimizer(learning_rate=2e-3)}
"""Arguments of the ``trained`` fixture for a network that has learned ``films``."""


def films(
    count: int, seed: int = 0, side: int = SIDE, depth: int = 8
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[Any]]:
    """Noise, a bright disc in every second one: pixels (N, S, S, 1), targets (N,), centres (N, 2) as row, column."""
    rng = np.random.default_rng(seed)
    targets = np.arange(count) % 2
    centres = rng.uniform(0.2 * side, 0.8 * side, (count, 2))
    rows, columns = np.mgrid[0:side, 0:side] + 0.5
    values = rng.normal(90, 8, (count, side, side))
    distance = np.hypot(rows - centres[:, 0, None, None], columns - centres[:, 1, None, None])
    values += 110 * (distance < 0.14 * side) * targets[:, None, None]
    scale = 257.0 if depth == 16 else 1.0
    pixels = np.clip(np.rint(values * scale), 0, 2**depth - 1).astype(np.uint8 if depth == 8 else np.uint16)
    return pixels[..., None], targets.astype(np.int64), centres


def batches(count: int, size: int, seed: int = 0, **options: Any) -> list[Batch]:
    pixels, targets, _ = films(count, seed, **options)
    return [Batch(pixels[i : i + size], targets[i : i + size]) for i in range(0, count, size)]


def request(backbone: str = "resnet18", **changes: Any) -> LearnRequest:
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


def record_for(asked: LearnRequest, facts: Any) -> ModelRecord:
    network = asked.network
    recipe = Preprocessing(
        channels=network.channels, depth=network.depth, size=network.size,  # type: ignore[arg-type]
        mean=tuple(facts["mean"]), std=tuple(facts["std"]),
    )  # fmt: skip
    return ModelRecord(
        name="made", version="1", created="2026-01-01T00:00:00Z", task=asked.task, classes=asked.classes,
        positive=asked.classes[1] if asked.task == "binary" else None, preprocessing=recipe,
        preprocessing_fingerprint=recipe.fingerprint, framework="torch", backbone=network.backbone,
        architecture={key: facts[key] for key in ("backbone", "outputs", "dropout", "mean", "std")},
        threshold=Threshold(value=0.5, rule="fixed", chosen_on="validation"), leaks=LeakReport(split_kind="group"),
    )  # fmt: skip


def publish(learner: Any, folder: Path) -> ModelFolder:
    """The learner's weights as a checked model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [ModelFile(path=name, sha256=sha256_of(folder / name), format="pth") for name in learner.publish(folder)]
    record = record_for(learner.request, learner.facts()).model_copy(update={"files": tuple(files)})
    (folder / "lopore.json").write_text(record.to_json(), encoding="utf-8")
    return ModelFolder.read(folder)
