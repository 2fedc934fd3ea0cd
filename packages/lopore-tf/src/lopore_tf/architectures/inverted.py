"""EfficientNet and MobileNet: networks of inverted residual blocks, layer by layer as timm's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lopore_tf.start import keras

from .layers import Style, activation, batch_norm, convolution, depthwise, squeeze_excite

Kind = Literal["separable", "inverted", "fused", "plain"]
"""separable: depthwise then pointwise. inverted: expand, depthwise, project. fused: expand by the full kernel, project.
plain: one convolution."""


@dataclass(frozen=True)
class Block:
    """``repeats`` blocks of which the first has the stride. squeeze: channels of squeeze-and-excitation as a share."""

    kind: Kind
    filters: int
    kernel: int = 3
    stride: int = 1
    expand: float = 1.0
    repeats: int = 1
    squeeze: float = 0.0
    activation: str | None = None


@dataclass(frozen=True)
class Squeeze:
    """How squeeze-and-excitation counts and gates.

    of_expanded: the share is of the expanded channels, rounded to eights; else of the block's input.
    """

    activation: str
    gate: str = "sigmoid"
    of_expanded: bool = False


@dataclass(frozen=True)
class Inverted:
    """A network as data. stages: blocks as timm groups them. head: filters of the last convolution before pooling, or
    None where none stands there. pooled: filters of a convolution behind the pooling, or None."""

    style: Style
    stem: int
    stages: Sequence[Sequence[Block]]
    squeeze: Squeeze = Squeeze("relu")
    head: int | None = 1280
    pooled: int | None = None


def in_eights(channels: float) -> int:
    """The nearest multiple of 8 that is at least nine tenths of ``channels`` (Howard et al., MobileNets, 2017)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def inverted_features(x: Any, *, network: Inverted, last: str) -> Any:
    """The last features, (N, H/32, W/32, channels). last: the name of the last layer."""
    style = network.style
    x = convolution(x, "conv_stem", style, network.stem, kernel=3, stride=2)
    x = activation(batch_norm(x, "bn1", style), "bn1.act", style.activation)
    for stage, blocks in enumerate(network.stages):
        rows = [(block, index) for block in blocks for index in range(block.repeats)]
        for number, (block, index) in enumerate(rows):
            ends = network.head is None and stage == len(network.stages) - 1 and number == len(rows) - 1
            x = _block(x, f"blocks.{stage}.{number}", network, block, 1 if index else block.stride, last, ends)
    if network.head is None:
        return x
    x = batch_norm(convolution(x, "conv_head", style, network.head), "bn2", style)
    return activation(x, last, style.activation)


def _block(x: Any, name: str, network: Inverted, block: Block, stride: int, last: str, ends: bool) -> Any:
    style, kind = network.style, block.activation or network.style.activation
    if block.kind == "plain":
        y = convolution(x, f"{name}.conv", style, block.filters, kernel=block.kernel, stride=stride)
        return activation(batch_norm(y, f"{name}.bn1", style), last if ends else f"{name}.bn1.act", kind)
    y = {"separable": _separable, "inverted": _inverted, "fused": _fused}[block.kind](x, name, network, block, stride)
    if stride == 1 and x.shape[-1] == block.filters:
        y = keras.layers.Add(name=f"{name}.add")([y, x])
    return y


def _separable(x: Any, name: str, network: Inverted, block: Block, stride: int) -> Any:
    style, kind = network.style, block.activation or network.style.activation
    y = depthwise(x, f"{name}.conv_dw", style, kernel=block.kernel, stride=stride)
    y = activation(batch_norm(y, f"{name}.bn1", style), f"{name}.bn1.act", kind)
    y = _squeezed(y, name, network, block, x.shape[-1])
    return batch_norm(convolution(y, f"{name}.conv_pw", style, block.filters), f"{name}.bn2", style)


def _inverted(x: Any, name: str, network: Inverted, block: Block, stride: int) -> Any:
    style, kind = network.style, block.activation or network.style.activation
    y = convolution(x, f"{name}.conv_pw", style, in_eights(x.shape[-1] * block.expand))
    y = activation(batch_norm(y, f"{name}.bn1", style), f"{name}.bn1.act", kind)
    y = depthwise(y, f"{name}.conv_dw", style, kernel=block.kernel, stride=stride)
    y = activation(batch_norm(y, f"{name}.bn2", style), f"{name}.bn2.act", kind)
    y = _squeezed(y, name, network, block, x.shape[-1])
    return batch_norm(convolution(y, f"{name}.conv_pwl", style, block.filters), f"{name}.bn3", style)


def _fused(x: Any, name: str, network: Inverted, block: Block, stride: int) -> Any:
    style, kind = network.style, block.activation or network.style.activation
    wide = in_eights(x.shape[-1] * block.expand)
    y = convolution(x, f"{name}.conv_exp", style, wide, kernel=block.kernel, stride=stride)
    y = activation(batch_norm(y, f"{name}.bn1", style), f"{name}.bn1.act", kind)
    y = _squeezed(y, name, network, block, x.shape[-1])
    return batch_norm(convolution(y, f"{name}.conv_pwl", style, block.filters), f"{name}.bn2", style)


def _squeezed(y: Any, name: str, network: Inverted, block: Block, entering: int) -> Any:
    if not block.squeeze:
        return y
    how = network.squeeze
    reduced = in_eights(y.shape[-1] * block.squeeze) if how.of_expanded else round(entering * block.squeeze)
    return squeeze_excite(y, f"{name}.se", network.style, reduced, how.activation, how.gate)
