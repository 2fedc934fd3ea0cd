"""Losses per image, so that batches of any size, and shares of a batch, add up to the same mean."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from lopore.arrays import Task
from lopore.contracts import IGNORE
from lopore.training_settings import Loss

ImageLoss = Callable[[Tensor, Tensor], Tensor]
"""(logits, targets) to (N,) losses."""


def image_loss(loss: Loss, task: Task, class_weights: Tensor | None) -> ImageLoss:
    """The loss of each image for a task: the terms of ``loss.terms_of(task)``, each times its weight, added.

    binary: logits (N, 1), targets (N,) of 0 and 1. multiclass: (N, K), (N,). multilabel: (N, K), (N, K), class mean.
    segmentation: (N, K + 1, H, W), (N, H, W), background first; pixels of ``IGNORE`` count in no term.
    class_weights: (K,), of what an image shows: its true class (multilabel: each label that it has, where what it
    lacks weighs 1, as ``pos_weight`` in PyTorch; segmentation: each pixel's class, the background weighs 1).
    """
    terms, smoothing = loss.terms_of(task), loss.label_smoothing
    if task == "segmentation":
        return lambda logits, targets: _pixels(logits, targets, loss, class_weights)
    single = {"binary": _binary, "multiclass": _categorical, "multilabel": _multilabel}[task]

    def total(logits: Tensor, targets: Tensor) -> Tensor:
        gammas = [(weight, loss.focal_gamma if name == "focal" else 0.0) for name, weight in terms.items()]
        parts = [weight * single(logits, targets, gamma, smoothing, class_weights) for weight, gamma in gammas]
        return torch.stack(parts).sum(dim=0)

    return total


def _binary(logits: Tensor, targets: Tensor, gamma: float, smoothing: float, weights: Tensor | None) -> Tensor:
    losses = _two_sided(logits[:, 0], targets.to(logits.dtype), gamma, smoothing)
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


def _pixels(logits: Tensor, targets: Tensor, loss: Loss, class_weights: Tensor | None) -> Tensor:
    """(N,) sums of the terms over the pixels that are known."""
    known = targets != IGNORE
    seen = torch.where(known, targets, 0)
    weights = None if class_weights is None else torch.cat([class_weights.new_ones(1), class_weights])
    parts = []
    for name, weight in loss.terms_of("segmentation").items():
        if name in ("cross-entropy", "focal"):
            gamma = loss.focal_gamma if name == "focal" else 0.0
            each = _categorical(logits, seen, gamma, loss.label_smoothing, weights) * known
            part = each.sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp_min(1)
        else:
            alpha, beta = (0.5, 0.5) if name == "dice" else (loss.tversky_alpha, loss.tversky_beta)
            part = tversky(logits, seen, known, alpha, beta)
        parts.append(weight * part)
    return torch.stack(parts).sum(dim=0)


ABSENT = 0.01
"""Share of the pixels that an absent class may fill before half its cost is reached."""


def tversky(logits: Tensor, targets: Tensor, known: Tensor, alpha: float, beta: float) -> Tensor:
    """1 - soft Tversky index of the classes that an image shows, and what it calls of the others, (N,).

    Source of the index: Salehi et al., MLMI 2017; alpha: what a false pixel costs, beta: what a missed one costs. Both
    0.5 give soft Dice (Milletari et al., 3DV 2016, with linear denominators); one pixel is added above and below.
    A class that is absent costs s / (s + A) for s pixels called, A being ``ABSENT`` of the image. With the index itself
    a single called pixel of an absent class would cost as much as missing a mark whole, and small classes, which most
    images lack, would never be learned. Means over the classes that are there and over those that are not, added.
    logits (N, K + 1, H, W); targets (N, H, W) without ``IGNORE``; known (N, H, W) bool.
    """
    seen = known.unsqueeze(1).to(logits.dtype)
    p = logits.softmax(dim=1)[:, 1:] * seen
    truth = functional.one_hot(targets, logits.shape[1]).permute(0, 3, 1, 2)[:, 1:].to(p.dtype) * seen
    both, called, marked = ((part).sum(dim=(2, 3)) for part in (p * truth, p, truth))
    index = (2.0 * both + 1.0) / (2.0 * (both + alpha * (called - both) + beta * (marked - both)) + 1.0)
    there = (marked > 0).to(p.dtype)
    room = ABSENT * seen.sum(dim=(2, 3)).clamp_min(1.0)
    present = ((1.0 - index) * there).sum(dim=1) / there.sum(dim=1).clamp_min(1.0)
    absent = (called / (called + room) * (1.0 - there)).sum(dim=1) / (1.0 - there).sum(dim=1).clamp_min(1.0)
    return present + absent
