"""The few Keras layers that all networks are made of, set to what timm's layers do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from lopore_tf.start import keras

Padding = Literal["even", "tensorflow"]
BN_MOMENTUM = 0.9
"""PyTorch's 0.1 said the other way round: the share of the older statistics that is kept."""


@dataclass(frozen=True)
class Style:
    """How a family pads and normalises.

    padding: "even" pads both sides alike, as PyTorch does; "tensorflow" pads less before than behind where a stride
    leaves a remainder. epsilon: of batch normalisation. activation: of every layer that names no other.
    """

    padding: Padding
    epsilon: float
    activation: str


def convolution(
    x: Any, name: str, style: Style, filters: int, *, kernel: int = 1, stride: int = 1, bias: bool = False,
    initial: Any = None,
) -> Any:  # fmt: skip
    """A convolution. initial: draws its weights; else they are He's for the outputs (kaiming normal, fan out), as
    timm draws them."""
    x, padding = _padded(x, name, style, kernel, stride)
    return keras.layers.Conv2D(
        filters, kernel, stride, padding, use_bias=bias, kernel_initializer=initial or _he_fan_out(), name=name
    )(x)


def depthwise(x: Any, name: str, style: Style, *, kernel: int, stride: int) -> Any:
    """One filter a channel."""
    x, padding = _padded(x, name, style, kernel, stride)
    return keras.layers.DepthwiseConv2D(
        kernel, stride, padding, use_bias=False, depthwise_initializer=_he_fan_out(), name=name
    )(x)


def _padded(x: Any, name: str, style: Style, kernel: int, stride: int) -> tuple[Any, str]:
    if stride == 1 or style.padding == "tensorflow":
        return x, "same"  # with stride 1 and an odd kernel both kinds pad alike
    return keras.layers.ZeroPadding2D(kernel // 2, name=f"{name}.pad")(x), "valid"


def _he_fan_out() -> Any:
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def batch_norm(x: Any, name: str, style: Style, *, starts_at: float = 1.0) -> Any:
    """Batch normalisation. starts_at: its first gain; 0 lets a residual branch begin as nothing."""
    return keras.layers.BatchNormalization(
        momentum=BN_MOMENTUM, epsilon=style.epsilon, gamma_initializer=keras.initializers.Constant(starts_at), name=name
    )(x)


def activation(x: Any, name: str, kind: str) -> Any:
    return keras.layers.Activation(kind, name=name)(x)


def squeeze_excite(x: Any, name: str, style: Style, reduced: int, kind: str, gate: str) -> Any:
    """Channels weighed by what the whole image holds (Hu et al., CVPR 2018)."""
    channels = x.shape[-1]
    squeezed = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}.pool")(x)
    squeezed = convolution(squeezed, f"{name}.conv_reduce", style, reduced, bias=True)
    squeezed = activation(squeezed, f"{name}.act1", kind)
    squeezed = convolution(squeezed, f"{name}.conv_expand", style, channels, bias=True)
    return keras.layers.Multiply(name=f"{name}.scale")([x, activation(squeezed, f"{name}.gate", gate)])
