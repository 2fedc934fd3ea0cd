"""Training that begins with the weights of another model: what fits by name and shape is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lopore.contracts import LearnRequest, StartPoint
from lopore.errors import ModelError

from .backbones import Normalisation
from .naming import load_state, state_shapes
from .network import DECODER, HEAD


def normalisation_to_begin_with(start: StartPoint | None, depth: int) -> Normalisation | None:
    """scale and shift of the model to start from, for pixels of ``depth`` bits."""
    if start is None:
        return None
    scale = np.ravel(start.weights["normalise.scale"]) * ((2**start.depth - 1) / (2**depth - 1))
    return scale.astype(np.float32).tolist(), np.ravel(start.weights["normalise.shift"]).astype(np.float32).tolist()


def begin_with(network: Any, start: StartPoint, request: LearnRequest) -> Mapping[str, Any]:
    """Give the network what fits of another model's weights; returns title, count taken, and names that are new.

    ModelError where less than half of the backbone fits: it is another backbone then.
    """
    same_head = (start.task, start.classes) == (request.task, request.classes)
    shapes = state_shapes(network)
    fits = {name: name in start.weights and start.weights[name].shape == shape for name, shape in shapes.items()}
    backbone = [name for name in shapes if not name.startswith((f"{HEAD}.", DECODER))]
    fitting = sum(fits[name] for name in backbone)
    if fitting * 2 < len(backbone):
        raise ModelError(
            f"{start.title} fits {fitting} of {len(backbone)} tensors of {request.network.backbone}; name the backbone "
            "that it has, or another model to start from"
        )
    taken = [name for name, fit in fits.items() if fit and (same_head or not name.startswith(f"{HEAD}."))]
    load_state(network, start.weights, taken, source=f"the weights of {start.title}")
    new = [name for name in shapes if name not in set(taken)]
    return {"model": start.title, "taken": len(taken) + 2, "new": new}
