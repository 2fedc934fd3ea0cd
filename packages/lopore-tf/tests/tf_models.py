"""Model folders of networks that learned ``tf_films.films``: trained once a session, however many tests ask."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tf_films import batches, films, request

from lopore.config import Optimizer
from lopore.contracts import LearnRequest
from lopore.files import sha256_of
from lopore.model import LeakReport, ModelFile, ModelFolder, ModelRecord, Threshold
from lopore.preprocess import Preprocessing

SIDE, STEPS = 64, 60
_PLACE = tempfile.TemporaryDirectory()
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet18": {"backbone": "resnet18", "optimizer": Optimizer(learning_rate=2e-3)},
    "mobilenetv3": {
        "backbone": "mobilenetv3_small_100", "task": "multiclass", "network_outputs": 2, "network_dropout": 0.2,
        "optimizer": Optimizer(learning_rate=3e-3),
    },
}  # fmt: skip
"""One network with a linear head and one without; binary and several classes."""


@cache
def learned(name: str) -> ModelFolder:
    """The published model of ``NETWORKS[name]`` after sixty steps: batch statistics lag behind the weights before."""
    from lopore_tf.learner import TensorFlowLearner

    asked = request(network_size=(SIDE, SIDE), epochs=1, steps_per_epoch=STEPS, **NETWORKS[name])
    learner = TensorFlowLearner(asked)
    learner.fit_epoch(0, batches(STEPS * 16, 16, side=SIDE))
    return publish(learner, asked, Path(_PLACE.name) / name / "made" / "1")


@cache
def opened(name: str) -> Any:
    """A session over ``learned(name)`` that tests share; none of them closes it."""
    from lopore_tf.predict import open_keras

    return open_keras(learned(name), "cpu", 1)


@cache
def twin(name: str) -> ModelFolder:
    """The same weights in PyTorch."""
    from lopore.convert import convert_model

    return convert_model(learned(name), "torch", films(4, seed=3, side=SIDE)[0]).folder


def record_for(asked: LearnRequest, facts: Any, framework: str = "tf") -> ModelRecord:
    network = asked.network
    recipe = Preprocessing(
        channels=network.channels, depth=network.depth, size=network.size,  # type: ignore[arg-type]
        mean=tuple(facts["mean"]), std=tuple(facts["std"]),
    )  # fmt: skip
    return ModelRecord(
        name="made", version="1", created="2026-01-01T00:00:00Z", task=asked.task, classes=asked.classes,
        positive=asked.classes[1] if asked.task == "binary" else None, preprocessing=recipe,
        preprocessing_fingerprint=recipe.fingerprint, framework=framework, backbone=network.backbone,
        architecture={key: value for key, value in facts.items() if key not in ("versions", "trials")},
        threshold=Threshold(value=0.5, rule="fixed", chosen_on="validation"), leaks=LeakReport(split_kind="group"),
    )  # fmt: skip


def publish(learner: Any, asked: LearnRequest, folder: Path, framework: str = "tf") -> ModelFolder:
    """The learner's weights as a checked model folder."""
    folder.mkdir(parents=True, exist_ok=True)
    native = {"tf": "keras", "torch": "pth"}[framework]
    files = [ModelFile(path=name, sha256=sha256_of(folder / name), format=native) for name in learner.publish(folder)]
    record = record_for(asked, learner.facts(), framework).model_copy(update={"files": tuple(files)})
    (folder / "lopore.json").write_text(record.to_json(), encoding="utf-8")
    return ModelFolder.read(folder)


def copy_of(folder: ModelFolder, target: Path) -> ModelFolder:
    """The same model elsewhere, for tests that change it."""
    import shutil

    shutil.copytree(folder.path, target)
    return ModelFolder.read(target)
