"""A sound plugin of every kind: what the seeded faults are made from."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from pydantic import ConfigDict, Field

from lopore.affine import Affine
from lopore.contracts import (
    AugmentationStep,
    Backbone,
    Batch,
    Callback,
    Enhancer,
    EpochReport,
    Explainer,
    Exporter,
    LearnRequest,
    LossTerm,
    Metric,
    Params,
    Pixels,
    Predictor,
    Scores,
    StepParams,
    Trainer,
)
from lopore.errors import RunError
from lopore.hookspecs import hookimpl
from lopore.record.folder import ModelFolder


def _load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("softmax_for_faults", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


softmax = _load(Path(__file__).parents[1] / "softmax_plugin" / "lopore_softmax.py")


def plugin_of(**offers: Sequence[Any]) -> Any:
    """A plugin object that lists ``offers`` by kind."""
    made = SimpleNamespace(LOPORE_API=1)
    for kind, items in offers.items():
        setattr(made, f"lopore_{kind}", hookimpl(lister(items)))
    return made


def lister(items: Sequence[Any]) -> Callable[[], Iterable[Any]]:
    def listed() -> Iterable[Any]:
        return items

    return listed


@dataclass(frozen=True)
class Fault:
    """A plugin with one promise broken, and the checks that have to say so."""

    make: Callable[[], Any]
    promises: frozenset[str]


class Gain(Params):
    gain: float = Field(1.5, ge=0, le=4, description="Grey values are multiplied by it")


class Unbounded(Params):
    gain: float = 1.0


class Loose(Params):
    model_config = ConfigDict(frozen=True, extra="allow")


def multiplied(pixels: Pixels, params: Any) -> Pixels:
    top = np.iinfo(pixels.dtype).max
    return np.clip(pixels.astype(np.float64) * params.gain, 0, top).astype(pixels.dtype)


def multiplied_table(dtype: np.dtype[Any], params: Any) -> Pixels:
    return multiplied(np.arange(np.iinfo(dtype).max + 1).astype(dtype), params)


def as_it_was(pixels: Pixels, params: Any) -> Pixels:
    return pixels.copy()


def mirrored(pixels: Pixels, params: Any) -> Pixels:
    return pixels[:, ::-1].copy()


def mirror(shape: tuple[int, int], params: Any) -> Affine:
    return Affine(xx=-1.0, x0=float(shape[1]))


def smoothed(pixels: Pixels, params: Any) -> Pixels:
    """The mean of 3 x 3 pixels, those at the edge repeated."""
    rim = [(1, 1), (1, 1)] + [(0, 0)] * (pixels.ndim - 2)
    around = np.pad(pixels.astype(np.int64), rim, mode="edge")
    height, width = pixels.shape[:2]
    total = sum(around[y : y + height, x : x + width] for y in range(3) for x in range(3))
    return np.asarray(total // 9, pixels.dtype)


SMOOTH = Enhancer(name="smooth", summary="Mean of 3 x 3", params=Params, apply=smoothed, reach=lambda params: 1)
GAIN = Enhancer(name="gain", summary="Brighter", params=Gain, apply=multiplied, lookup=multiplied_table)
PLAIN = Enhancer(name="plain", summary="As it was", params=Gain, apply=as_it_was)
MIRROR = Enhancer(name="mirror", summary="Left is right", params=Params, apply=mirrored, motion=mirror)


class Cells:
    """Stands for the network: heat maps would read ``grey``."""

    grey = "mean grey of 8 x 8 cells"


BACKBONE = Backbone(
    framework="softmax", name="cells", summary="Grey of 8 x 8 cells", default_size=32, explanation_layer="grey",
    pretrained=(), build=lambda request: Cells(), exact_cam=False,
)  # fmt: skip
MAPS = replace(BACKBONE, name="pixels", summary="Grey of each pixel", explanation_layer="", segmentation=True)


class SoundLearner(softmax.SoftmaxLearner):  # type: ignore[misc, name-defined]
    """The layer of ``softmax_plugin``, one of two weights a pixel for segmentation, and for anomaly the mean and
    deviation of the grey of unmarked pixels."""

    def __init__(self, request: LearnRequest) -> None:
        super().__init__(request)
        if request.task == "segmentation":
            self.weights = np.zeros((2, len(request.classes) + 1))

    def fit_epoch(self, epoch: int, batches: Iterable[Batch]) -> EpochReport:
        if self.request.task == "anomaly":
            return self._fit_sound(list(batches))
        if self.request.task == "segmentation":
            return self._fit_masks(batches)
        report: EpochReport = super().fit_epoch(epoch, batches)
        if self.request.class_weights is not None:
            report = replace(report, loss=report.loss * float(np.mean(self.request.class_weights)))
        if not np.isfinite(report.loss):
            raise RunError("the loss is no number; lower the learning rate")
        return report

    def _fit_sound(self, batches: Sequence[Batch]) -> EpochReport:
        grey = np.concatenate([batch.pixels[..., 0][batch.targets == 0] for batch in batches])
        self.weights = np.array([grey.mean(), grey.std()])
        return EpochReport(0.0, sum(len(batch.pixels) for batch in batches), 0.0, 0.1)

    def segment(self, batches: Iterable[Batch]) -> Iterator[Any]:
        for batch in batches:
            if self.request.task == "anomaly":
                apart = ((batch.pixels[..., 0] - self.weights[0]) / self.weights[1]) ** 2
                yield np.asarray(apart / (9 + apart), np.float32)[:, None]
            else:
                maps = pixel_probabilities(batch.pixels, self.weights)[0][..., 1:]
                yield np.asarray(maps.transpose(0, 3, 1, 2), np.float32)

    def _fit_masks(self, batches: Iterable[Batch]) -> EpochReport:
        images, losses = 0, []
        for batch in batches:
            p, grey = pixel_probabilities(batch.pixels, self.weights)
            truth = np.eye(p.shape[-1])[batch.targets]
            self.weights += 5 * np.einsum("nhwi,nhwk->ik", grey, truth - p) / truth[..., 0].size
            losses.append(float(-np.log(p[truth == 1]).mean()))
            images += len(p)
        return EpochReport(float(np.mean(losses)), images, 5.0, 0.1)

    def predict(self, batches: Iterable[Batch]) -> Scores:
        if self.request.task != "segmentation":
            scores: Scores = super().predict(batches)
            return scores
        return np.concatenate([largest(pixel_probabilities(batch.pixels, self.weights)[0]) for batch in batches])


def pixel_probabilities(batch: Any, weights: Any) -> tuple[Any, Any]:
    """(N, H, W, K + 1) probabilities, the background first, and what they were made of."""
    scaled = batch[..., 0].astype(np.float64) / np.iinfo(batch.dtype).max
    grey = np.stack([scaled, np.ones_like(scaled)], axis=-1)
    powers = np.exp(grey @ weights)
    return powers / powers.sum(axis=-1, keepdims=True), grey


def largest(p: Any) -> Scores:
    return np.asarray(p[..., 1:].max(axis=(1, 2)), np.float32)


class SoundSession(softmax.SoftmaxSession):  # type: ignore[misc, name-defined]
    def predict(self, batch: Any) -> Scores:
        if self.task == "segmentation":
            return largest(pixel_probabilities(batch, self.weights)[0])
        scores: Scores = super().predict(batch)
        return scores

    def segment(self, batch: Any) -> Any:
        maps = pixel_probabilities(batch, self.weights)[0][..., 1:]
        return np.asarray(maps.transpose(0, 3, 1, 2), np.float32)


TRAINER = Trainer(
    framework="softmax", summary="One layer in NumPy",
    tasks=("binary", "multiclass", "multilabel", "segmentation", "anomaly"), native_format="npy",
    devices=lambda: ["cpu"], learner=SoundLearner,
)  # fmt: skip


def _opens(folder: ModelFolder, device: str, threads: int | None) -> Any:
    return SoundSession(folder)


PREDICTOR = Predictor(name="softmax", summary="One layer in NumPy", formats=("npy",), opens=_opens)


class DoubledSession(SoundSession):
    """Opens what the exporter writes: the same weights, all times two."""

    def __init__(self, folder: ModelFolder) -> None:
        self.task, self.weights = folder.record.task, np.load(folder.file_for("twice")) / 2


TWICE = Predictor(
    name="twice", summary="Doubled weights", formats=("twice",),
    opens=lambda folder, device, threads: DoubledSession(folder),
)  # fmt: skip


def export_twice(folder: ModelFolder, target: Path, name: str = "twice.npy", shift: float = 0.0) -> Mapping[str, Any]:
    weights = np.load(folder.file_for("npy"))
    weights[:, 0] += shift
    np.save(target / name, 2 * weights)
    return {"times": 2}


EXPORTER = Exporter(
    framework="softmax", format="twice", summary="Doubled weights", file_name="twice.npy", export=export_twice
)


def darkness(session: Any, batch: Any, class_index: int) -> Any:
    grey = batch[..., 0].astype(np.float32) / np.iinfo(batch.dtype).max
    return np.maximum(np.float32(1) - grey if class_index == 0 else grey, np.float32(0))


EXPLAINER = Explainer(
    name="grey", summary="Bright for bright, dark for dark", formats=("npy",), needs="nothing", explain=darkness
)


def note_events(start: Any, params: Any) -> Any:
    """A file of its own in the run's folder, a line an event."""
    path = start.folder / "events.txt"

    def hear(event: Any) -> None:
        with path.open("a") as stream:
            stream.write(f"{event}\n")

    return hear


