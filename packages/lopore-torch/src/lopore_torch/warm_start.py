"""Training that begins with the weights of another model: what fits by name and shape is taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lopore.contracts import LearnRequest, StartPoint
from lopore.errors import ModelError

from .backbones import head_prefixes
from .network import Classifier, Network

HEAD, NORMALISE, DECODER = "head.", "normalise.", "decoder."
ENCODER, UNET_DECODER, UNET_HEAD = "body.encoder.model.", "body.decoder.", "body.segmentation_head.0."
SMALL_HEAD = "body.segmentation_head."
"""Of ``unet-small``, whose head is one convolution."""
COUNTER = ".num_batches_tracked"


def shared_names(network: Network) -> Iterator[tuple[str, str]]:
    """(name in the state dict, name that every framework knows) of each weight and statistic; counters are left out."""
    heads = head_prefixes(network)
    for name in network.state_dict():
        if name.endswith(COUNTER):
            continue
        if name.startswith(NORMALISE):
            yield name, name
        elif isinstance(network, Classifier):
            if name.startswith(heads):
                yield name, HEAD + name.removeprefix(heads[0])
            else:
                yield name, name.removeprefix("body.")
        elif name.startswith(ENCODER):
            yield name, name.removeprefix(ENCODER)
        elif name.startswith(UNET_HEAD):
            yield name, HEAD + name.removeprefix(UNET_HEAD)
        elif name.startswith(SMALL_HEAD):
            yield name, HEAD + name.removeprefix(SMALL_HEAD)
        else:
            yield name, name.removeprefix("body.")


def planes_of(start: StartPoint | None) -> int | None:
    """The input planes of the network to start from; a grey one may have a constant plane beside its channel."""
    return None if start is None else int(start.weights["normalise.scale"].size)


@torch.no_grad()
def begin_with(network: Network, start: StartPoint, request: LearnRequest) -> Mapping[str, Any]:
    """Give the network what fits of another model's weights; returns title, count taken, and names that are new.

    ModelError where less than half of the backbone fits: it is another backbone then.
    """
    own = network.state_dict()
    same_head = (start.task, start.classes) == (request.task, request.classes)
    taken: dict[str, Tensor] = {}
    new: list[str] = []
    backbone = fitting = 0
    for name, shared in shared_names(network):
        value, head = start.weights.get(shared), shared.startswith(HEAD)
        fits = value is not None and (value.size if shared.startswith(NORMALISE) else value.shape) == (
            own[name].numel() if shared.startswith(NORMALISE) else tuple(own[name].shape)
        )
        if not head and not shared.startswith((NORMALISE, DECODER)):
            backbone, fitting = backbone + 1, fitting + fits
        if value is None or not fits or (head and not same_head):
            new.append(shared)
            continue
        array = np.array(value, np.float32).reshape(tuple(own[name].shape))
        if shared == "normalise.scale":
            array *= (2**start.depth - 1) / (2**request.network.depth - 1)
        taken[name] = torch.from_numpy(array)
    if fitting * 2 < backbone:
        raise ModelError(
            f"{start.title} fits {fitting} of {backbone} tensors of {request.network.backbone}; name the backbone that "
            "it has, or another model to start from"
        )
    network.load_state_dict(taken, strict=False)
    return {"model": start.title, "taken": len(taken), "new": new}
