"""``model.start_from: weld``: the shipped weights fill a network of another training, whatever its classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lopore.config.experiment import Experiment
from lopore.training.warm_start import start_point
from lopore_torch.network import Segmenter
from lopore_torch.small_unet import SmallUNet
from lopore_torch.warm_start import shared_names


def experiment(**model: str) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "mine",
            "trainer": "torch",
            "task": "segmentation",
            "data": {"manifest": "mine.csv"},
            "preprocessing": {"channels": 1, "depth": 16, "size": 128, "resize": "tile", "mm_per_pixel": 0.1},
            "model": {"backbone": "unet-small", **model},
        }
    )


def test_the_shipped_model_starts_a_training_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOPORE_BLOCK", raising=False)
    monkeypatch.chdir(tmp_path)
    start = start_point(experiment(start_from="weld"))
    assert start is not None and start.title.startswith("weld/")
    assert (start.task, start.depth) == ("segmentation", 16)
    network = Segmenter(SmallUNet(1, len(start.classes) + 1), 1)
    wanted = {shared: tuple(network.state_dict()[name].shape) for name, shared in shared_names(network)}
    found = {name: tuple(np.shape(value)) for name, value in start.weights.items()}
    assert wanted.keys() == found.keys()
    assert {name for name in wanted if name.startswith("head.")} == {"head.weight", "head.bias"}
    assert all(found[name] == shape for name, shape in wanted.items() if not name.startswith("normalise."))
