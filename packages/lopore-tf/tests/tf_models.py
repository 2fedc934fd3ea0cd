"""Model folders of networks that learned ``made.films``: trained once a test run, however many tests ask."""

from __future__ import annotations

import shutil
from functools import cache, partial
from pathlib import Path
from typing import Any

from made.films import batches, films
from made.learning import publish
from made.learning import tf_request as request
from made.once import made_once

from lopore.record.folder import ModelFolder
from lopore.training_settings import Optimizer

STEPS = 60
SIZES = {"resnet18": 8, "mobilenetv3": 16}
"""Images a step: those of a ResNet take long; MobileNetV3 does not learn the films from as few."""
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
    return ModelFolder.read(made_once(f"{name}/conformance/1", partial(_learn, name)))


def _learn(name: str, folder: Path) -> None:
    from lopore_tf import plugin
    from lopore_tf.learner import TensorFlowLearner

    learner = TensorFlowLearner(request(**NETWORKS[name], epochs=1, steps_per_epoch=STEPS))
    learner.fit_epoch(0, batches(STEPS * SIZES[name], SIZES[name]))
    (trainer,) = plugin.lopore_trainers()
    publish(trainer, learner, folder)


@cache
def opened(name: str) -> Any:
    """A session over ``learned(name)`` that tests share; none of them closes it."""
    from lopore_tf.predict import open_keras

    return open_keras(learned(name), "cpu", 1)


@cache
def twin(name: str) -> ModelFolder:
    """The same weights in PyTorch."""
    folder = made_once(f"{name}-twin", partial(_convert, name))
    return ModelFolder.read(folder / "conformance" / "1-torch")


def _convert(name: str, folder: Path) -> None:
    from lopore.export.convert import convert_model

    convert_model(copy_of(learned(name), folder / "conformance" / "1"), "torch", films(4, seed=3)[0])


def copy_of(folder: ModelFolder, target: Path) -> ModelFolder:
    """The same model elsewhere, for tests that change it."""
    shutil.copytree(folder.path, target)
    return ModelFolder.read(target)
