"""A framework of one layer in NumPy: enough to train, stop, resume, publish and open again through core alone."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lopore.contracts import (
    Backbone,
    Batch,
    EpochReport,
    LearnRequest,
    LossRequest,
    LossTerm,
    NetworkRequest,
    Params,
    PixelBatch,
    Predictor,
    Scores,
    Trainer,
)
from lopore.errors import ModelError
from lopore.hookspecs import hookimpl
from lopore.record.folder import ModelFolder

LOPORE_API = 1
CELLS = 8


def features(batch: PixelBatch) -> NDArray[np.float64]:
    """Mean grey, spread and darkest value of 8 x 8 cells, (N, 192)."""
    grey = batch[..., 0].astype(np.float64) / np.iinfo(batch.dtype).max
    size = grey.shape[1] // CELLS * CELLS, grey.shape[2] // CELLS * CELLS
    cells = grey[:, : size[0], : size[1]].reshape(len(grey), CELLS, size[0] // CELLS, CELLS, size[1] // CELLS)
    parts = cells.mean(axis=(2, 4)), cells.std(axis=(2, 4)), cells.min(axis=(2, 4))
    return np.concatenate([part.reshape(len(grey), -1) for part in parts], axis=1)


def scores_of(x: NDArray[np.float64], weights: NDArray[np.float64], task: str) -> NDArray[np.float64]:
    z = np.c_[x, np.ones(len(x))] @ weights
    if task in ("multilabel", "segmentation"):
        return np.asarray(1 / (1 + np.exp(-z)))
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


class SoftmaxLearner:
    """Momentum and a random mask on the features, so that a resumed run needs every part of the state."""

    def __init__(self, request: LearnRequest) -> None:
        self.request = request
        self.rng = np.random.default_rng(request.seed)
        shape = (3 * CELLS * CELLS + 1, len(request.classes))
        self.weights, self.speed = self.rng.normal(0, 0.01, shape), np.zeros(shape)
        self.observed: list[float] = []

    def facts(self) -> Mapping[str, Any]:
        channels = self.request.network.channels
        return {
            "device": "cpu", "precision": "fp64", "mean": [0.5] * channels, "std": [0.25] * channels,
            "outputs": self.request.network.outputs, "versions": {"softmax": "0.1"},
        }  # fmt: skip

    def fit_epoch(self, epoch: int, batches: Iterable[Batch]) -> EpochReport:
        began, total, images = time.perf_counter(), 0.0, 0
        rate = self.request.optimizer.learning_rate * 0.97 ** len(self.observed)
        for batch in batches:
            time.sleep(float(os.environ.get("SOFTMAX_SLOWLY", "0")))
            x = features(batch.pixels) * (self.rng.random(3 * CELLS * CELLS) < 0.8)
            p = scores_of(x, self.weights, self.request.task)
            assert batch.targets is not None
            truth = batch.targets if batch.targets.ndim == 2 else np.eye(p.shape[1])[batch.targets]
            self.speed = 0.9 * self.speed - rate * np.c_[x, np.ones(len(x))].T @ (p - truth) / len(x)
            self.weights = self.weights + self.speed
            total += float(-(truth * np.log(np.clip(p, 1e-9, 1))).sum())
            images += len(x)
        return EpochReport(total / max(images, 1), images, rate, time.perf_counter() - began)

    def predict(self, batches: Iterable[Batch]) -> Scores:
        parts = [scores_of(features(batch.pixels), self.weights, self.request.task) for batch in batches]
        return np.concatenate(parts).astype(np.float32)

    def observe(self, score: float) -> None:
        self.observed.append(score)

    def save(self, folder: Path) -> None:
        np.savez(folder / "state.npz", weights=self.weights, speed=self.speed)
        state = {"rng": self.rng.bit_generator.state, "observed": self.observed}
        (folder / "state.json").write_text(json.dumps(state))

    def restore(self, folder: Path) -> None:
        try:
            with np.load(folder / "state.npz") as data:
                self.weights, self.speed = data["weights"], data["speed"]
            state = json.loads((folder / "state.json").read_text())
        except (OSError, KeyError, ValueError) as error:
            raise ModelError(f"{folder} lacks a part of the state ({error})") from error
        self.rng.bit_generator.state, self.observed = state["rng"], state["observed"]

    def save_weights(self, folder: Path) -> None:
        np.save(folder / "weights.npy", self.weights)

    def load_weights(self, folder: Path) -> None:
        self.weights = np.load(folder / "weights.npy")

    def publish(self, folder: Path, calibration: Any = None) -> Sequence[str]:
        np.save(folder / "softmax.npy", self.weights)
        return ["softmax.npy"]


class SoftmaxSession:
    def __init__(self, folder: ModelFolder) -> None:
        self.task, self.weights = folder.record.task, np.load(folder.file_for("npy"))

    def predict(self, batch: PixelBatch) -> Scores:
        return scores_of(features(batch), self.weights, self.task).astype(np.float32)

    def close(self) -> None: ...


def _never(request: NetworkRequest) -> None:
    raise AssertionError("the softmax learner builds its own layer")


@hookimpl
def lopore_backbones() -> Iterable[Backbone]:
    yield Backbone(
        framework="softmax", name="cells", summary="Grey of 8 x 8 cells", default_size=32, explanation_layer="",
        pretrained=(), build=_never, exact_cam=False,
    )  # fmt: skip


class Floor(Params):
    floor: float = Field(1e-6, ge=1e-9, le=0.1, description="Least probability that counts")


def _log_loss(request: LossRequest) -> Any:
    """How much the truth's probability lacks, in logarithms."""

    def losses(logits: Any, targets: Any, known: Any) -> Any:
        p = np.clip(_truth(logits, targets, request.task), request.params.floor, 1)
        each, weights = -np.log(p), request.class_weights
        if weights is not None:
            of_class = np.asarray(weights)
            each = each * (np.where(targets > 0, of_class, 1.0) if each.ndim == 2 else of_class[targets])
        return each.mean(axis=1) if each.ndim == 2 else each

    return losses


