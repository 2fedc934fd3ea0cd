"""Networks that take raw integer pixels: their two halves, and probabilities from their logits."""

from __future__ import annotations

from typing import Any

from lopore.contracts import Task

from .start import keras, tf

PIXELS, NORMALISE, FEATURES, HEAD = "pixels", "normalise", "features", "head"
"""Names of the layers that every network has: input, normalisation, last convolutional features, logits."""
COLOUR, COLOURS = "colour", 3
"""The 1 x 1 convolution of ``grey_input: convolution``, and the planes that it makes of one."""
DECODER = "decoder."
"""What the names of a U-Net's layers between its encoder and its head begin with."""


def is_segmenter(model: Any) -> bool:
    """Whether a network gives logits for each pixel, (N, H, W, outputs), background first."""
    return len(model.outputs[0].shape) == 4


def is_head(name: str) -> bool:
    """Whether the layer of this name is learned anew for a task: the head, and a U-Net's decoder."""
    return name == HEAD or name.startswith(DECODER)


def split(model: Any) -> tuple[Any, Any]:
    """(pixels -> features (N, h, w, C), features -> logits): two Keras models that share the weights of ``model``."""
    features = model.get_layer(FEATURES).output
    return keras.Model(model.inputs[0], features), keras.Model(features, model.outputs[0])


def penultimate_layer(model: Any) -> Any:
    """The layer whose output the last linear layer reads, (N, D); of a U-Net that of its encoder's coarsest features,
    (N, h, w, D), which its decoder enlarges first. None where a network of another package has no such layer."""
    if is_segmenter(model):
        reader = next((layer for layer in model.layers if layer.name.startswith(DECODER)), None)
    else:
        reader = model.get_layer(HEAD)
    given = getattr(reader, "input", None)
    if given is None or isinstance(given, list) or len(given.shape) != (4 if is_segmenter(model) else 2):
        return None
    return next((layer for layer in model.layers if layer.output is given), None)


def pooled_features(found: Any) -> Any:
    """(N, D) of what ``penultimate_layer`` gives: of a U-Net the mean over the places."""
    return tf.reduce_mean(found, axis=(1, 2)) if len(found.shape) == 4 else found


def to_maps(logits: Any) -> Any:
    """Probability of each class at each pixel, background left out: (N, H, W, K + 1) to (N, K, H, W)."""
    return tf.transpose(tf.nn.softmax(logits, axis=3)[..., 1:], (0, 3, 1, 2))


def to_scores(logits: Any, task: Task) -> Any:
    """Probabilities (N, K) of logits (N, outputs); binary gives [1 - p, p].

    segmentation: of logits (N, H, W, K + 1), the largest over the pixels. The probability of one logit z is the softmax
    of [0, z], which keeps small numbers in every runtime; a sigmoid does not (see lopore_torch).
    """
    if task == "segmentation":
        return tf.reduce_max(tf.nn.softmax(logits, axis=3)[..., 1:], axis=(1, 2))
    if task == "binary":
        return tf.nn.softmax(tf.concat([tf.zeros_like(logits), logits], axis=1), axis=1)
    if task == "multiclass":
        return tf.nn.softmax(logits, axis=1)
    return tf.nn.softmax(tf.stack([tf.zeros_like(logits), logits], axis=2), axis=2)[:, :, 1]


def class_logits(logits: Any) -> Any:
    """One logit a class, (N, K): a single binary logit z stands for [-z, z]."""
    return tf.concat([-logits, logits], axis=1) if logits.shape[1] == 1 else logits


def class_scores(logits: Any, index: Any) -> Any:
    """One class's logit (N,); for segmentation, (N, H, W, K + 1), its mean over the pixels."""
    if len(logits.shape) == 4:
        return tf.reduce_mean(tf.gather(logits, index + 1, axis=3), axis=(1, 2))
    return tf.gather(class_logits(logits), index, axis=1)
