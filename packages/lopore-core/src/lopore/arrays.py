"""What arrays mean between core and plugins: grey values, batches, scores, maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[Any]
"""``(H, W)`` or ``(H, W, 3)`` RGB, uint8 or uint16."""
PixelBatch: TypeAlias = NDArray[Any]
"""``(N, H, W, C)``, uint8 or uint16, C 1 or 3: what a network takes, normalisation being part of the network."""
Scores: TypeAlias = NDArray[np.float32]
"""``(N, K)`` probabilities in 0..1, K in the order of the model's classes."""
HeatMaps: TypeAlias = NDArray[np.float32]
"""``(N, h, w)`` on the explainer's own scale, never stretched; ``(h, w)`` spans the network's input evenly."""
NamedWeights: TypeAlias = Mapping[str, NDArray[np.float32]]
"""A classifier's weights and statistics between frameworks, float32: timm's names and layouts (convolutions (out, in,
height, width)), the classifier as ``head.weight`` and ``head.bias``, and ``normalise.scale`` and ``normalise.shift``
(planes,), by which pixels become ``pixel * scale + shift``; a plane beyond the channels is constant."""

IGNORE: Final = 255
"""In a segmentation target, beside 0 for background and 1..K for the classes: this pixel is not known. Loss and metrics
leave it out."""

Task: TypeAlias = Literal["binary", "multiclass", "multilabel", "segmentation", "anomaly"]
"""binary and multiclass: rows of scores sum to 1. multilabel, segmentation and anomaly: every class by itself, for the
last two, which give maps, the largest value of the class over the pixels."""
ANOMALY: Final = "anomaly"
"""The one class of an anomaly model: whatever is unlike the sound images that it learned from."""


def gives_maps(task: str) -> bool:
    """Whether models of a task answer with a map a class, (K, H, W), beside their scores."""
    return task in ("segmentation", ANOMALY)


def outputs_of(task: str, classes: int) -> int:
    """How many outputs the network of a task has: 1 for binary, a background more where it gives maps."""
    return 1 if task == "binary" else classes + gives_maps(task)


Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]
"""How numbers are kept in training; ``auto`` leaves the choice to the backend, which measures."""
Framework: TypeAlias = str
"""What a trainer calls its library, such as ``torch``; it begins the keys of backbones and exporters."""
