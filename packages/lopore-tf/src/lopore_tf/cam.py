"""Class activation maps in closed form, for heads that see features only through their mean.

The same formulas as in ``lopore_torch.cam``, on channels-last features: the gradient of a class logit is the same at
each place of a channel, d = (d logit / d mean) / (h w), so Grad-CAM (Selvaraju et al., ICCV 2017) and Grad-CAM++
(Chattopadhay et al., WACV 2018, eq. 19 with exp as the last function) need one forward pass and the small head.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .start import keras, tf

LEAST = 1.0
"""See ``lopore_torch.cam``: of ``2 + sum * slope``, which is 2 and more for features that are not negative."""


def pooled(features: Any) -> Any:
    """Mean over the places: (N, h, w, C) to (N, C)."""
    return tf.reduce_mean(features, axis=(1, 2))


def pooled_head(head: Any) -> Any:
    """The head as a Keras model of pooled features (N, 1, 1, C), its pointwise convolutions as matrix products.

    A convolution's backward pass takes its shapes at run time, which ONNX has no operation for; a product's does not.
    """
    made: dict[str, Any] = {}

    def copy(layer: Any) -> Any:
        if not isinstance(layer, keras.layers.Conv2D) or layer.kernel_size != (1, 1) or layer.groups != 1:
            return layer
        made[layer.name] = keras.layers.Dense(
            layer.filters, activation=layer.activation, use_bias=layer.use_bias, name=layer.name,
            kernel_initializer="zeros",
        )  # fmt: skip
        return made[layer.name]

    channels = head.inputs[0].shape[-1]
    model = keras.models.clone_model(head, keras.Input((1, 1, channels)), clone_function=copy)
    for name, dense in made.items():
        kernel, *bias = head.get_layer(name).get_weights()
        dense.set_weights([kernel[0, 0], *bias])
    return model


def head_gradients(head: Any, means: Any) -> Any:
    """d(class logit) / d(mean feature) of all classes: (N, K, C) for ``pooled_head`` and pooled features (N, C).

    Each class's share is asked for by weights on the outputs: taking columns would need operations that ONNX lacks.
    """
    channels, outputs = means.shape[-1], head.outputs[0].shape[-1]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(means)
        logits = head(tf.reshape(means, (-1, 1, 1, channels)), training=False)
    ones = tf.zeros_like(logits)
    rows = [tape.gradient(logits, means, ones + row[None]) for row in np.eye(outputs, dtype=np.float32)]
    return tf.stack([-rows[0], rows[0]] if outputs == 1 else rows, axis=1)  # one binary logit z stands for [-z, z]


def grad_cam(features: Any, gradients: Any) -> Any:
    """Grad-CAM (N, K, h, w), raw scale, from features (N, h, w, C) and ``head_gradients`` (N or 1, K, C)."""
    places = features.shape[1] * features.shape[2]
    return tf.nn.relu(_weighted(features, gradients) / float(places))


def grad_cam_plus_plus(features: Any, gradients: Any) -> Any:
    """Grad-CAM++ (N, K, h, w), raw scale, from the same; alpha as in ``lopore_torch.cam``, slope^2 divided out."""
    slope = gradients / float(features.shape[1] * features.shape[2])
    total = tf.reduce_sum(features, axis=(1, 2))[:, None, :]
    return tf.nn.relu(_weighted(features, tf.nn.relu(gradients) / tf.maximum(2.0 + total * slope, LEAST)))


def _weighted(features: Any, weights: Any) -> Any:
    _, height, width, channels = features.shape
    flat = tf.reshape(tf.transpose(features, (0, 3, 1, 2)), (-1, channels, height * width))
    maps = tf.matmul(weights, flat)
    return tf.reshape(maps, (-1, weights.shape[1], height, width))