CALLBACK = Callback(name="notes", summary="A line an event", params=Gain, listen=note_events)


def sigmoid_losses(request: Any, gamma: float = 0.0) -> Any:
    """Squared distance of probabilities from the truth and a touch of the logits' own, of labels and of maps."""

    def losses(logits: Any, targets: Any, known: Any) -> Any:
        if request.task == "segmentation":
            p = np.exp(logits - logits.max(axis=-1, keepdims=True))
            p /= p.sum(axis=-1, keepdims=True)
            truth = np.eye(logits.shape[-1])[targets]
            weights = np.ones(logits.shape[-1]) if request.class_weights is None else np.r_[1.0, request.class_weights]
            each = ((p - truth) ** 2).sum(axis=-1) * weights[targets] * known
            return each.sum(axis=(1, 2)) / np.maximum(known.sum(axis=(1, 2)), 1)
        given = logits.astype(np.float64)[:, 0]
        p = np.where(given > 0, 1 / (1 + np.exp(-np.abs(given))), 1 - 1 / (1 + np.exp(-np.abs(given))))
        weights = np.ones(2) if request.class_weights is None else np.asarray(request.class_weights)
        return (p - targets) ** 2 * weights[targets]

    return losses


LOSS = LossTerm(
    framework="softmax", name="brier", summary="Squared distance from the truth", tasks=("binary", "segmentation"),
    build=sigmoid_losses, weighs_classes=True,
)  # fmt: skip


