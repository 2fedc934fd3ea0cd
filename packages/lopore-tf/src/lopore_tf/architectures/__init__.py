"""The networks that lopore-tf builds: exact twins of timm's of the same names, of standard Keras layers only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import tables
from .inverted import Inverted, inverted_features
from .layers import Style
from .resnet import STYLE as RESNET_STYLE
from .resnet import Block, resnet_features

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Architecture:
    """One network.

    features: ``(pixels normalised, last=name of the last layer) -> features``. pooled: filters of the convolution that
    MobileNetV3 has behind the pooling. stem and classifier: timm's names of the first and the last layer.
    hub: the repository of timm's weights. mean, std: per colour, what these weights were trained with.
    """

    features: Callable[..., Any]
    style: Style
    stem: str
    classifier: str
    hub: str
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    pooled: int | None = None


def _resnet(block: Block, depths: tuple[int, ...], hub: str) -> Architecture:
    return Architecture(partial(resnet_features, block=block, depths=depths), RESNET_STYLE, "conv1", "fc", hub)


def _inverted(network: Inverted, hub: str, **statistics: tuple[float, ...]) -> Architecture:
    features = partial(inverted_features, network=network)
    return Architecture(
        features, network.style, "conv_stem", "classifier", hub, pooled=network.pooled, **statistics
    )  # fmt: skip


ARCHITECTURES: Mapping[str, Architecture] = {
    "resnet18": _resnet("basic", (2, 2, 2, 2), "timm/resnet18.a1_in1k"),
    "resnet34": _resnet("basic", (3, 4, 6, 3), "timm/resnet34.a1_in1k"),
    "resnet50": _resnet("bottleneck", (3, 4, 6, 3), "timm/resnet50.a1_in1k"),
    "efficientnet_b0": _inverted(tables.EFFICIENTNET_B0, "timm/efficientnet_b0.ra_in1k"),
    "tf_efficientnetv2_b0": _inverted(tables.EFFICIENTNETV2_B0, "timm/tf_efficientnetv2_b0.in1k"),
    "tf_efficientnet_lite0": _inverted(
        tables.EFFICIENTNET_LITE0, "timm/tf_efficientnet_lite0.in1k", mean=HALF, std=HALF
    ),
    "tf_efficientnet_lite2": _inverted(
        tables.EFFICIENTNET_LITE2, "timm/tf_efficientnet_lite2.in1k", mean=HALF, std=HALF
    ),
    "mobilenetv2_100": _inverted(tables.MOBILENETV2, "timm/mobilenetv2_100.ra_in1k"),
    "mobilenetv3_small_100": _inverted(tables.MOBILENETV3_SMALL, "timm/mobilenetv3_small_100.lamb_in1k"),
    "mobilenetv3_large_100": _inverted(tables.MOBILENETV3_LARGE, "timm/mobilenetv3_large_100.ra_in1k"),
}
