"""Class activation maps in closed form, for heads that see features only through their mean.

There the gradient of a class logit is the same at each place of a channel, d = (d logit / d mean) / (h w), so Grad-CAM
(Selvaraju et al., ICCV 2017) and Grad-CAM++ (Chattopadhay et al., WACV 2018, eq. 19 with exp as the last function) need
the feature map and the gradient of the small head alone: one forward pass, no hooks. Used by explainers and exporters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .network import Classifier, class_logits

LEAST = 1.0
"""Of ``2 + sum * slope`` in Grad-CAM++, which is 2 and more for features that are not negative, as the paper has them;
activations such as SiLU also give negative ones, whose weight would grow beyond bounds."""


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
    """Grad-CAM++ (N, K, h, w), raw scale, from the same.

    The paper's alpha, slope^2 / (2 slope^2 + sum slope^3), with slope^2 divided out: a small number below the line,
    as others add it, outweighs slopes that are spread over many places and shrinks the maps of larger images.
    """
    slope = gradients / (features.shape[2] * features.shape[3])
    total = features.sum(dim=(2, 3)).unsqueeze(1)
    return _weighted(features, gradients.relu() / (2.0 + total * slope).clamp_min(LEAST)).relu()


def _weighted(features: Tensor, weights: Tensor) -> Tensor:
    flat = features.flatten(2)
    maps = torch.matmul(weights, flat)
    return maps.reshape(-1, maps.shape[1], *features.shape[2:])
