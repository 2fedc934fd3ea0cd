"""The losses of lopore-tf, per image, so that batches of any size, and shares of a batch, add up to one mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lopore.arrays import Task
from lopore.contracts import IGNORE, LossRequest, WeightedLoss
from lopore.errors import PluginError
from lopore.training.standard_losses import built_losses

from .start import tf

ImageLoss = Callable[[Any, Any], Any]
"""(logits, targets) to (N,) losses."""
TermLoss = Callable[[Any, Any, Any], Any]
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

    def total(logits: Any, targets: Any) -> Any:
        known = None
        if task == "segmentation":
            known = tf.not_equal(targets, tf.constant(IGNORE, targets.dtype))
            targets = tf.where(known, targets, tf.zeros_like(targets))
        found = []
        for key, weight, function in parts:
            part = tf.convert_to_tensor(function(logits, targets, known))
            if part.shape.rank != 1:
                raise PluginError(f"loss '{key}' gave a tensor of shape {part.shape}; it gives one number an image")
            found.append(weight * part)
        return tf.add_n(found)

    return total


def cross_entropy(request: LossRequest) -> TermLoss:
    """As in ``lopore_torch.losses``, and so are those below."""
    return _entropy(request, 0.0)


def focal(request: LossRequest) -> TermLoss:
    """Cross-entropy that turns to what is hard, by ``gamma``."""
    return _entropy(request, request.params.gamma)


def dice(request: LossRequest) -> TermLoss:
    """Soft Dice of maps; see ``tversky``."""
    return lambda logits, targets, known: tversky(logits, targets, tf.cast(known, logits.dtype), 0.5, 0.5)


def tversky_index(request: LossRequest) -> TermLoss:
    """What ``tversky`` says, with ``alpha`` and ``beta``."""
    alpha, beta = request.params.alpha, request.params.beta
    return lambda logits, targets, known: tversky(logits, targets, tf.cast(known, logits.dtype), alpha, beta)


def _entropy(request: LossRequest, gamma: float) -> TermLoss:
    task, smoothing, given = request.task, request.label_smoothing, request.class_weights
    numbers = None if given is None else ([1.0, *given] if task == "segmentation" else given)

    def function(logits: Any, targets: Any, known: Any) -> Any:
        weights = None if numbers is None else tf.constant(numbers, tf.float32)
        if task == "binary":
            return _binary(logits, targets, gamma, smoothing, weights)
        if task == "multilabel":
            return _multilabel(logits, targets, gamma, smoothing, weights)
        each = _categorical(logits, targets, gamma, smoothing, weights)
        if known is None:
            return each
        share = tf.cast(known, logits.dtype)
        return tf.reduce_sum(each * share, axis=(1, 2)) / tf.maximum(tf.reduce_sum(share, axis=(1, 2)), 1.0)

    return function


def _binary(logits: Any, targets: Any, gamma: float, smoothing: float, weights: Any) -> Any:
    losses = _two_sided(logits[:, 0], tf.cast(targets, logits.dtype), gamma, smoothing)
    return losses if weights is None else losses * tf.gather(weights, targets)


def _multilabel(logits: Any, targets: Any, gamma: float, smoothing: float, weights: Any) -> Any:
    losses = _two_sided(logits, tf.cast(targets, logits.dtype), gamma, smoothing)
    return tf.reduce_mean(losses if weights is None else losses * tf.where(targets > 0, weights, 1.0), axis=1)


def _two_sided(logits: Any, targets: Any, gamma: float, smoothing: float) -> Any:
    """Binary cross-entropy, or focal loss for gamma above 0 (Lin et al., ICCV 2017, eq. 4); targets 0..1."""
    soft = targets * (1.0 - smoothing) + 0.5 * smoothing
    if gamma == 0.0:
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=soft, logits=logits)
    wins, losses = tf.math.log_sigmoid(logits), tf.math.log_sigmoid(-logits)
    return -(soft * tf.exp(gamma * losses) * wins + (1.0 - soft) * tf.exp(gamma * wins) * losses)


def _categorical(logits: Any, targets: Any, gamma: float, smoothing: float, weights: Any) -> Any:
    """(N, ..., K) logits and (N, ...) targets to (N, ...) losses."""
    log_p = tf.nn.log_softmax(logits)
    if gamma > 0.0:
        # (1 - p) ** gamma: its gradient at p = 1 is unbounded for gamma under 1, hence the floor
        log_p = log_p * tf.maximum(1.0 - tf.exp(log_p), 1e-8) ** gamma
    true = tf.gather(log_p, targets, axis=-1, batch_dims=len(targets.shape))
    losses = -((1.0 - smoothing) * true + smoothing * tf.reduce_mean(log_p, axis=-1))
    return losses if weights is None else losses * tf.gather(weights, targets)


ABSENT = 0.01
"""As in ``lopore_torch.losses``."""


def tversky(logits: Any, targets: Any, known: Any, alpha: float, beta: float) -> Any:
    """1 - soft Tversky index of the classes that are there, and what is called of the others, (N,).

    See ``lopore_torch.losses.tversky``. logits (N, H, W, K + 1), background first; targets (N, H, W) without
    ``IGNORE``; known (N, H, W) of 0 and 1.
    """
    p = tf.nn.softmax(logits)[..., 1:] * known[..., None]
    truth = tf.one_hot(targets, logits.shape[-1], dtype=p.dtype)[..., 1:] * known[..., None]
    both, called, marked = (tf.reduce_sum(part, axis=(1, 2)) for part in (p * truth, p, truth))
    index = (2.0 * both + 1.0) / (2.0 * (both + alpha * (called - both) + beta * (marked - both)) + 1.0)
    there = tf.cast(marked > 0, p.dtype)
    room = ABSENT * tf.maximum(tf.reduce_sum(known, axis=(1, 2)), 1.0)[:, None]
    present = tf.reduce_sum((1.0 - index) * there, axis=1) / tf.maximum(tf.reduce_sum(there, axis=1), 1.0)
    lacking = 1.0 - there
    absent = tf.reduce_sum(called / (called + room) * lacking, axis=1) / tf.maximum(tf.reduce_sum(lacking, axis=1), 1.0)
    return present + absent
