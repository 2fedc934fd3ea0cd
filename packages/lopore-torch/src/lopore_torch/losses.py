"""Losses per image, so that batches of any size, and shares of a batch, add up to the same mean."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from lopore.contracts import Task
from lopore.training_settings import Loss

ImageLoss = Callable[[Tensor, Tensor], Tensor]
"""(logits, targets) to (N,) losses."""


def image_loss(loss: Loss, task: Task, class_weights: Tensor | None) -> ImageLoss:
    """The loss of each image for a task.

    binary: logits (N, 1), targets (N,) of 0 and 1. multiclass: (N, K), (N,). multilabel: (N, K), (N, K), class mean.
    segmentation: (N, K + 1, H, W), (N, H, W): cross-entropy or focal loss plus soft Dice over the foreground classes.
    class_weights: (K,), of what an image shows: its true class (multilabel: each label that it has, where what it
    lacks weighs 1, as ``pos_weight`` in PyTorch; segmentation: each pixel's class, the background weighs 1).
    """
    gamma = loss.focal_gamma if loss.name == "focal" else 0.0
    smoothing = loss.label_smoothing
    if task == "binary":
        return lambda logits, targets: _binary(logits[:, 0], targets, gamma, smoothing, class_weights)
    if task == "multilabel":
        return lambda logits, targets: _multilabel(logits, targets, gamma, smoothing, class_weights)
    if task == "multiclass":
        return lambda logits, targets: _categorical(logits, targets, gamma, smoothing, class_weights)
    if class_weights is not None:
        class_weights = torch.cat([class_weights.new_ones(1), class_weights])
    return lambda logits, targets: _pixels(logits, targets, gamma, smoothing, class_weights)


def _binary(logits: Tensor, targets: Tensor, gamma: float, smoothing: float, weights: Tensor | None) -> Tensor:
    losses = _two_sided(logits, targets.to(logits.dtype), gamma, smoothing)
    return losses if weights is None else losses * weights[targets]


def _multilabel(logits: Tensor, targets: Tensor, gamma: float, smoothing: float, weights: Tensor | None) -> Tensor:
    losses = _two_sided(logits, targets.to(logits.dtype), gamma, smoothing)
    return (losses if weights is None else losses * torch.where(targets > 0, weights, 1.0)).mean(dim=1)


def _two_sided(logits: Tensor, targets: Tensor, gamma: float, smoothing: float) -> Tensor:
    """Binary cross-entropy, or focal loss for gamma above 0 (Lin et al., ICCV 2017, eq. 4); targets 0..1."""
    soft = targets * (1.0 - smoothing) + 0.5 * smoothing
    if gamma == 0.0:
        return functional.binary_cross_entropy_with_logits(logits, soft, reduction="none")
    wins, losses = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    focus = soft * (gamma * losses).exp() * wins + (1.0 - soft) * (gamma * wins).exp() * losses
    return -focus


def _categorical(logits: Tensor, targets: Tensor, gamma: float, smoothing: float, weights: Tensor | None) -> Tensor:
    """(N, K, ...) logits and (N, ...) targets to (N, ...) losses."""
    log_p = logits.log_softmax(dim=1)
    if gamma > 0.0:
        # (1 - p) ** gamma: its gradient at p = 1 is unbounded for gamma under 1, hence the floor
        log_p = log_p * (1.0 - log_p.exp()).clamp_min(1e-8) ** gamma
    true = log_p.gather(1, targets.unsqueeze(1)).squeeze(1)
    losses = -((1.0 - smoothing) * true + smoothing * log_p.mean(dim=1))
    return losses if weights is None else losses * weights[targets]


def _pixels(logits: Tensor, targets: Tensor, gamma: float, smoothing: float, weights: Tensor | None) -> Tensor:
    entropy = _categorical(logits, targets, gamma, smoothing, weights).mean(dim=(1, 2))
    return entropy + soft_dice(logits, targets)


def soft_dice(logits: Tensor, targets: Tensor) -> Tensor:
    """1 - soft Dice, mean over the foreground classes, (N,) (Milletari et al., 3DV 2016, with linear denominators).

    One pixel is added above and below, so that a class that is absent and not predicted costs nothing.
    """
    p = logits.softmax(dim=1)[:, 1:]
    truth = functional.one_hot(targets, logits.shape[1]).permute(0, 3, 1, 2)[:, 1:].to(p.dtype)
    both = (p * truth).sum(dim=(2, 3))
    dice = (2.0 * both + 1.0) / (p.sum(dim=(2, 3)) + truth.sum(dim=(2, 3)) + 1.0)
    return 1.0 - dice.mean(dim=1)
