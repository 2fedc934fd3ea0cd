"""What a network offers, and what it is asked to build."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lopore.arrays import Framework
from lopore.training_settings import Anomaly

from .field_rules import check_fields


@dataclass(frozen=True, kw_only=True)
class NetworkRequest:
    """What a backbone is to build.

    The network takes raw integer pixels in ``layout`` order, normalises inside, and returns logits ``(N, outputs)``
    (``(N, outputs, H, W)`` for segmentation and anomaly).

    backbone: the name after ``framework/``, such as ``resnet18``.
    outputs: 1 for binary, K for multiclass and multilabel, K + 1 (background first) for segmentation and
    anomaly.
    channels: 1 or 3. size: (height, width). depth: 8 or 16 bits a channel.
    mean, std: per RGB channel of pixels scaled to 0..1, or None: the values that belong to the pretrained weights.
    grey_input: how one grey channel reaches a network made for three colours: "folded" sums its first convolution over
    the colours; "convolution" puts a learned 1 x 1 convolution from one to three planes before it.
    anomaly: settings of the task anomaly, else None: the network compares features with those of sound images.
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
    anomaly: Anomaly | None = None
    grey_input: Literal["folded", "convolution"] = "folded"


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

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def key(self) -> str:
        return f"{self.framework}/{self.name}"
