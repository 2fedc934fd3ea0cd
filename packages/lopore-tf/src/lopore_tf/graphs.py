"""Whole networks as frozen graphs: pixels in, probabilities and heat maps out, weights as constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lopore.contracts import Task
from lopore.record.score_calibration import ScoreCalibration

from . import cam
from .network import FEATURES, is_segmenter, penultimate_layer, pooled_features, split, to_maps, to_scores
from .score_calibration import calibrate
from .start import keras, tf

SCORES, CAM, CAM_PLUS, MAPS, PENULTIMATE = "scores", "cam", "cam_plus", "maps", "features"
"""What exported files call their outputs, as lopore-torch's do. The last, (N, D), is what the last linear layer reads;
it is left out where ``network.penultimate_layer`` finds none."""
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
"""Operations that hold another graph, which the conversion of TensorFlow takes in."""


def freeze(network: Any, function: Callable[..., Any], *signature: Any) -> Any:
    """A concrete function of ``function`` over a network whose variables became constants; it gives a sequence.

    TensorFlow then folds batch normalisation into the convolutions before the first run: half the time of a
    ``tf.function`` over the same Keras network. A free batch size in ``signature`` means one trace for all sizes.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    weights = [(weight, weight.numpy()) for weight in network.weights]

    def plain(*given: Any) -> Any:
        constants = [(weight, tf.constant(values)) for weight, values in weights]
        with keras.StatelessScope(state_mapping=constants):
            return function(*given)

    # Traced as constants: TensorFlow's conversion of a finished graph takes as long as tracing it.
    traced = trace(plain, *signature)
    if traced.captured_inputs or not _CALLS.isdisjoint(node.type for node in traced.graph.get_operations()):
        return convert_variables_to_constants_v2(traced)
    return traced


def trace(function: Callable[..., Any], *signature: Any) -> Any:
    """A concrete function of ``function`` that shares the network's variables.

    For gradients down to the pixels: there freezing saves 5 % of a run and costs a second.
    """
    return tf.function(function, input_signature=signature, autograph=False).get_concrete_function()


def pixels_of(network: Any) -> Any:
    """The signature of a network's input: (batch, H, W, C), the batch free, named ``pixels``."""
    given = network.inputs[0]
    return tf.TensorSpec((None, *given.shape[1:]), given.dtype, name="pixels")


def freeze_scores(network: Any, task: Task, calibration: ScoreCalibration | None = None) -> Any:
    """pixels -> [scores (N, K), features (N, h, w, C)]: all that prediction and Grad-CAM need, in one run.

    Of a segmentation model: [scores (N, K), maps (N, K, H, W)]. Last, where the network gives it, what the last linear
    layer reads, (N, D).
    """
    if is_segmenter(network):
        return _freeze_maps(network)
    features_of, head = _halves(network)

    def run(pixels: Any) -> tuple[Any, ...]:
        features = features_of(pixels, training=False)
        logits, *last = head(features, training=False)
        return to_scores(calibrate(logits, calibration), task), features, *last

    return freeze(network, run, pixels_of(network))


def _halves(network: Any) -> tuple[Any, Any]:
    """As ``network.split``; the head gives [logits] or [logits, what its last linear layer reads]."""
    features_of, _ = split(network)
    read = penultimate_layer(network)
    outputs = [network.outputs[0], *([] if read is None else [read.output])]
    return features_of, keras.Model(network.get_layer(FEATURES).output, outputs)


def _freeze_maps(network: Any) -> Any:
    read = penultimate_layer(network)
    both = keras.Model(network.inputs[0], [network.outputs[0], *([] if read is None else [read.output])])

    def run(pixels: Any) -> tuple[Any, ...]:
        logits, *last = both(pixels, training=False)
        return to_scores(logits, "segmentation"), to_maps(logits), *map(pooled_features, last)

    return freeze(network, run, pixels_of(network))


def freeze_all(
    network: Any, task: Task, *, exact: bool, calibration: ScoreCalibration | None = None
) -> tuple[Any, list[str]]:
    """The graph that exports carry and its outputs' names: scores and, where Grad-CAM is ``exact``, both heat maps.

    Heat maps are (N, K, h, w), as in lopore-torch's files; no gradient is left to compute when the graph runs. For
    segmentation: scores and the maps (N, K, H, W). Last ``PENULTIMATE``.
    """
    last = [] if penultimate_layer(network) is None else [PENULTIMATE]
    if is_segmenter(network):
        return _freeze_maps(network), [SCORES, MAPS, *last]
    features_of, head = _halves(network)
    if not exact:

        def scores_of(pixels: Any) -> tuple[Any, ...]:
            logits, *read = head(features_of(pixels, training=False), training=False)
            return to_scores(calibrate(logits, calibration), task), *read

        return freeze(network, scores_of, pixels_of(network)), [SCORES, *last]
    slopes_of = gradient_function(split(network)[1])

    def run(pixels: Any) -> tuple[Any, ...]:
        features = features_of(pixels, training=False)
        logits, *read = head(features, training=False)
        slopes = slopes_of(cam.pooled(features))
        scores = to_scores(calibrate(logits, calibration), task)
        return scores, cam.grad_cam(features, slopes), cam.grad_cam_plus_plus(features, slopes), *read

    return freeze(network, run, pixels_of(network)), [SCORES, CAM, CAM_PLUS, *last]


def gradient_function(head: Any) -> Callable[[Any], Any]:
    """Pooled features (N, C) -> ``cam.head_gradients`` (N or 1, K, C) of all classes.

    A linear head gives a constant; another head's gradient is the operations of its backward pass.
    """
    small = cam.pooled_head(head)
    channels = small.inputs[0].shape[-1]
    probe = tf.constant(np.random.default_rng(0).uniform(0, 4, (3, channels)).astype(np.float32))
    slopes = cam.head_gradients(small, probe).numpy()
    if np.allclose(slopes[:1], slopes, rtol=1e-5, atol=1e-7):
        return lambda means: tf.constant(slopes[:1])
    return lambda means: cam.head_gradients(small, means)
