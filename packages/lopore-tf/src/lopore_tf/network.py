"""Networks that take raw integer pixels: their two halves, and probabilities from their logits."""

from __future__ import annotations

from typing import Any

from lopore.contracts import Task

from .start import keras, tf

PIXELS, NORMALISE, FEATURES, HEAD = "pixels", "normalise", "features", "head"
"""Names of the layers that every network has: input, normalisation, last convolutional features, logits."""


def split(model: Any) -> tuple[Any, Any]:
    """(pixels -> features (N, h, w, C), features -> logits): two Keras models that share the weights of ``model``."""
    features = model.get_layer(FEATURES).output
    return keras.Model(model.inputs[0], features), keras.Model(features, model.outputs[0])


def to_scores(logits: Any, task: Task) -> Any:
    """Probabilities (N, K) of logits (N, outputs); binary gives [1 - p, p]."""
    if task == "binary":
        return tf.concat([tf.sigmoid(-logits), tf.sigmoid(logits)], axis=1)
    return tf.nn.softmax(logits, axis=1) if task == "multiclass" else tf.sigmoid(logits)


def class_logits(logits: Any) -> Any:
    """One logit a class, (N, K): a single binary logit z stands for [-z, z]."""
    return tf.concat([-logits, logits], axis=1) if logits.shape[1] == 1 else logits
