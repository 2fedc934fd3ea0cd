"""The tiny set learned through core's contracts: requests, the loop, and the model folder that it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lopore.arrays import ANOMALY, Task, gives_maps, outputs_of
from lopore.atomic_files import sha256_of
from lopore.contracts import Backbone, Learner, LearnRequest, NetworkRequest, Trainer
from lopore.record.folder import ModelFolder, write_model_record
from lopore.record.model import LeakReport, ModelFile, ModelRecord, Threshold
from lopore.record.preprocessing import Preprocessing

from .images import discs, discs_and_masks, in_batches

SIDE, SEGMENTATION_SIDE = 48, 64
"""Largest side of the images that the kit trains on; U-Nets halve theirs five times."""
BATCH = 16
TRAINING, HELD_OUT = 96, 24
CLASSES: dict[Task, tuple[str, ...]] = {
    "binary": ("dark", "bright"),
    "multiclass": ("dark", "bright", "plain"),
    "multilabel": ("dark", "bright"),
    "segmentation": ("dark", "bright"),
    "anomaly": (ANOMALY,),
}
RATES = (3e-3, 3e-2, 3e-4)
"""Learning rates tried in turn: a trainer passes with any of them."""
EPOCHS = 12


def request_for(trainer: Trainer, backbone: Backbone, task: Task, **changes: Any) -> LearnRequest:
    """A small deterministic run in single precision; ``changes`` replace fields, ``channels`` those of the network."""
    from lopore.plugins.registry import discover
    from lopore.training.losses import chosen_losses
    from lopore.training_settings import Anomaly, Loss, Optimizer, Schedule

    classes = CLASSES[task]
    length = min(backbone.default_size, SEGMENTATION_SIDE if backbone.segmentation else SIDE)
    network = NetworkRequest(
        backbone=backbone.name,
        outputs=outputs_of(task, len(classes)),
        channels=changes.pop("channels", 1),
        size=(length, length),
        segmentation=backbone.segmentation,
        anomaly=Anomaly(bank=200, places=2000) if task == ANOMALY else None,
    )
    rate = changes.pop("learning_rate", RATES[0])
    settings: dict[str, Any] = {
        "task": task, "classes": classes, "network": network,
        "losses": chosen_losses(Loss(), task, trainer.framework, discover().losses),
        "optimizer": Optimizer(learning_rate=rate), "schedule": Schedule(name="constant"), "epochs": EPOCHS,
        "steps_per_epoch": TRAINING // BATCH, "batch_size": BATCH, "precision": "fp32", "deterministic": True,
        "device": "cpu" if "cpu" in trainer.devices() else "auto", "threads": 1,
    }  # fmt: skip
    return LearnRequest(**{**settings, **changes})


def material(request: LearnRequest, count: int, seed: int) -> tuple[Any, Any]:
    """Images of the tiny set at the request's size, and targets of its task."""
    network, classes = request.network, len(request.classes)
    if gives_maps(request.task):
        return discs_and_masks(count, network.size, network.channels, seed)
    pixels, labels = discs(count, network.size, network.channels, network.depth, seed, classes)
    if request.task == "multilabel":
        return pixels, np.eye(classes, dtype=np.float32)[labels]
    return pixels, labels


def learn(trainer: Trainer, backbone: Backbone, task: Task) -> tuple[Learner, float, LearnRequest]:
    """Train on the tiny set until the held-out AUC reaches 0.95, with the first learning rate that brings it to 0.9."""
    best: tuple[Learner, float, LearnRequest] | None = None
    for rate in RATES:
        request = request_for(trainer, backbone, task, learning_rate=rate)
        learner, score = _run(trainer.learner(request), request)
        if best is None or score > best[1]:
            best = learner, score, request
        if score >= 0.9:
            break
    assert best is not None  # there are rates
    return best


def _run(learner: Learner, request: LearnRequest) -> tuple[Learner, float]:
    training = in_batches(*material(request, TRAINING, seed=1), BATCH)
    pixels, targets = material(request, HELD_OUT, seed=2)
    labels = targets.argmax(axis=1) if request.task == "multilabel" else targets
    score = 0.0
    for epoch in range(request.epochs):
        learner.fit_epoch(epoch, training)
        scores = np.asarray(learner.predict(in_batches(pixels, targets, BATCH)), np.float64)
        score = area_under_curve(scores[:, 1], labels == 1)
        learner.observe(score)
        if score >= 0.95:
            break
    return learner, score


def learn_masks(trainer: Trainer, backbone: Backbone, folder: Path) -> tuple[Any, ModelFolder]:
    """One epoch of discs and their masks; returns the scores of held-out images and the published model."""
    request = request_for(trainer, backbone, "segmentation", epochs=1, steps_per_epoch=2)
    learner = trainer.learner(request)
    learner.fit_epoch(0, in_batches(*material(request, 2 * BATCH, seed=1), BATCH))
    scores = np.asarray(learner.predict(in_batches(*material(request, HELD_OUT, seed=2), BATCH)))
    return scores, publish(trainer, learner, request, folder)


def area_under_curve(scores: Any, positive: Any) -> float:
    """ROC AUC as the share of pairs in the right order (Mann and Whitney, 1947); 0 where a score is no number."""
    if not np.isfinite(scores).all():
        return 0.0
    pairs = scores[positive][:, None] - scores[~positive][None, :]
    return float((pairs > 0).mean() + 0.5 * (pairs == 0).mean())


def publish(trainer: Trainer, learner: Learner, request: LearnRequest, folder: Path) -> ModelFolder:
    """The learner's weights as a model folder with its record, as a training run leaves one."""
    names = list(learner.publish(folder))
    facts = dict(learner.facts())
    network = request.network
    plan = Preprocessing.model_validate(
        {
            "channels": network.channels, "depth": network.depth, "size": network.size,
            "mean": tuple(facts["mean"]), "std": tuple(facts["std"]),
        }
    )  # fmt: skip
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    record = ModelRecord(
        name="conformance", version="1", created="2026-01-01T00:00:00+00:00", task=request.task,
        classes=request.classes, positive=request.classes[1] if request.task == "binary" else None, preprocessing=plan,
        preprocessing_fingerprint=plan.fingerprint, framework=trainer.framework, backbone=network.backbone,
        architecture={key: value for key, value in facts.items() if key not in ("versions", "trials")},
        threshold=Threshold(value=0.5, rule="fixed", chosen_on="nothing"), leaks=LeakReport(split_kind="made"),
        files=tuple(_listed(path, folder, names, trainer.native_format) for path in files),
    )  # fmt: skip
    write_model_record(folder, record)
    return ModelFolder.read(folder)


def _listed(path: Path, folder: Path, published: list[str], format: str) -> ModelFile:
    name = path.relative_to(folder).as_posix()
    return ModelFile(path=name, sha256=sha256_of(path), format=format if published[:1] == [name] else "")
