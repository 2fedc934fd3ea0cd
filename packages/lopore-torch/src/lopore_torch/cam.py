"""Class activation maps in closed form, for heads that see features only through their mean.

There the gradient of a class logit is the same at each place of a channel, d = (d logit / d mean) / (h w), so Grad-CAM
(Selvaraju et al., ICCV 2017) and Grad-CAM++ (Chattopadhay et al., WACV 2018, eq. 19 with exp as the last function) need
the feature map and the gradient of the small head alone: one forward pass, no hooks. Used by explainers and exporters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .network import Classifier, class_logits

EPSILON = 1e-6


def head_gradients(network: Classifier, pooled: Tensor, classes: range) -> Tensor:
    """d(class logit) / d(mean feature): (N, len(classes), channels) for pooled features (N, channels)."""
    with torch.enable_grad():
        leaf = pooled.detach().requires_grad_(True)
        logits = class_logits(network.head(leaf[:, :, None, None]))
        rows = [torch.autograd.grad(logits[:, k].sum(), leaf, retain_graph=True)[0] for k in classes]
    return torch.stack(rows, dim=1)


def grad_cam(features: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM (N, K, h, w), raw scale, from features (N, C, h, w) and ``head_gradients`` (N, K, C) or (K, C)."""
    places = features.shape[2] * features.shape[3]
    return (_weighted(features, gradients) / places).relu()


def grad_cam_plus_plus(features: Tensor, gradients: Tensor) -> Tensor:
    """Grad-CAM++ (N, K, h, w), raw scale, from the same."""
    places = features.shape[2] * features.shape[3]
    slope = gradients / places
    total = features.sum(dim=(2, 3)).unsqueeze(1)
    share = slope.square() / (2.0 * slope.square() + total * slope**3 + EPSILON)
    return _weighted(features, places * slope.relu() * share).relu()


def _weighted(features: Tensor, weights: Tensor) -> Tensor:
    flat = features.flatten(2)
    maps = torch.matmul(weights, flat)
    return maps.reshape(-1, maps.shape[1], *features.shape[2:])
