"""A backbone from another package is trained, published and opened again like one of timm's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made.learning import request
from made.plugins import install, on_path

from lopore.contracts import Batch, LearnRequest
from lopore.errors import ConfigError, PluginError
from lopore.training_settings import Optimizer, Schedule
from lopore_torch.learner import TorchLearner

PLUGIN = """
from lopore.contracts import Backbone
from lopore.hookspecs import hookimpl

LOPORE_API = 1


def build(request):
    from torch import nn

    from lopore_torch.network import Classifier

    body = nn.Sequential(nn.Conv2d(request.channels, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    body.append(nn.Linear(8, request.outputs))
    network = Classifier(body, request.channels)
    network.normalise.set((0.5,) * request.channels, (0.25,) * request.channels, request.depth)
    return network


@hookimpl
def lopore_backbones():
    facts = dict(framework="torch", default_size=32, explanation_layer="body.0", pretrained=(), exact_cam=False)
    yield Backbone(name="handmade", summary="One convolution", build=build, **facts)
    yield Backbone(name="bare", summary="Forgets the wrapper", build=lambda request: object(), **facts)
"""


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[None]:
    install(tmp_path / "site", "handmade-backbone", PLUGIN)
    with on_path(tmp_path / "site"):
        yield


def asked(backbone: str, **changes: Any) -> LearnRequest:
    rate, steady = Optimizer(learning_rate=0.05), Schedule(name="constant")
    return request(backbone, 32, epochs=1, steps_per_epoch=20, optimizer=rate, schedule=steady, **changes)


@pytest.mark.usefixtures("installed")
def test_it_learns_is_published_and_answers_the_same_when_rebuilt(tmp_path: Path) -> None:
    grey = np.random.default_rng(0).integers(0, 256, 160)
    pixels = np.repeat(grey, 32 * 32).reshape(-1, 32, 32, 1).astype(np.uint8)
    targets = (grey > 127).astype(np.int64)
    batches = [Batch(pixels[at : at + 8], targets[at : at + 8]) for at in range(0, 160, 8)]
    learner = TorchLearner(asked("handmade"))
    for epoch in range(8):
        learner.fit_epoch(epoch, batches)
    scores = learner.predict(batches)
    assert ((scores[:, 1] > 0.5) == targets).mean() > 0.95
    learner.publish(tmp_path)
    again = TorchLearner(asked("handmade"))
    again.network.load_state_dict(torch.load(tmp_path / "model_best.pth", weights_only=True))
    assert np.array_equal(again.predict(batches), scores)


@pytest.mark.usefixtures("installed")
def test_a_backbone_that_builds_something_else_is_one_line() -> None:
    with pytest.raises(PluginError, match=r"torch/bare' of handmade-backbone 1.0 built a object; it returns"):
        TorchLearner(asked("bare"))


@pytest.mark.usefixtures("installed")
def test_what_it_does_not_know_of_is_refused_and_not_forgotten() -> None:
    with pytest.raises(ConfigError, match="torch/handmade takes one channel as it is, so leave grey_input out"):
        TorchLearner(asked("handmade", network_grey_input="convolution"))
