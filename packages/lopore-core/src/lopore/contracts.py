"""What a plugin offers and what core asks of it: the one module that a plugin author reads.

Each hook returns light, frozen descriptors. A descriptor names a thing and holds the function that makes it; that
function imports the framework when it is called, never before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from .affine import Affine
from .arrays import IGNORE, Framework, HeatMaps, NamedWeights, PixelBatch, Pixels, Precision, Scores, Task

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder
    from lopore.record.model import ModelRecord

    from .training_settings import Loss, Optimizer, Schedule


__all__ = [
    "IGNORE",
    "LOPORE_API",
    "Affine",
    "Backbone",
    "Batch",
    "Descriptor",
    "Enhancer",
    "EpochReport",
    "Explainer",
    "Exporter",
    "FilmParts",
    "FilmRun",
    "Framework",
    "FreeSizeSession",
    "HeatMaps",
    "LearnRequest",
    "Learner",
    "MapLearner",
    "MapSession",
    "NamedWeights",
    "NetworkRequest",
    "NoParams",
    "Params",
    "PixelBatch",
    "Pixels",
    "Precision",
    "Predictor",
    "Scores",
    "Session",
    "StartPoint",
    "Task",
    "Trainer",
]

LOPORE_API = 1
"""The contract this lopore-core speaks; a plugin states the one it was written for as its own ``LOPORE_API``."""


class Params(BaseModel):
    """Base of an enhancer's parameters: bounds, defaults and descriptions draw controls and check configs."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NoParams(Params):
    """For an enhancer that has nothing to set."""


FilmParts: TypeAlias = Callable[[], Iterable[tuple[int, int, Pixels]]]
"""Windows that cover a film once: (top, left, pixels), read anew at each call."""


@dataclass(frozen=True, kw_only=True)
class Enhancer:
    """One image enhancement; depth and channels in are depth and channels out.

    name: kebab-case, unique among all enhancers.
    summary: one line for menus and ``--help``.
    params: its parameters; every field has a default.
    apply: ``(pixels, params) -> pixels``; input untouched, repeatable for equal parameters.
    preview_only: for the eye (edges, thresholds); refused in a model's chain.
    lookup: for pointwise enhancers, ``(dtype, params) -> table`` with one entry per grey value (256 or 65 536) of the
        same dtype, equal to ``apply`` on a single channel; neighbours in a chain fold into one table.
    motion: for enhancers that move pixels, ``((height, width), params) -> Affine`` from the input to the output.
    reach: ``(params) -> pixels``: how far away a pixel can be that changes one; 0 where there is none. A part of a film
        with that many pixels around it then gives the very pixels of the whole film. None: not known, or the whole
        film.
    survey: for what needs a film's own statistics, ``(parts, (height, width), dtype, params) -> apply``. ``parts()``
        yields (top, left, pixels) of windows that cover the film once; ``apply(pixels, top, left)`` enhances any
        window.
    """

    name: str
    summary: str
    params: type[Params]
    apply: Callable[[Pixels, Any], Pixels]
    preview_only: bool = False
    lookup: Callable[[np.dtype[Any], Any], Pixels] | None = None
    motion: Callable[[tuple[int, int], Any], Affine] | None = None
    reach: Callable[[Any], int] | None = None
    survey: Callable[[FilmParts, tuple[int, int], np.dtype[Any], Any], Callable[[Pixels, int, int], Pixels]] | None = (
        None
    )
    presets: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """Named chains that this enhancer leads: title -> steps ``{"name": ..., **parameters}``."""

    @property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True, kw_only=True)
