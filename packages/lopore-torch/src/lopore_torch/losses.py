"""The losses of lopore-torch, per image, so that batches of any size, and shares of a batch, add up to one mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from lopore.arrays import Task
from lopore.contracts import IGNORE, LossRequest, WeightedLoss
from lopore.errors import PluginError
from lopore.training.standard_losses import built_losses

ImageLoss = Callable[[Tensor, Tensor], Tensor]
"""(logits, targets) to (N,) losses."""
TermLoss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""(logits, targets, known) to (N,) losses."""


def image_loss(
    losses: Sequence[WeightedLoss],
    *,
    task: Task,
    classes: int,
    class_weights: tuple[float, ...] | None = None,
    label_smoothing: float = 0.0,
) -> ImageLoss:
    """The loss of each image: that of each term times its weight, added. See ``lopore.contracts.LossFunction``.

    The functions take targets of segmentation as masks hold them, with ``IGNORE``. PluginError for a term that gives
    anything but a number an image.
    """
    parts = built_losses(
        losses, task=task, classes=classes, class_weights=class_weights, label_smoothing=label_smoothing
    )

    def total(logits: Tensor, targets: Tensor) -> Tensor:
        known = targets != IGNORE if task == "segmentation" else None
        seen = targets if known is None else torch.where(known, targets, 0)
        found = []
        for key, weight, function in parts:
            part: Tensor = function(logits, seen, known)
            if part.shape != logits.shape[:1]:
                raise PluginError(
                    f"loss '{key}' gave {tuple(part.shape)} for {len(logits)} images; it gives one number an image"
                )
            found.append(weight * part)
        return torch.stack(found).sum(dim=0)

    return total


def cross_entropy(request: LossRequest) -> TermLoss:
    """Cross-entropy with smoothing and class weights; of binary and several labels BCE, of those the classes' mean."""
    return _entropy(request, 0.0)


def focal(request: LossRequest) -> TermLoss:
    """Cross-entropy that turns to what is hard, by ``gamma``."""
    return _entropy(request, request.params.gamma)


def dice(request: LossRequest) -> TermLoss:
    """Soft Dice of maps; see ``tversky``."""
    return lambda logits, targets, known: tversky(logits, targets, _all(known), 0.5, 0.5)


def tversky_index(request: LossRequest) -> TermLoss:
    """What ``tversky`` says, with ``alpha`` and ``beta``."""
    alpha, beta = request.params.alpha, request.params.beta
    return lambda logits, targets, known: tversky(logits, targets, _all(known), alpha, beta)


def _all(known: Tensor | None) -> Tensor:
    assert known is not None  # asked of maps only
    return known


def _entropy(request: LossRequest, gamma: float) -> TermLoss:
    task, smoothing, given = request.task, request.label_smoothing, request.class_weights
    numbers = None if given is None else torch.tensor([1.0, *given] if task == "segmentation" else given)

    def function(logits: Tensor, targets: Tensor, known: Tensor | None) -> Tensor:
        weights = None if numbers is None else numbers.to(logits.device)
        if task == "binary":
            return _binary(logits, targets, gamma, smoothing, weights)
        if task == "multilabel":
            return _multilabel(logits, targets, gamma, smoothing, weights)
        each = _categorical(logits, targets, gamma, smoothing, weights)
        if known is None:
            return each
        return (each * known).sum(dim=(1, 2)) / known.sum(dim=(1, 2)).clamp_min(1)

    return function


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
