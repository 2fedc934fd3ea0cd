"""Which parts of a network keep their weights, and which learning rate the others get."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lopore.errors import ConfigError
from lopore.training_settings import Optimizer

from .network import COLOUR, FEATURES, is_head
from .optimizer import Group
from .start import keras

_STAGE = re.compile(r"(layer\d+|blocks\.\d+)\.")
"""How the networks of lopore-tf name the layers of a stage, as timm does."""
STEM = "stem"


def every_layer(network: Any) -> Iterator[Any]:
    """The layers of a model in order, those of models inside it included."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from every_layer(layer)
        else:
            yield layer


def stages(network: Any) -> list[list[Any]]:
    """Layers with weights from stem to last stage, as timm groups its parameters; the head, and a U-Net's
    decoder, are left out.

    What stands between the last stage and the features belongs to that stage; what stands behind the features, such as
    MobileNetV3's last convolution, is one more. Of a network that names no stages every layer with weights is one.
    """
    groups: dict[str, list[Any]] = {}
    current = STEM
    for layer in every_layer(network):
        found = _STAGE.match(layer.name)
        current = found[1] if found else current
        if layer.weights and not is_head(layer.name) and layer.name != COLOUR:  # it is new, whatever is kept
            groups.setdefault(current, []).append(layer)
        if layer.name == FEATURES:
            current = FEATURES
    if any(_STAGE.fullmatch(f"{name}.") for name in groups):
        return list(groups.values())
    return [[layer] for group in groups.values() for layer in group]


def frozen_layers(network: Any, part: str) -> frozenset[int]:
    """``id`` of each layer that keeps weights and statistics: "none", "stem", "half" (the earlier half of the stages)
    or "backbone" (all but the head)."""
    if part == "none":
        return frozenset()
    parts = stages(network)
    keep = {"stem": 1, "half": max(1, len(parts) // 2), "backbone": len(parts)}.get(part)
    if keep is None:
        raise ConfigError(f"freeze '{part}' is unknown; allowed are none, stem, half, backbone")
    return frozenset(id(layer) for stage in parts[:keep] for layer in stage)


def groups_of(network: Any, frozen: frozenset[int], config: Optimizer) -> list[Group]:
    """What is trained, by learning rate and decay; vectors (biases, normalisation) do not decay."""
    found: dict[tuple[bool, bool], list[Any]] = {}
    for layer in every_layer(network):
        for variable in layer.trainable_weights if id(layer) not in frozen else ():
            found.setdefault((is_head(layer.name), len(variable.shape) > 1), []).append(variable)
    return [
        Group(tuple(members), config.head_factor if head else 1.0, config.weight_decay if decays else 0.0)
        for (head, decays), members in found.items()
    ]
