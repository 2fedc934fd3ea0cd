"""Integrated gradients and saliency: gradients all the way down to the pixels, weights frozen."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from lopore.contracts import HeatMaps, PixelBatch

from .network import Classifier, Network, class_logits
from .predict import CHUNK, TorchSession

STEPS = 50
STEP_BATCH = 25
"""Points of the path that go through the network at once."""


def class_scores(network: Network, planes: Tensor, index: int) -> Tensor:
    """The class's logit (N,) from normalised planes; for segmentation the mean logit over the pixels."""
    logits = network.logits_of(planes)
    if isinstance(network, Classifier):
        return class_logits(logits)[:, index]
    return logits[:, index + 1].mean(dim=(1, 2))


def explain_saliency(session: TorchSession, batch: PixelBatch, class_index: int) -> HeatMaps:
    """|d logit / d pixel| for pixels scaled to 0..1, largest over channels: (N, H, W) float32.

    Source: Simonyan et al., arXiv:1312.6034.
    """
    network = session.open_network
    factors = network.normalise.scale * float(np.iinfo(batch.dtype).max)
    parts = []
    for start in range(0, len(batch), CHUNK):
        pixels = session.tensor(batch[start : start + CHUNK])
        slopes = _slopes(network, network.normalise(pixels), class_index)
        parts.append((slopes * factors).abs().amax(dim=1).cpu().numpy())
    return np.concatenate(parts).astype(np.float32)


def _slopes(network: Network, planes: Tensor, index: int) -> Tensor:
    with torch.enable_grad():
        leaf = planes.detach().requires_grad_(True)
        return torch.autograd.grad(class_scores(network, leaf, index).sum(), leaf)[0]


def attributions(session: TorchSession, batch: PixelBatch, class_index: int, steps: int = STEPS) -> Tensor:
    """Signed integrated gradients (N, planes, H, W); they add up to logit(image) - logit(baseline).

    The baseline is each image's own mean grey: black would be dense film, itself a finding. Gauss-Legendre points,
    as captum takes them. Source: Sundararajan et al., ICML 2017.
    """
    network = session.open_network
    planes = network.normalise(session.tensor(batch))
    points, weights = np.polynomial.legendre.leggauss(steps)
    parts = [_along(network, image, class_index, (points + 1) / 2, weights / 2) for image in planes]
    return torch.stack(parts)


def baseline(image: Tensor) -> Tensor:
    """The image's mean per plane, (planes, 1, 1) spread over it."""
    return image.mean(dim=(1, 2), keepdim=True).expand_as(image)


def _along(network: Network, image: Tensor, index: int, points: np.ndarray, weights: np.ndarray) -> Tensor:
    start = baseline(image)
    way = image - start
    total = torch.zeros_like(image)
    for first in range(0, len(points), STEP_BATCH):
        last = first + STEP_BATCH
        at = torch.as_tensor(points[first:last], dtype=image.dtype, device=image.device).view(-1, 1, 1, 1)
        share = torch.as_tensor(weights[first:last], dtype=image.dtype, device=image.device).view(-1, 1, 1, 1)
        total += (_slopes(network, start + at * way, index) * share).sum(dim=0)
    return total * way


def explain_integrated_gradients(session: TorchSession, batch: PixelBatch, class_index: int) -> HeatMaps:
    """What speaks for the class at each pixel, in logit units: positive part of ``attributions``, (N, H, W) float32."""
    signed = attributions(session, batch, class_index).sum(dim=1)
    return cast(HeatMaps, signed.clamp_min(0.0).cpu().numpy().astype(np.float32))
