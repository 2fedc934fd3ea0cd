"""What the layers of a network do while a training step is traced; outside of it they are as Keras made them.

Keras normalises batches by half a dozen operations where TensorFlow has a fused one, knows no batch beyond one
device without a second formula, and draws dropout from hidden counters. Here the layers' own ``call`` is set aside.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from . import distributed
from .freezing import every_layer
from .network import HEAD
from .precision import POLICIES
from .start import keras, tf

Call = Callable[..., Any]
SINGLE = ("normalise", "ones", "planes")
"""Layers that see raw pixels, which half precision would round or overflow."""


class Share(threading.local):
    """What the replica that is being traced (each has its thread) takes of a step.

    seed: (2,) int32 tensor. weights: (rows,) of its share of the batch, None for all alike. replicas: how many there
    are.
    """

    seed: Any = None
    weights: Any = None
    replicas: int = 1


@contextmanager
def training_mode(network: Any, precision: str, frozen: frozenset[int], share: Share) -> Iterator[None]:
    """While a step is traced: layers compute in ``precision`` and learn as PyTorch's do.

    precision: fp32, bf16 or fp16; layers that were made in single precision by name (normalisation of the pixels, head)
    stay in it. frozen: ids of the layers that keep their statistics. Enter it once around all replicas: they take
    turns while they are traced.
    """
    layers = list(every_layer(network))
    policies = [layer.dtype_policy for layer in layers]
    try:
        for number, layer in enumerate(layers):
            if precision != "fp32" and _follows(layer):
                layer.dtype_policy = keras.DTypePolicy(POLICIES[precision])
            call = _call(layer, id(layer) in frozen, number, share)
            if call is not None:
                object.__setattr__(layer, "call", call)
        yield
    finally:
        for layer, policy in zip(layers, policies, strict=True):
            layer.__dict__.pop("call", None)
            if layer.dtype_policy is not policy:
                layer.dtype_policy = policy


def _follows(layer: Any) -> bool:
    """Whether a layer takes another precision: not the input, what normalises pixels, nor the head."""
    if isinstance(layer, keras.layers.InputLayer) or layer.name == HEAD or layer.dtype_policy.name != "float32":
        return False
    return layer.name not in SINGLE


def _call(layer: Any, frozen: bool, number: int, share: Share) -> Call | None:
    if isinstance(layer, keras.layers.BatchNormalization) and _is_plain(layer):
        if frozen:
            return lambda x, training=None, mask=None: _fixed(layer, x)
        return lambda x, training=None, mask=None: (_fused if share.replicas == 1 else _over_replicas)(layer, x, share)
    if type(layer) is keras.layers.Dropout:
        return lambda inputs, training=None: _dropped(layer, inputs, share.seed + number)
    return None


def _gains(layer: Any) -> tuple[Any, Any]:
    size = layer.moving_mean.shape
    gain = tf.ones(size) if layer.gamma is None else tf.convert_to_tensor(layer.gamma.value)
    return gain, tf.zeros(size) if layer.beta is None else tf.convert_to_tensor(layer.beta.value)


def _is_plain(layer: Any) -> bool:
    """Images with channels last, no renormalisation: what TensorFlow's fused operation takes."""
    return not layer.renorm and layer.input_spec.ndim == 4 and layer.axis in (-1, 3)


def _fixed(layer: Any, x: Any) -> Any:
    gain, offset = _gains(layer)
    mean, variance = (tf.convert_to_tensor(variable.value) for variable in (layer.moving_mean, layer.moving_variance))
    normalise = tf.compat.v1.nn.fused_batch_norm
    return normalise(x, gain, offset, mean, variance, epsilon=layer.epsilon, is_training=False)[0]


def _fused(layer: Any, x: Any, share: Share) -> Any:
    """TensorFlow's fused batch normalisation, whose variance for later is the unbiased one, as PyTorch's."""
    gain, offset = _gains(layer)
    y, mean, variance = tf.compat.v1.nn.fused_batch_norm(x, gain, offset, epsilon=layer.epsilon, is_training=True)
    _remember(layer, mean, variance)
    return y


def _over_replicas(layer: Any, x: Any, share: Share) -> Any:
    """Batch normalisation over the rows of all devices, each by its weight."""
    gain, offset = _gains(layer)
    values, weights = tf.cast(x, tf.float32), share.weights[:, None, None, None]
    size = tf.reduce_sum(weights) * tf.cast(tf.reduce_prod(tf.shape(values)[1:3]), tf.float32)
    count, total = distributed.add_up([size, tf.reduce_sum(values * weights, (0, 1, 2))], share.replicas)
    mean = total / count
    centred = values - mean
    variance = distributed.add_up(tf.reduce_sum(tf.square(centred) * weights, (0, 1, 2)), share.replicas) / count
    _remember(layer, mean, variance * count / tf.maximum(count - 1.0, 1.0))
    return tf.cast(centred * (gain * tf.math.rsqrt(variance + layer.epsilon)) + offset, x.dtype)


def _remember(layer: Any, mean: Any, variance: Any) -> None:
    for variable, new in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        old = tf.convert_to_tensor(variable.value)
        distributed.put(variable.value, old + (tf.stop_gradient(new) - old) * (1.0 - layer.momentum))


def _dropped(layer: Any, x: Any, seed: Any) -> Any:
    """Dropout by a seed alone; XLA draws other features from the same seed than TensorFlow does."""
    if not layer.rate:
        return x
    return tf.nn.experimental.stateless_dropout(x, layer.rate, seed, noise_shape=layer.noise_shape)
