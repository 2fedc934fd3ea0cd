"""Which parts of a network keep their weights, and which learning rate the others get."""

from __future__ import annotations

import re
from typing import Any, cast

from torch import nn, optim

from lopore.errors import ConfigError
from lopore.training_settings import Optimizer

from .backbones import encoder_of, head_prefixes
from .network import Classifier, Network


def freeze(network: Network, part: str) -> None:
    """Take gradients from "none", "stem", "half" (the earlier half of the stages) or "backbone" (all but the head)."""
    if part == "none":
        return
    stages = _stages(encoder_of(network), head=isinstance(network, Classifier))
    keep = {"stem": 1, "half": max(1, len(stages) // 2), "backbone": len(stages)}.get(part)
    if keep is None:
        raise ConfigError(f"freeze '{part}' is unknown; allowed are none, stem, half, backbone")
    parameters = dict(encoder_of(network).named_parameters())
    for stage in stages[:keep]:
        for name in stage:
            parameters[name].requires_grad_(False)


def _stages(encoder: nn.Module, head: bool) -> list[list[str]]:
    """Names of parameters from stem to last stage, as timm groups them; a classifier's head is left out."""
    from timm.models import group_parameters

    from .weights import prefixes

    config: Any = getattr(encoder, "pretrained_cfg", {}) or {}
    heads = prefixes(config.get("classifier")) if head else ()
    matcher = getattr(encoder, "group_matcher", None)
    groups = _children(encoder) if matcher is None else list(group_parameters(encoder, matcher(coarse=True)).values())
    groups_left = [[name for name in group if not name.startswith(heads or ("\0",))] for group in groups]
    return [group for group in groups_left if group]


_STAGE = re.compile(r"(?:blocks|stages)\.\d+|[^.]+")
STEM = "stem"


def _children(encoder: nn.Module) -> list[list[str]]:
    """Stages of encoders that keep no matcher (timm's feature lists): each top-level child, or each of its blocks.

    The first children that have no layers inside, a convolution and its normalisation, are the stem together.
    """
    groups: dict[str, list[str]] = {}
    in_stem = True
    for name, _ in encoder.named_parameters():
        in_stem = in_stem and name.count(".") == 1
        found = _STAGE.match(name)
        groups.setdefault(STEM if in_stem or found is None else found[0], []).append(name)
    return list(groups.values())


def frozen_modules(network: nn.Module) -> list[nn.Module]:
    """Modules whose own parameters are all frozen: they stay in eval mode, so their statistics stay too."""
    frozen = []
    for module in network.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            frozen.append(module)
    return frozen


def build_optimizer(network: Network, config: Optimizer, device_type: str) -> optim.Optimizer:
    """AdamW or SGD over what is trained; vectors (biases, normalisation) do not decay; the head has its own rate.

    Each group carries ``factor``, its learning rate over the configured one.
    """
    heads = head_prefixes(network)
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            key = (bool(heads) and name.startswith(heads), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    settings = [
        {
            "params": members,
            "weight_decay": config.weight_decay if decays else 0.0,
            "factor": config.head_factor if head else 1.0,
        }
        for (head, decays), members in groups.items()
    ]
    fused = device_type in ("cpu", "cuda")
    if config.name == "sgd":
        made: Any = optim.SGD(
            settings, lr=config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0, fused=fused
        )
    else:
        made = optim.AdamW(settings, lr=config.learning_rate, fused=fused)
    return cast(optim.Optimizer, made)
