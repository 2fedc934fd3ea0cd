"""What one framework does in a training: takes batches, keeps and publishes weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import NamedWeights, PixelBatch, Precision, Scores, Task

from .backbone import NetworkRequest
from .loss import WeightedLoss

if TYPE_CHECKING:
    from lopore.record.score_calibration import ScoreCalibration
    from lopore.training_settings import Optimizer, Schedule


@dataclass(frozen=True)
class Batch:
    """A slice of training or evaluation data.

    pixels: (N, H, W, C) uint8 or uint16. targets: (N,) int64 class indices for binary and multiclass, (N, K) float32
    of 0 and 1 for multilabel, (N, H, W) int64 for masks of segmentation and anomaly (0 background, 1..K, ``IGNORE`` not
    known); None at prediction.
    """

    pixels: PixelBatch
    targets: NDArray[Any] | None = None
    global_batch_size: int | None = None
    """Images in the whole batch where this is one process's share of it (several devices), else None."""
    numbers: NDArray[np.int64] | None = None
    """(N,) which images these are, where each has the same pixels whenever it comes; None where augmentation or tiles
    change them. A learner may keep what a frozen backbone makes of them."""


@dataclass(frozen=True, kw_only=True)
class StartPoint:
    """A trained model whose weights a training begins with.

    weights: the encoder, head and normalisation as ``NamedWeights`` has them; of a U-Net also its decoder, under names
    that begin with ``decoder.``. task, classes: of that model; its head is taken where both are the run's. depth: bits
    of the pixels that its normalisation takes.
    """

    title: str
    weights: NamedWeights
    task: Task
    classes: tuple[str, ...]
    depth: int


@dataclass(frozen=True, kw_only=True)
class LearnRequest:
    """Everything a Learner is told at its start; it reads no config, file or environment by itself.

    steps_per_epoch: optimiser steps in an epoch, accumulation counted in. losses: the terms whose weighted sum is made
    small, each for this framework; empty where nothing offers any for it, then a loss of its own. class_weights: (K,)
    or None; of several labels, of the images that have each.
    ema_decay: weight of exponential averaging (0 is off); the averaged weights predict and are published.
    freeze: "none", "stem", "half", "backbone": which part of the network keeps its weights and statistics.
    start: a model to begin with: what fits by name and shape is taken, the rest is as it was drawn, and ``facts`` tells
    under ``started_from`` (title, taken, new). ModelError where the backbone does not fit.
    device: "auto", "cpu", "cuda", "cuda:1" and so on; "all" or "cuda:0,cuda:1" where one process drives several.
    """

    task: Task
    classes: tuple[str, ...]
    network: NetworkRequest
    optimizer: Optimizer
    schedule: Schedule
    epochs: int
    steps_per_epoch: int
    batch_size: int
    losses: tuple[WeightedLoss, ...] = ()
    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None
    accumulation_steps: int = 1
    ema_decay: float = 0.0
    freeze: str = "none"
    start: StartPoint | None = None
    precision: Precision = "auto"
    compile: bool = False
    seed: int = 0
    deterministic: bool = False
    device: str = "auto"
    threads: int | None = None


@dataclass(frozen=True)
class EpochReport:
    """One epoch of training: mean loss over images, images seen, learning rate at the end, seconds waited for data.

    news: what else a person should know of the epoch, on one line.
    """

    loss: float
    images: int
    learning_rate: float
    seconds: float
    data_wait_seconds: float = 0.0
    news: str = ""


@runtime_checkable
class Learner(Protocol):
    """One framework's arithmetic; core owns epochs, metrics, checkpoints and logs."""

    def facts(self) -> Mapping[str, Any]:
        """What was chosen: device, precision, memory format, parameters, mean and std in force, library versions.

        ``mean`` and ``std`` are always present, as lists per channel.
        """
        ...

    def fit_epoch(self, epoch: int, batches: Iterable[Batch]) -> EpochReport:
        """Train through ``batches`` once; ``epoch`` counts from 0. RunError where the loss is not finite."""
        ...

    def predict(self, batches: Iterable[Batch]) -> Scores:
        """Probabilities (N, K) of the averaged weights where averaging is on; for binary K is 2 and rows sum to 1."""
        ...

    def observe(self, score: float) -> None:
        """The validation score of the epoch that ended, for schedules that watch it."""
        ...

    def save(self, folder: Path) -> None:
        """Write the full state (network, optimiser, schedule, scaler, averages, random states) into ``folder``."""
        ...

    def restore(self, folder: Path) -> None:
        """Take the full state back; ModelError where any part is missing."""
        ...

    def save_weights(self, folder: Path) -> None:
        """Write the weights that ``predict`` uses into ``folder`` (best-so-far snapshots)."""
        ...

    def load_weights(self, folder: Path) -> None:
        """Take weights written by ``save_weights``."""
        ...

    def publish(self, folder: Path, calibration: ScoreCalibration | None = None) -> Sequence[str]:
        """Write the weights in the framework's native format into the model folder; returns the file names.

        calibration: of the scores, for a format that opens alone and then gives probabilities; the record holds it.
        """
        ...


@runtime_checkable
class MapLearner(Learner, Protocol):
    """A learner of a task that gives maps: segmentation or anomaly.

    Of anomaly every pixel of value 0 is sound, and nothing else is learned from; one epoch is all there is.
    """

    def segment(self, batches: Iterable[Batch]) -> Iterator[NDArray[np.float32]]:
        """Probability of each class at each pixel, (n, K, H, W) float32 for each batch as it comes, by the weights that
        ``predict`` uses. A process of several takes all batches."""
        ...
