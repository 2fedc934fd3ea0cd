"""The stem loses nothing, the network fits what lopore asks of it, and a config trains, exports and explains it."""

from __future__ import annotations

import csv
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from lopore_haarnet.haar import Haar, stem
from lopore_haarnet.network import SIZES, build
from torch.nn import functional

from lopore import ModelFolder, NetworkRequest, open_model, read_radiograph
from lopore.errors import ConfigError


def request(backbone: str = "haarnet-s", size: tuple[int, int] = (64, 64), channels: int = 1) -> NetworkRequest:
    return NetworkRequest(backbone=backbone, outputs=2, channels=channels, size=size)


def test_the_stem_can_be_undone() -> None:
    """The transform is orthonormal: its transpose gives the image back."""
    planes = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    haar = Haar(3)
    back = functional.conv_transpose2d(haar(planes), haar.filters, stride=2, groups=3)
    assert torch.allclose(back, planes, atol=1e-6)
    assert stem(3)(planes).shape == (2, 48, 8, 12)
    assert stem(1)(planes[:, :1, :31, :45]).shape == (2, 16, 8, 12)


@pytest.mark.parametrize("backbone", SIZES)
@pytest.mark.parametrize(("size", "channels"), [((64, 64), 1), ((33, 50), 3)])
def test_any_size_and_colour_gives_logits(backbone: str, size: tuple[int, int], channels: int) -> None:
    network = build(request(backbone, size, channels)).eval()
    pixels = torch.zeros(3, *size, channels, dtype=torch.uint8)
    with torch.no_grad():
        assert network(pixels).shape == (3, 2)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"pretrained": "hub"}, "no weights 'hub'"),
        ({"size": (8, 64)}, "sides of 16 px or more"),
        ({"segmentation": True}, "classifies images"),
    ],
)
def test_what_it_does_not_have_is_said_in_one_line(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        build(replace(request(), **asked))


CONFIG = {
    "name": "haar",
    "trainer": "torch",
    "data": {"manifest": "films/manifest.csv"},
    "preprocessing": {"size": 64},
    "model": {"backbone": "haarnet-s", "freeze": "stem"},
    "training": {"epochs": 4, "batch_size": 8, "precision": "fp32", "select_by": "last", "device": "cpu"},
    "exports": ["onnx"],
}


def lopore(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lopore", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_config_trains_exports_and_explains_it(tmp_path: Path) -> None:
    """By the commands that a user types, on made films; the export has passed lopore's parity gate, heat maps too."""
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    lopore(tmp_path, "data", "synth", "films", "--size", "128", "--class", "pore=8", "--class", "no_defect=8")
    lopore(tmp_path, "data", "index", "films/labels.csv", "--out", "films/manifest.csv")
    lopore(tmp_path, "data", "split", "films/manifest.csv")
    lopore(tmp_path, "train", "--config", "config.yaml")
    model = ModelFolder.read(next((tmp_path / "models" / "final" / "haar").iterdir()))
    assert model.record.backbone == "haarnet-s"
    assert model.record.explanation.exact_cam
    assert set(model.record.formats) >= {"pth", "onnx"}
    with (model.path / "training_log.csv").open(encoding="utf-8") as log:
        losses = [float(row["loss"]) for row in csv.DictReader(log)]
    assert len(losses) == 4 and losses[-1] < losses[0]
    film = next((tmp_path / "films").rglob("*.png"))
    out = tmp_path / "heat"
    lopore(tmp_path, "explain", "--model", str(model.path), "--explainer", "grad-cam", "--out", str(out), str(film))
    assert list(out.rglob("*.png"))
    pixels = np.stack([read_radiograph(film).pixels[:64, :64, None]])
    scores = [open_model(model, runtime=format, device="cpu").session.predict(pixels) for format in ("pth", "onnx")]
    assert np.allclose(scores[0], scores[1], atol=1e-4)
