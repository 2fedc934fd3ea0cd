"""Losses per image, so that batches of any size, and shares of a batch, add up to the same mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lopore.arrays import Task
from lopore.contracts import IGNORE
from lopore.training_settings import Loss

from .start import tf

ImageLoss = Callable[[Any, Any], Any]
"""(logits, targets) to (N,) losses."""


def image_loss(loss: Loss, task: Task, class_weights: Sequence[float] | None) -> ImageLoss:
    """The loss of each image for a task; the definitions are those of ``lopore_torch.losses``.

    binary: logits (N, 1), targets (N,) of 0 and 1. multiclass: (N, K), (N,). multilabel: (N, K), (N, K), class mean.
    segmentation: (N, H, W, K + 1), (N, H, W), background first; pixels of ``IGNORE`` count in no term.
    class_weights: (K,), of what an image shows: its true class (multilabel: each label that it has, where what it
    lacks weighs 1, as ``pos_weight`` in PyTorch; segmentation: each pixel's class, the background weighs 1).
    """
    terms, smoothing = loss.terms_of(task), loss.label_smoothing
    if task == "segmentation":
        every = None if class_weights is None else tf.constant([1.0, *class_weights], tf.float32)
        return lambda logits, targets: _pixels(logits, targets, loss, every)
    weights = None if class_weights is None else tf.constant(class_weights, tf.float32)
    single = {"binary": _binary, "multiclass": _categorical, "multilabel": _multilabel}[task]

    def total(logits: Any, targets: Any) -> Any:
        gammas = [(weight, loss.focal_gamma if name == "focal" else 0.0) for name, weight in terms.items()]
        return tf.add_n([weight * single(logits, targets, gamma, smoothing, weights) for weight, gamma in gammas])

    return total


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


def _pixels(logits: Any, targets: Any, loss: Loss, weights: Any) -> Any:
    """(N,) sums of the terms over the pixels that are known."""
    known = tf.not_equal(targets, tf.constant(IGNORE, targets.dtype))
    seen = tf.where(known, targets, tf.zeros_like(targets))
    share = tf.cast(known, logits.dtype)
    parts = []
    for name, weight in loss.terms_of("segmentation").items():
        if name in ("cross-entropy", "focal"):
            gamma = loss.focal_gamma if name == "focal" else 0.0
            each = _categorical(logits, seen, gamma, loss.label_smoothing, weights) * share
            part = tf.reduce_sum(each, axis=(1, 2)) / tf.maximum(tf.reduce_sum(share, axis=(1, 2)), 1.0)
        else:
            alpha, beta = (0.5, 0.5) if name == "dice" else (loss.tversky_alpha, loss.tversky_beta)
            part = tversky(logits, seen, share, alpha, beta)
        parts.append(weight * part)
    return tf.add_n(parts)


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
