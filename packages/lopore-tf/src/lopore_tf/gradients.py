"""Integrated gradients and saliency: gradients all the way down to the pixels, weights frozen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import HeatMaps, PixelBatch

from .backbones import PLANES, normalisation_of
from .graphs import trace
from .network import NORMALISE, class_scores
from .predict import KerasSession, chunks
from .start import keras, tf

STEPS = 50
STEP_BATCH = 25
"""Points of the path that go through the network at once."""


def gradients_fit(session: Any) -> bool:
    """Whether the session holds a network with its normalisation in front, where gradients can be taken."""
    return isinstance(session, KerasSession) and any(layer.name == NORMALISE for layer in session.network.layers)


def body_of(network: Any) -> tuple[Any, Any]:
    """(pixels -> normalised planes, planes -> logits): two Keras models that share the weights."""
    names = {layer.name for layer in network.layers}
    planes = network.get_layer(PLANES if PLANES in names else NORMALISE).output
    return keras.Model(network.inputs, planes), keras.Model(planes, network.outputs[0])


def explain_saliency(session: KerasSession, batch: PixelBatch, class_index: int) -> HeatMaps:
    """|d logit / d pixel| for pixels scaled to 0..1, largest over channels: (N, H, W) float32.

    For segmentation the logit is the class's mean over the pixels, here and in ``attributions``.
    Source: Simonyan et al., arXiv:1312.6034.
    """
    session.check(batch)
    function = session.cached("slopes", lambda: _slope_function(session.network))
    slopes = np.concatenate([_run(session, function, part, np.int32(class_index)) for part in chunks(batch)])
    scale = np.array(normalisation_of(session.network)[0], np.float32) * np.float32(np.iinfo(batch.dtype).max)
    return np.asarray(np.abs(slopes * scale).max(axis=3), np.float32)


def _slopes(body: Any, planes: Any, index: Any) -> Any:
    """d(``class_scores`` of one class) / d(planes), of the planes' shape."""
    with tf.GradientTape() as tape:
        tape.watch(planes)
        scores = class_scores(body(planes, training=False), index)
    return tape.gradient(scores, planes)


def _slope_function(network: Any) -> Any:
    normalise, body = body_of(network)
    given = network.inputs[0]

    def run(pixels: Any, index: Any) -> Any:
        return _slopes(body, normalise(pixels), index)

    return trace(run, tf.TensorSpec((None, *given.shape[1:]), given.dtype), tf.TensorSpec((), tf.int32))


def _way_function(network: Any) -> Any:
    """(image (1, H, W, C), points, weights, class) -> that part of the integral, (1, H, W, planes)."""
    normalise, body = body_of(network)
    given = network.inputs[0]

    def run(image: Any, points: Any, weights: Any, index: Any) -> Any:
        planes = normalise(image)
        start = tf.reduce_mean(planes, axis=(1, 2), keepdims=True)
        way = planes - start
        slopes = _slopes(body, start + points[:, None, None, None] * way, index)
        return tf.reduce_sum(slopes * weights[:, None, None, None], axis=0, keepdims=True) * way

    spots = tf.TensorSpec((None,), tf.float32)
    return trace(run, tf.TensorSpec((1, *given.shape[1:]), given.dtype), spots, spots, tf.TensorSpec((), tf.int32))


def attributions(session: KerasSession, batch: PixelBatch, class_index: int, steps: int = STEPS) -> NDArray[np.float32]:
    """Signed integrated gradients (N, H, W, planes); they add up to logit(image) - logit(baseline).

    The baseline is each image's own mean grey: black would be dense film, itself a finding. Gauss-Legendre points,
    as captum takes them. Source: Sundararajan et al., ICML 2017.
    """
    session.check(batch)
    function = session.cached("way", lambda: _way_function(session.network))
    points, weights = ((part / 2).astype(np.float32) for part in np.polynomial.legendre.leggauss(steps))
    total = np.zeros((len(batch), *batch.shape[1:3], body_of(session.network)[1].inputs[0].shape[-1]), np.float32)
    for at in range(len(batch)):
        for first in range(0, steps, STEP_BATCH):
            part = slice(first, first + STEP_BATCH)
            share = points[part] + np.float32(0.5), weights[part]
            total[at] += _run(session, function, batch[at : at + 1], *share, np.int32(class_index))[0]
    return total


def _run(session: KerasSession, function: Any, *inputs: Any) -> NDArray[np.float32]:
    with tf.device(session.device):
        return np.asarray(function(*(tf.constant(value) for value in inputs)), np.float32)


def explain_integrated_gradients(session: KerasSession, batch: PixelBatch, class_index: int) -> HeatMaps:
    """What speaks for the class at each pixel, in logit units: positive part of ``attributions``, (N, H, W) float32."""
    signed = attributions(session, batch, class_index).sum(axis=3)
    return np.asarray(np.maximum(signed, 0.0), np.float32)