def _margin(request: LossRequest) -> Any:
    """How much the truth's probability lacks."""

    def losses(logits: Any, targets: Any, known: Any) -> Any:
        each = 1 - _truth(logits, targets, request.task)
        return each.mean(axis=1) if each.ndim == 2 else each

    return losses


def _truth(logits: Any, targets: Any, task: str) -> Any:
    """Probability of what the targets say."""
    if task == "multiclass":
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (e / e.sum(axis=1, keepdims=True))[np.arange(len(e)), targets]
    turned = np.where(targets > 0, -1.0, 1.0) * (logits[:, 0] if task == "binary" else logits)
    return 1 / (1 + np.exp(turned))


@hookimpl
def lopore_losses() -> Iterable[LossTerm]:
    for name, build, params in (("cross-entropy", _log_loss, Floor), ("margin", _margin, Params)):
        yield LossTerm(
            framework="softmax", name=name, summary=f"Of one layer: {name}", build=build, params=params,
            tasks=("binary", "multiclass", "multilabel"), weighs_classes=name == "cross-entropy",
        )  # fmt: skip


@hookimpl
def lopore_trainers() -> Iterable[Trainer]:
    yield Trainer(
        framework="softmax", summary="One layer in NumPy", tasks=("binary", "multiclass", "multilabel"),
        native_format="npy", devices=lambda: ["cpu"], learner=SoftmaxLearner,
    )  # fmt: skip


@hookimpl
def lopore_predictors() -> Iterable[Predictor]:
    yield Predictor(
        name="softmax", summary="One layer in NumPy", formats=("npy",),
        opens=lambda folder, device, threads: SoftmaxSession(folder),
    )  # fmt: skip