def brier(labels: Any, scores: Any, weights: Any) -> float:
    """Weighted mean of the squared distances."""
    total = weights.sum()
    return float((weights * (scores - labels) ** 2).sum() / total) if total > 0 else float("nan")


def brier_rows(labels: Any, scores: Any, weights: Any) -> Any:
    with np.errstate(invalid="ignore"):
        return weights @ (scores - labels) ** 2 / weights.sum(axis=1)


METRIC = Metric(
    name="brier", summary="Mean squared distance from the truth", compute=brier, rows=brier_rows,
    higher_is_better=False,
)  # fmt: skip


class Depth(StepParams):
    depth: float = Field(0.1, ge=0.02, le=0.3, description="Largest change as a share of full range")


def shaded(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
    """A slope of brightness from left to right."""
    top = np.iinfo(pixels.dtype).max
    slope = np.linspace(-1, 1, pixels.shape[1])[None, :, None] * rng.uniform(0.01, params.depth) * top
    return np.clip(np.rint(pixels + slope), 0, top).astype(pixels.dtype), mask


def shifted(size: Any, params: Any, rng: Any) -> Any:
    return Affine(x0=float(rng.integers(1, 6)))


SHADE = AugmentationStep(name="shade", summary="A slope of brightness", params=Depth, changes=shaded)
SHIFT = AugmentationStep(name="shift", summary="A few pixels aside", params=StepParams, moves=shifted)
SOUND: dict[str, list[Any]] = {
    "enhancers": [GAIN, PLAIN, MIRROR, SMOOTH],
    "backbones": [BACKBONE, MAPS],
    "trainers": [TRAINER],
    "predictors": [PREDICTOR, TWICE],
    "exporters": [EXPORTER],
    "explainers": [EXPLAINER],
    "callbacks": [CALLBACK],
    "losses": [LOSS],
    "metrics": [METRIC],
    "augmentations": [SHADE, SHIFT],
}


def with_one(kind: str, entry: Any) -> Any:
    """The sound plugin with the first entry of one kind replaced, enhancers left out."""
    offers = {name: items for name, items in SOUND.items() if name != "enhancers"}
    return plugin_of(**{**offers, kind: [entry, *offers[kind][1:]]})