class NetworkRequest:
    """What a backbone is to build.

    The network takes raw integer pixels in ``layout`` order, normalises inside, and returns logits ``(N, outputs)``
    (``(N, outputs, H, W)`` for segmentation).

    backbone: the name after ``framework/``, such as ``resnet18``.
    outputs: 1 for binary, K for multiclass and multilabel, K + 1 (background first) for segmentation.
    channels: 1 or 3. size: (height, width). depth: 8 or 16 bits a channel.
    mean, std: per RGB channel of pixels scaled to 0..1, or None: the values that belong to the pretrained weights.
    pretrained: "none", "hub", "offline" or the path of a weights file; with ``pretrained_sha256`` for a file.
    """

    backbone: str
    outputs: int
    channels: int
    size: tuple[int, int]
    depth: int = 8
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    pretrained: str = "none"
    pretrained_sha256: str | None = None
    dropout: float = 0.0
    segmentation: bool = False


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """One network that a framework can build.

    name: such as ``resnet18``; ``key`` is ``framework/name``.
    default_size: side of the square input it was made for, in pixels.
    explanation_layer: the layer whose features Grad-CAM reads, as the framework names it.
    pretrained: the sources of weights it knows: any of "offline", "hub", "file".
    exact_cam: the head allows Grad-CAM in closed form, so an exported file can carry it.
    build: ``(NetworkRequest) -> network`` of the framework.
    family: for a descriptor that stands for many names ("any timm network"): ``(name) -> Backbone | None``.
    """

    framework: Framework
    name: str
    summary: str
    default_size: int
    explanation_layer: str
    pretrained: tuple[str, ...]
    build: Callable[[NetworkRequest], Any]
    exact_cam: bool = True
    segmentation: bool = False
    family: Callable[[str], Backbone | None] | None = None

    @property
    def key(self) -> str:
        return f"{self.framework}/{self.name}"


@dataclass(frozen=True)
class Batch:
    """A slice of training or evaluation data.

    pixels: (N, H, W, C) uint8 or uint16. targets: (N,) int64 class indices for binary and multiclass, (N, K) float32
    of 0 and 1 for multilabel, (N, H, W) int64 for segmentation masks (0 background, 1..K, ``IGNORE`` not known); None
    at prediction.
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

    steps_per_epoch: optimiser steps in an epoch, accumulation counted in. class_weights: (K,) or None; of several
    labels, of the images that have each.
    ema_decay: weight of exponential averaging (0 is off); the averaged weights predict and are published.
    freeze: "none", "stem", "half", "backbone": which part of the network keeps its weights and statistics.
    start: a model to begin with: what fits by name and shape is taken, the rest is as it was drawn, and ``facts`` tells
    under ``started_from`` (title, taken, new). ModelError where the backbone does not fit.
    device: "auto", "cpu", "cuda", "cuda:1" and so on; "all" or "cuda:0,cuda:1" where one process drives several.
    """

    task: Task
    classes: tuple[str, ...]
    network: NetworkRequest
    loss: Loss
    optimizer: Optimizer
    schedule: Schedule
    epochs: int
    steps_per_epoch: int
    batch_size: int
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
    """One epoch of training: mean loss over images, images seen, learning rate at the end, seconds waited for data."""

    loss: float
    images: int
    learning_rate: float
    seconds: float
    data_wait_seconds: float = 0.0


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

    def publish(self, folder: Path) -> Sequence[str]:
        """Write the weights in the framework's native format into the model folder; returns the file names."""
        ...


@runtime_checkable
class MapLearner(Learner, Protocol):
    """A learner of the task segmentation."""

    def segment(self, batches: Iterable[Batch]) -> Iterator[NDArray[np.float32]]:
        """Probability of each class at each pixel, (n, K, H, W) float32 for each batch as it comes, by the weights that
        ``predict`` uses. A process of several takes all batches."""
        ...


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """A framework that trains. ``native_format`` is the format its ``publish`` writes, such as ``pth``."""

    framework: Framework
    summary: str
    tasks: tuple[str, ...]
    native_format: str
    devices: Callable[[], Sequence[str]]
    learner: Callable[[LearnRequest], Learner]
    process_rank: Callable[[], tuple[int, int]] = lambda: (0, 1)
    """(rank, world): which process of a launched group this is; core gives each its share of every batch."""
    export_weights: Callable[[ModelFolder], NamedWeights] | None = None
    """For ``lopore convert`` and ``model.start_from``: the weights of a checked model folder, of a U-Net with its
    decoder; ModelError or ConfigError where the network has names of its own."""
    import_weights: Callable[[ModelRecord, NamedWeights, Path], Sequence[str]] | None = None
    """For ``lopore convert``: write another framework's weights as this one's native file into the folder; returns the
    file names, the native one first. ModelError or ConfigError where there is no such network or they do not fit."""

    @property
    def key(self) -> str:
        return self.framework


