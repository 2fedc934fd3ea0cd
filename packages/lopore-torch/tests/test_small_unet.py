"""The small U-Net: half a million weights, from scratch, by the name unet-small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made.films import films
from made.learning import request
from torch_models import published

from lopore.contracts import Batch
from lopore.errors import ConfigError
from lopore.plugins.registry import discover
from lopore.training_settings import Optimizer
from lopore_torch.backbones import build
from lopore_torch.export import export_onnx
from lopore_torch.learner import TorchLearner
from lopore_torch.predict import open_pth


def asked(**changes: Any) -> Any:
    return request(
        "unet-small", task="segmentation", classes=("pore",), network_outputs=2, network_segmentation=True, **changes
    )


def masked(count: int, seed: int = 0) -> Batch:
    made = films(count, seed)
    return Batch(made.pixels, made.masks.astype(np.int64))


def test_it_has_half_a_million_weights_and_gives_the_input_its_size_back() -> None:
    network = build(asked().network)
    assert 450_000 < sum(weights.numel() for weights in network.parameters()) < 550_000
    assert network(torch.zeros(2, 96, 64, 1, dtype=torch.uint8)).shape == (2, 2, 96, 64)
    assert discover().backbone("torch", "unet-small").segmentation


def test_untrained_it_expects_few_marks() -> None:
    maps = build(asked().network).eval()(torch.full((1, 64, 64, 1), 128, dtype=torch.uint8)).softmax(dim=1)
    assert maps[:, 1].mean() < 0.1


def test_it_learns_where_the_disc_is_and_is_the_same_in_onnx(tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    steps = 40
    learner = TorchLearner(asked(epochs=1, steps_per_epoch=steps, optimizer=Optimizer(learning_rate=5e-3)))
    learner.fit_epoch(0, [masked(8, seed) for seed in range(steps)])
    folder = published(learner, tmp_path / "m")
    batch = masked(8, seed=99)
    maps = open_pth(folder, "cpu", 1).segment(batch.pixels)  # type: ignore[attr-defined]
    found, truth = maps[:, 0] > 0.5, batch.targets == 1
    assert (found & truth).sum() / (found | truth).sum() > 0.6
    export_onnx(folder, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    answers = session.run(None, {session.get_inputs()[0].name: batch.pixels})
    assert any(a.shape == maps.shape and np.abs(a - maps).max() < 1e-4 for a in answers)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network_size": (72, 64)}, "multiples of 16"),
        ({"network_pretrained": "offline"}, "no pretrained weights .*set it to none"),
    ],
)
def test_what_it_cannot_be_is_said_in_a_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(asked(**changes).network)
