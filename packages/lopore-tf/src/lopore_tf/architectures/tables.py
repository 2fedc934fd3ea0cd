"""The EfficientNet and MobileNet networks as rows of blocks: timm's names, the papers' tables."""

from __future__ import annotations

import math
from dataclasses import replace

from .inverted import Block, Inverted, Squeeze, in_eights
from .layers import Style

TF_EPSILON = 1e-3
"""Batch normalisation's epsilon in networks whose weights were trained in TensorFlow."""


def _efficientnet(squeeze: float, width: float = 1.0, depth: float = 1.0) -> tuple[tuple[Block, ...], ...]:
    """Tan and Le, ICML 2019, table 1, scaled as in its section 3; their first and last stage keep one block."""
    stages = (
        Block("separable", 16, squeeze=squeeze),
        Block("inverted", 24, stride=2, expand=6, repeats=2, squeeze=squeeze),
        Block("inverted", 40, kernel=5, stride=2, expand=6, repeats=2, squeeze=squeeze),
        Block("inverted", 80, stride=2, expand=6, repeats=3, squeeze=squeeze),
        Block("inverted", 112, kernel=5, expand=6, repeats=3, squeeze=squeeze),
        Block("inverted", 192, kernel=5, stride=2, expand=6, repeats=4, squeeze=squeeze),
        Block("inverted", 320, expand=6, squeeze=squeeze),
    )
    return tuple((_scaled(block, width, depth),) for block in stages)


def _scaled(block: Block, width: float, depth: float) -> Block:
    repeats = math.ceil(block.repeats * depth) if block.repeats > 1 else 1
    return replace(block, filters=in_eights(block.filters * width), repeats=repeats)


EFFICIENTNET_B0 = Inverted(Style("even", 1e-5, "silu"), 32, _efficientnet(0.25), Squeeze("silu"))
EFFICIENTNET_LITE0 = Inverted(Style("tensorflow", TF_EPSILON, "relu6"), 32, _efficientnet(0.0))
EFFICIENTNET_LITE2 = replace(EFFICIENTNET_LITE0, stages=_efficientnet(0.0, width=1.1, depth=1.2))

# Tan and Le, ICML 2021: the base model of their code.
EFFICIENTNETV2_B0 = Inverted(
    Style("tensorflow", TF_EPSILON, "silu"),
    32,
    (
        (Block("plain", 16),),
        (Block("fused", 32, stride=2, expand=4, repeats=2),),
        (Block("fused", 48, stride=2, expand=4, repeats=2),),
        (Block("inverted", 96, stride=2, expand=4, repeats=3, squeeze=0.25),),
        (Block("inverted", 112, expand=6, repeats=5, squeeze=0.25),),
        (Block("inverted", 192, stride=2, expand=6, repeats=8, squeeze=0.25),),
    ),
    Squeeze("silu"),
)

# Sandler et al., CVPR 2018, table 2.
MOBILENETV2 = Inverted(
    Style("even", 1e-5, "relu6"),
    32,
    (
        (Block("separable", 16),),
        (Block("inverted", 24, stride=2, expand=6, repeats=2),),
        (Block("inverted", 32, stride=2, expand=6, repeats=3),),
        (Block("inverted", 64, stride=2, expand=6, repeats=4),),
        (Block("inverted", 96, expand=6, repeats=3),),
        (Block("inverted", 160, stride=2, expand=6, repeats=3),),
        (Block("inverted", 320, expand=6),),
    ),
)

_V3 = Style("even", 1e-5, "hard_silu")
_V3_SQUEEZE = Squeeze("relu", gate="hard_sigmoid", of_expanded=True)

# Howard et al., ICCV 2019, tables 2 and 1.
MOBILENETV3_SMALL = Inverted(
    _V3,
    16,
    (
        (Block("separable", 16, stride=2, squeeze=0.25, activation="relu"),),
        (
            Block("inverted", 24, stride=2, expand=4.5, activation="relu"),
            Block("inverted", 24, expand=3.67, activation="relu"),
        ),
        (
            Block("inverted", 40, kernel=5, stride=2, expand=4, squeeze=0.25),
            Block("inverted", 40, kernel=5, expand=6, repeats=2, squeeze=0.25),
        ),
        (Block("inverted", 48, kernel=5, expand=3, repeats=2, squeeze=0.25),),
        (Block("inverted", 96, kernel=5, stride=2, expand=6, repeats=3, squeeze=0.25),),
        (Block("plain", 576, kernel=1),),
    ),
    _V3_SQUEEZE,
    head=None,
    pooled=1024,
)
MOBILENETV3_LARGE = Inverted(
    _V3,
    16,
    (
        (Block("separable", 16, activation="relu"),),
        (
            Block("inverted", 24, stride=2, expand=4, activation="relu"),
            Block("inverted", 24, expand=3, activation="relu"),
        ),
        (Block("inverted", 40, kernel=5, stride=2, expand=3, repeats=3, squeeze=0.25, activation="relu"),),
        (
            Block("inverted", 80, stride=2, expand=6),
            Block("inverted", 80, expand=2.5),
            Block("inverted", 80, expand=2.3, repeats=2),
        ),
        (Block("inverted", 112, expand=6, repeats=2, squeeze=0.25),),
        (Block("inverted", 160, kernel=5, stride=2, expand=6, repeats=3, squeeze=0.25),),
        (Block("plain", 960, kernel=1),),
    ),
    _V3_SQUEEZE,
    head=None,
    pooled=1280,
)
