"""Networks of task anomaly: features of a frozen backbone, and how far each place lies from those of sound images.

After PatchCore (Roth et al., CVPR 2022: features of two stages, each averaged over its neighbours, and the nearest
place of a memory bank) and PaDiM (Defard et al., ICPR Workshops 2021: Mahalanobis distance of fewer dimensions). Films
shift, so one Gaussian stands for all places. All is convolution, sum and minimum, which every export has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lopore.contracts import NetworkRequest
from lopore.errors import ConfigError
from lopore.training_settings import Anomaly

from .network import COLOURS, Segmenter, known_name

STEEPNESS = 2.0
"""Logits of a map per factor e of the squared distance: twice the distance of an even chance has 0.94, half has 0.06.
Powers leave an order among marks far away, where an exponential would round them all to 1."""
NEAREST = 0.01
"""Of the squared distance of an even chance: nothing counts as nearer, so that rounding there moves no map."""
AT_ONCE = 512
"""Places of the memory bank that are compared at once, which bounds memory."""


class StageEncoder(nn.Module):
    """Some stages of a timm network. (N, planes, H, W) to a list of (N, C, H / stride, W / stride), finest first."""

    def __init__(self, name: str, planes: int, strides: Sequence[int]) -> None:
        super().__init__()
        self.model = _stages(name, planes, strides)
        self.channels: list[int] = list(cast(Any, self.model.feature_info).channels())

    def forward(self, planes: Tensor) -> list[Tensor]:
        return list(self.model(planes))


def _stages(name: str, planes: int, strides: Sequence[int]) -> nn.Module:
    import timm

    known_name(name)
    try:
        with torch.device("meta"):
            every: Any = timm.create_model(name, pretrained=False, features_only=True)
        found = list(every.feature_info.reduction())
        chosen = tuple(found.index(stride) for stride in strides if stride in found)
        if len(chosen) == len(strides):
            model: nn.Module = timm.create_model(
                name, pretrained=False, features_only=True, out_indices=chosen, in_chans=planes
            )
            return model
    except (RuntimeError, ValueError, AttributeError, KeyError, TypeError, AssertionError) as error:
        text = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"'{name}' gives no stages for task anomaly ({text}); take resnet18 or tf_efficientnet_lite0"
        ) from None
    have = ", ".join(map(str, sorted(set(found))))
    raise ConfigError(f"anomaly.strides {list(strides)}: {name} has stages of {have} px; choose among them")


class PlaceDistance(nn.Module):
    """Squared distance of each place from the sound ones, (N, 1, h, w), of an encoder's stages.

    projection: (D, C) standardises the C channels of all stages and mixes them to D. bank: (M, D) of a memory bank, or
    (1, D) of zeros where the projection already makes the covariance of sound places one.
    """

    projection: Tensor
    offset: Tensor
    bank: Tensor

    def __init__(self, channels: int, dimensions: int, bank: int, strides: Sequence[int]) -> None:
        super().__init__()
        self.scales = [stride // strides[0] for stride in strides]
        self.register_buffer("projection", torch.eye(dimensions, channels))
        self.register_buffer("offset", torch.zeros(dimensions))
        self.register_buffer("bank", torch.zeros(bank, dimensions))

    def stack(self, stages: Sequence[Tensor]) -> Tensor:
        """All stages on the finest grid, (N, C, h, w), each value the mean of its place and the eight around it.

        Beyond the image counts as nought, as in PatchCore: a mean of what is there alone makes places at the rim, whose
        features the network's own padding bends, stand out (ROC AUC by image of magnetic tiles 0.73 in place of 0.86).
        """
        around = [functional.avg_pool2d(one, 3, stride=1, padding=1) for one in stages]
        grids = [
            one if scale == 1 else functional.interpolate(one, scale_factor=float(scale), mode="bilinear")
            for one, scale in zip(around, self.scales, strict=True)
        ]
        return torch.cat(grids, dim=1)

    def describe(self, stacked: Tensor) -> Tensor:
        """(N, D, h, w) of what ``stack`` gives."""
        return functional.conv2d(stacked, self.projection[:, :, None, None], self.offset)

    def distance(self, described: Tensor) -> Tensor:
        """(N, 1, h, w) squared distance to the nearest place of the bank, a dimension."""
        nearest: Tensor | None = None
        for part in torch.split(self.bank, AT_ONCE):
            lengths = (part**2).sum(dim=1)
            found = functional.conv2d(described, -2.0 * part[:, :, None, None], lengths).amin(dim=1, keepdim=True)
            nearest = found if nearest is None else torch.minimum(nearest, found)
        assert nearest is not None
        return ((described**2).sum(dim=1, keepdim=True) + nearest).clamp_min(0.0) / self.bank.shape[1]

    def forward(self, stages: Sequence[Tensor]) -> Tensor:
        return self.distance(self.describe(self.stack(stages)))


class DistanceToLogits(nn.Module):
    """Squared distances (N, 1, h, w) to logits (N, 2, H, W) of sound and unlike, even at the distance ``level``."""

    level: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("level", torch.ones(()))

    def forward(self, distance: Tensor) -> Tensor:
        drawn = functional.interpolate(distance / self.level, scale_factor=float(self.scale), mode="bilinear")
        unlike = STEEPNESS * drawn.clamp_min(NEAREST).log()
        return torch.cat([torch.zeros_like(unlike), unlike], dim=1)


class AnomalyBody(nn.Module):
    """Encoder, distance and logits under the names of a U-Net's parts, so that what takes one takes the other."""

    def __init__(self, name: str, planes: int, settings: Anomaly) -> None:
        super().__init__()
        self.encoder = StageEncoder(name, planes, settings.strides)
        channels = sum(self.encoder.channels)
        rows = settings.bank if settings.method == "memory-bank" else 1
        self.decoder = PlaceDistance(channels, min(settings.dimensions, channels), rows, settings.strides)
        self.segmentation_head = DistanceToLogits(settings.strides[0])

    def forward(self, planes: Tensor) -> Tensor:
        logits: Tensor = self.segmentation_head(self.decoder(self.encoder(planes)))
        return logits


class AnomalyMapper(Segmenter):
    """A network of task anomaly: a ``Segmenter`` whose one class is ``anomaly``."""

    body: AnomalyBody


def build_anomaly(name: str, request: NetworkRequest, planes: int) -> AnomalyMapper:
    """The network of a request whose ``anomaly`` is given; it compares with nothing before it is fitted.

    Raises ConfigError for sizes that are no multiples of the coarsest stride, and for backbones without such stages.
    """
    settings = request.anomaly
    assert settings is not None
    stride = math.lcm(*settings.strides)
    if any(length % stride for length in request.size):
        raise ConfigError(
            f"anomaly.strides {list(settings.strides)} take sizes that are multiples of {stride}, not {request.size}; "
            "change preprocessing.size"
        )
    colour = request.grey_input == "convolution"
    return AnomalyMapper(AnomalyBody(name, COLOURS if colour else planes, settings), planes, colour=colour)