@runtime_checkable
class Session(Protocol):
    """An open model: takes raw pixels, returns probabilities; normalisation happens inside."""

    def predict(self, batch: PixelBatch) -> Scores:
        """batch (N, H, W, C) of the record's size, channels and depth; returns (N, K) float32, finite."""
        ...

    def close(self) -> None:
        """Give memory and devices back."""
        ...


@runtime_checkable
class MapSession(Session, Protocol):
    """A session of a segmentation model."""

    def segment(self, batch: PixelBatch) -> NDArray[np.float32]:
        """Probability of each class at each pixel: (N, K, H, W) float32 over the network's input."""
        ...


@runtime_checkable
class FreeSizeSession(Session, Protocol):
    """A session whose network takes images of other sizes too: any multiple of ``stride`` a side.

    A segmentation model's ``segment`` then takes them; a classifier gives the scores of many windows in one pass.
    """

    @property
    def stride(self) -> int:
        """Pixels to one cell of the network's coarsest features."""
        ...

    def window_scores(
        self, image: PixelBatch, window: tuple[int, int], rows: Sequence[int], columns: Sequence[int]
    ) -> Scores:
        """Scores (len(rows) * len(columns), K), row after row, of windows of one image that share its features.

        image: (H, W, C), sides multiples of ``stride``. window: (height, width). rows, columns: where windows begin;
        all multiples of ``stride``. ModelError for a network whose head needs more than the mean of its features.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Opens model files. ``opens(folder, device, threads)`` gets a checked folder whose sha256 sums hold.

    preference: among predictors for one format the highest is taken (a faster runtime says more than 0).
    runtime: modules that ``opens`` imports, such as ("onnxruntime",). A model from elsewhere is opened in a process
        with limits on memory and time; these are imported before, so that their share is not the model's.
    """

    name: str
    summary: str
    formats: tuple[str, ...]
    opens: Callable[[ModelFolder, str, int | None], Session]
    preference: int = 0
    runtime: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.name


FilmRun: TypeAlias = Callable[[Pixels, tuple[float, float] | None], Mapping[str, NDArray[Any]]]
"""Runs a file that takes whole films; see ``Exporter.opens_film``."""


@dataclass(frozen=True, kw_only=True)
class Exporter:
    """Writes a model in another format. ``export(model, folder)`` writes ``folder / file_name`` and returns its notes.

    source: the framework whose native file it reads. tolerance: the largest |dp| its gate allows.
    quantised: answers may move; the gate then asks for equal decisions at the stated rate instead.
    opens_film: for a format that takes whole films as they are read, with window and resize inside:
        ``opens_film(path)`` gives ``run(pixels, window) -> {"scores": (K,), "decision": (K,), "maps": (K, h, w)}``,
        maps only where the file has them; window is that of the file's tags or None. The gate compares real films.
    """

    framework: Framework
    format: str
    summary: str
    file_name: str
    export: Callable[[ModelFolder, Path], Mapping[str, Any]]
    tolerance: float = 1e-4
    quantised: bool = False
    opens_film: Callable[[Path], FilmRun] | None = None

    @property
    def key(self) -> str:
        return f"{self.framework}/{self.format}"


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """Shows what drove a prediction. ``explain(session, batch, class_index)`` returns raw maps, non-negative.

    name: such as ``grad-cam``. formats: the formats whose sessions it can read, ("*",) for any session.
    needs: "gradients", "features" or "nothing" (then it works on any session).
    fits: says whether this very session can be explained (an ONNX file without feature outputs cannot).
    scale: what the map's values are, for the colour bar, such as "logit"; "probability" is drawn from 0 to 1.
    source: where the method is published.
    """

    name: str
    summary: str
    formats: tuple[str, ...]
    needs: Literal["gradients", "features", "nothing"]
    explain: Callable[[Any, PixelBatch, int], HeatMaps]
    fits: Callable[[Any], bool] = lambda session: True
    scale: str = "raw"
    source: str = ""

    @property
    def key(self) -> str:
        return f"{'+'.join(self.formats)}/{self.name}" if self.formats != ("*",) else self.name


Descriptor: TypeAlias = Enhancer | Backbone | Trainer | Predictor | Exporter | Explainer
"""What a hook yields: a light, frozen object that names a thing and holds the function that makes it."""
