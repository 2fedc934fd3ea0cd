"""HaarNet: wavelet stem, depthwise-separable residual stages, and a head that sees features by their mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lopore.contracts import NetworkRequest
from lopore.errors import ConfigError
from lopore_torch.network import Classifier

from .haar import LEVELS, stem

SIZES: Mapping[str, tuple[tuple[int, int], ...]] = {
    "haarnet-s": ((32, 1), (64, 2), (128, 3)),
    "haarnet-m": ((64, 2), (128, 3), (256, 4)),
}
"""Width and number of blocks of each stage; every stage but the first halves the sides."""
MEAN, STD = (0.5,), (0.25,)
SMALLEST = 16


def build(request: NetworkRequest) -> Classifier:
    """The network of a request, in training mode; ConfigError where it asks for what HaarNet does not have."""
    if request.pretrained != "none":
        raise ConfigError(f"{request.backbone} has no weights '{request.pretrained}'; set model.pretrained: none")
    if request.segmentation:
        raise ConfigError(f"{request.backbone} classifies images; choose a U-Net such as unet-resnet18 instead")
    if min(request.size) < SMALLEST:
        raise ConfigError(
            f"{request.backbone} takes sides of {SMALLEST} px or more, not {request.size}; set preprocessing.size"
        )
    body = HaarNet(SIZES[request.backbone], request.channels, request.outputs, request.dropout)
    network = Classifier(body, request.channels)
    mean, std = request.mean or MEAN, request.std or STD
    network.normalise.set(_spread(mean, request.channels), _spread(std, request.channels), request.depth)
    return network


def _spread(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return values * channels if len(values) == 1 else values


class Block(nn.Module):
    """Depthwise 5 x 5, then two pointwise layers four times as wide between, added to the input.

    Source: the order of Liu et al., A ConvNet for the 2020s, CVPR 2022, with batch normalisation, which folds away.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.spatial = nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.widen = nn.Conv2d(width, 4 * width, 1)
        self.narrow = nn.Conv2d(4 * width, width, 1)
        self.scale = nn.Parameter(torch.full((width, 1, 1), 0.1))  # starts near the identity

    def forward(self, features: Tensor) -> Tensor:
        inner: Tensor = self.narrow(nn.functional.relu(self.widen(self.norm(self.spatial(features)))))
        return features + self.scale * inner


class HaarNet(nn.Module):
    """Normalised planes (N, C, H, W) to logits (N, outputs), in the two halves that heat maps need."""

    pretrained_cfg: ClassVar[Mapping[str, str]] = {"classifier": "head", "first_conv": "mix.0"}

    def __init__(self, stages: tuple[tuple[int, int], ...], planes: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.haar, width = stem(planes), stages[0][0]
        self.mix = nn.Sequential(nn.Conv2d(planes * 4**LEVELS, width, 1, bias=False), nn.BatchNorm2d(width))
        self.stages = nn.Sequential()
        for number, (wide, blocks) in enumerate(stages):
            parts: list[nn.Module] = []
            if number:
                parts += [nn.Conv2d(width, wide, 2, stride=2, bias=False), nn.BatchNorm2d(wide)]
            parts += [Block(wide) for _ in range(blocks)]
            self.stages.append(nn.Sequential(*parts))
            width = wide
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, outputs)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward_features(self, planes: Tensor) -> Tensor:
        """(N, width, H / 16, W / 16): what Grad-CAM reads."""
        features: Tensor = self.stages(self.mix(self.haar(planes)))
        return nn.functional.relu(features)

    def forward_head(self, features: Tensor) -> Tensor:
        """Logits of features; it sees them through their mean alone, so Grad-CAM is exact."""
        logits: Tensor = self.head(self.dropout(features.mean(dim=(2, 3))))
        return logits

    def forward(self, planes: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(planes))

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """The parts that ``model.freeze`` counts, from stem to last stage (timm's way to say so)."""
        return {"stem": r"^mix", "blocks": r"^stages\.(\d+)" if coarse else r"^stages\.(\d+)\.(\d+)"}
