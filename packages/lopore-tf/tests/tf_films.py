"""``made.films`` at a quarter of their area, and a network for them: requests ask for it where they name no other."""

from __future__ import annotations

from functools import partial
from typing import Any

from made import films as made_films
from made import learning

from lopore.contracts import LearnRequest

SIDE = 32
TINY = "tiny"
"""A network of the two-stage table below: all that lopore-tf does to a network, in a tenth of the time."""


def tiny(stages: int = 3) -> Any:
    """The architecture of ``TINY``, which tests put among those that ``backbones.build`` knows, or its beginning."""
    from lopore_tf.architectures import Architecture
    from lopore_tf.architectures.inverted import Block, Inverted, inverted_features
    from lopore_tf.architectures.layers import Style

    style = Style(padding="even", epsilon=1e-5, activation="relu")
    blocks = [[Block("separable", 8)], [Block("inverted", 16, stride=2, expand=2)], [Block("inverted", 24, expand=2)]]
    features = partial(inverted_features, network=Inverted(style, 8, blocks[:stages], head=48))
    return Architecture(features, style, "conv_stem", "classifier", "none")


films, batches = partial(made_films.films, side=SIDE), partial(made_films.batches, side=SIDE)


def request(backbone: str = TINY, side: int = SIDE, **changes: Any) -> LearnRequest:
    return learning.tf_request(backbone, side, **changes)
