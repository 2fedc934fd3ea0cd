"""Grad-CAM and Grad-CAM++ for torch sessions: one forward pass and the gradient of the small head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lopore.contracts import HeatMaps, PixelBatch
from lopore.errors import ConfigError

from . import cam
from .backbones import cam_support
from .network import Classifier
from .predict import CHUNK, TorchSession


def cam_fits(session: Any) -> bool:
    """Whether the closed form holds for this session's network; tried once a session."""
    if not isinstance(session, TorchSession) or session.network is None:
        return False
    if session.cam_exact is None:
        recipe = session.recipe
        session.cam_exact = cam_support(session.network, recipe.size, recipe.channels, recipe.depth)[0]
    return session.cam_exact


def explain_grad_cam(session: TorchSession, batch: PixelBatch, class_index: int) -> HeatMaps:
    """Grad-CAM of the class's logit: (N, h, w) float32 at the resolution of the last features, raw scale."""
    return _maps(session, batch, class_index, cam.grad_cam)


def explain_grad_cam_plus_plus(session: TorchSession, batch: PixelBatch, class_index: int) -> HeatMaps:
    """Grad-CAM++ of the class's logit: (N, h, w) float32 at the resolution of the last features, raw scale."""
    return _maps(session, batch, class_index, cam.grad_cam_plus_plus)


def _maps(session: TorchSession, batch: PixelBatch, index: int, form: Callable[[Tensor, Tensor], Tensor]) -> HeatMaps:
    network = session.open_network
    if not isinstance(network, Classifier):
        raise ConfigError("Grad-CAM explains classifiers; a segmentation model shows its own maps")
    parts = []
    for start in range(0, len(batch), CHUNK):
        with torch.no_grad():
            features = network.features(session.tensor(batch[start : start + CHUNK]))
            gradients = cam.head_gradients(network, features.mean(dim=(2, 3)), range(index, index + 1))
            parts.append(form(features, gradients)[:, 0].cpu().numpy())
    return np.concatenate(parts).astype(np.float32)
