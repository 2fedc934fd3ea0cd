"""Keras layers as ONNX operators, one function a layer; channels come first, as ONNX wants them.

A converter of TensorFlow graphs would leave a hundred transposes in MobileNetV3 and write its activations in four
operators each: the file then takes twice the time of lopore-torch's. Layers say more than graphs do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.errors import ModelError

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Value:
    """A tensor of the graph. pads: (top, left, bottom, right) zeros that its reader is to put around it.

    positive: nothing lies under zero, so that zeros around it never win a maximum.
    """

    name: str
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    positive: bool = False


@dataclass
class Graph:
    """Nodes and constants in the making. readers: how many layers read each layer's output."""

    readers: Mapping[str, int]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    foldable: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Output of a convolution -> its kernel and bias, where only one layer reads it."""

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """One more operator; returns the name of its output."""
        from onnx import helper

        name = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        """A constant; equal small ones are kept once."""
        array = np.ascontiguousarray(np.asarray(values, kind))
        if array.size <= 8:
            for name, known in self.constants.items():
                if known.shape == array.shape and known.dtype == array.dtype and np.array_equal(known, array):
                    return name
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def padded(self, value: Value) -> str:
        """The tensor with its zeros around it, for operators that cannot put them there themselves."""
        if not any(value.pads):
            return value.name
        top, left, bottom, right = value.pads
        pads = self.constant([0, 0, top, left, 0, 0, bottom, right], np.int64)
        return self.add("Pad", value.name, pads, mode="constant")


Layer = Any
Translator = Callable[[Graph, Layer, Sequence[Value]], Value]


def translate(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    """The layer's operators added to the graph; ModelError naming a layer that has no translation."""
    known = TRANSLATORS.get(type(layer).__name__)
    if known is None or getattr(layer, "data_format", "channels_last") != "channels_last":
        raise _untranslatable(layer, "this kind of layer is not translated")
    return known(graph, layer, inputs)


def _untranslatable(layer: Layer, reason: str) -> ModelError:
    return ModelError(
        f"layer '{layer.name}' ({type(layer).__name__}) cannot be written as ONNX: {reason}; "
        "export to saved_model instead"
    )


def _same(size: Sequence[int], kernel: Sequence[int], steps: Sequence[int], apart: Sequence[int]) -> Any:
    """TensorFlow's 'same' padding: the odd zero stands behind."""
    pads = []
    for n, k, step, d in zip(size, kernel, steps, apart, strict=True):
        total = max((-(-n // step) - 1) * step + (k - 1) * d + 1 - n, 0)
        pads.append((total // 2, total - total // 2))
    return (pads[0][0], pads[1][0], pads[0][1], pads[1][1])


def _window(layer: Layer, value: Value, kernel: Sequence[int], apart: Sequence[int]) -> dict[str, Any]:
    size = layer.input.shape[1:3]
    pads = _same(size, kernel, layer.strides, apart) if layer.padding == "same" else (0, 0, 0, 0)
    pads_in_all = [own + given for own, given in zip(pads, value.pads, strict=True)]
    return {"kernel_shape": list(kernel), "strides": list(layer.strides), "pads": pads_in_all}


def _convolution(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    kernel = layer.get_weights()[0].transpose(3, 2, 0, 1)
    return _convolved(graph, layer, inputs[0], kernel, layer.groups)


def _depthwise(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    kernel = layer.get_weights()[0].transpose(2, 3, 0, 1)
    channels, _, height, width = kernel.shape
    return _convolved(graph, layer, inputs[0], kernel.reshape(-1, 1, height, width), channels)


def _convolved(graph: Graph, layer: Layer, value: Value, kernel: NDArray[Any], groups: int) -> Value:
    bias = layer.get_weights()[1] if layer.use_bias else np.zeros(len(kernel), np.float32)
    given = graph.constant(kernel), f"b{len(graph.nodes)}"
    graph.constants[given[1]] = bias
    window = _window(layer, value, kernel.shape[2:], layer.dilation_rate)
    name = graph.add("Conv", value.name, *given, dilations=list(layer.dilation_rate), group=groups, **window)
    if graph.readers.get(layer.name) == 1 and _name_of(layer.activation) == "linear":
        graph.foldable[name] = given
    return _activated(graph, layer, Value(name), layer.activation)


def _batch_norm(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    weights = iter(np.asarray(part, np.float64) for part in layer.get_weights())
    gain = next(weights) if layer.scale else 1.0
    shift = next(weights) if layer.center else 0.0
    mean, variance = next(weights), next(weights)
    gain = gain / np.sqrt(variance + layer.epsilon)
    shift = shift - mean * gain
    name = graph.padded(inputs[0])
    if name in graph.foldable:
        kernel, bias = graph.foldable.pop(name)
        graph.constants[bias] = (graph.constants[bias] * gain + shift).astype(np.float32)
        graph.constants[kernel] = (graph.constants[kernel] * gain[:, None, None, None]).astype(np.float32)
        return Value(name)
    return Value(_scaled(graph, name, gain, shift))


def _scaled(graph: Graph, name: str, gain: Any, shift: Any) -> str:
    """``x * gain + shift`` a channel."""
    gain, shift = (np.float32(part).reshape(-1, 1, 1) for part in (gain, shift))
    return graph.add("Add", graph.add("Mul", name, graph.constant(gain)), graph.constant(shift))


def _rescaling(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    if len(layer.output.shape) != 4:
        raise _untranslatable(layer, "only images are rescaled")
    return Value(_scaled(graph, graph.padded(inputs[0]), layer.scale, layer.offset))


def _padding(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    (top, bottom), (left, right) = layer.padding
    before = inputs[0].pads
    return replace(inputs[0], pads=tuple(a + b for a, b in zip(before, (top, left, bottom, right), strict=True)))


def _maximum_pool(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    """Refused where zeros would count: ONNX Runtime takes a Pad before it for its own padding, which never wins."""
    value = inputs[0]
    window = _window(layer, value, layer.pool_size, (1, 1))
    if any(value.pads) and not value.positive:
        raise _untranslatable(layer, "zeros stand around values that may be under zero")
    if max(window["pads"]) >= min(layer.pool_size):
        raise _untranslatable(layer, "the zeros around its input are as wide as its window")
    return Value(graph.add("MaxPool", value.name, **window), positive=value.positive)


def _average_pooling(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    name = graph.add("GlobalAveragePool", graph.padded(inputs[0]))
    return Value(name if layer.keepdims else graph.add("Flatten", name, axis=1))


def _upsampling(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    if layer.interpolation != "nearest":
        raise _untranslatable(layer, "only the nearest pixel is taken")
    scales = graph.constant([1, 1, *layer.size])
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return Value(graph.add("Resize", graph.padded(inputs[0]), "", scales, **how), positive=inputs[0].positive)


def _flatten(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    name = graph.padded(inputs[0])
    if len(layer.input.shape) == 4 and layer.input.shape[1:3] != (1, 1):
        name = graph.add("Transpose", name, perm=[0, 2, 3, 1])
    return Value(graph.add("Flatten", name, axis=1))


def _dense(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    if len(layer.input.shape) != 2:
        raise _untranslatable(layer, "only rows of features are taken")
    kernel, *bias = layer.get_weights()
    name = graph.add("Gemm", inputs[0].name, graph.constant(kernel), *(graph.constant(part) for part in bias))
    return _activated(graph, layer, Value(name), layer.activation)


def _joined(kind: str) -> Translator:
    def join(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
        names = [graph.padded(value) for value in inputs]
        result = names[0]
        for name in names[1:]:
            result = graph.add(kind, result, name)
        return Value(result)

    return join


def _concatenate(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    if layer.axis not in (-1, len(layer.output.shape) - 1):
        raise _untranslatable(layer, "only channels are joined")
    return Value(graph.add("Concat", *(graph.padded(value) for value in inputs), axis=1))


def _activation(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    return _activated(graph, layer, Value(graph.padded(inputs[0])), layer.activation)


def _same_value(graph: Graph, layer: Layer, inputs: Sequence[Value]) -> Value:
    return inputs[0]


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", function))


def _activated(graph: Graph, layer: Layer, value: Value, function: Any) -> Value:
    name, kind = value.name, _name_of(function)
    if kind == "linear":
        return value
    if kind == "relu6":
        return Value(graph.add("Clip", name, graph.constant(0.0), graph.constant(6.0)), positive=True)
    if kind in ("silu", "swish"):
        return Value(graph.add("Mul", name, graph.add("Sigmoid", name)))
    if kind in ("hard_silu", "hard_swish"):
        return Value(graph.add("HardSwish", name))
    if kind == "hard_sigmoid":
        return Value(graph.add("HardSigmoid", name, alpha=1 / 6, beta=0.5), positive=True)
    if kind in ("relu", "sigmoid", "tanh"):
        return Value(graph.add(kind.capitalize(), name), positive=kind != "tanh")
    raise _untranslatable(layer, f"its activation '{kind}' is not translated")


TRANSLATORS: Mapping[str, Translator] = {
    "Activation": _activation,
    "Add": _joined("Add"),
    "BatchNormalization": _batch_norm,
    "Concatenate": _concatenate,
    "Conv2D": _convolution,
    "Dense": _dense,
    "DepthwiseConv2D": _depthwise,
    "Dropout": _same_value,
    "Flatten": _flatten,
    "GlobalAveragePooling2D": _average_pooling,
    "Identity": _same_value,
    "MaxPooling2D": _maximum_pool,
    "Multiply": _joined("Mul"),
    "Rescaling": _rescaling,
    "SpatialDropout2D": _same_value,
    "Subtract": _joined("Sub"),
    "UpSampling2D": _upsampling,
    "ZeroPadding2D": _padding,
}


def slope(graph: Graph, layer: Layer, name: str) -> str | None:
    """d(activation) / d(input) at the input ``name``; "" where it is one everywhere, None where there is no formula."""
    kind = _name_of(layer.activation)
    if kind == "linear":
        return ""
    if kind in ("relu", "relu6"):
        passes = graph.add("Greater", name, graph.constant(0.0))
        if kind == "relu6":
            passes = graph.add("And", passes, graph.add("Less", name, graph.constant(6.0)))
        return graph.add("Cast", passes, to=1)
    if kind in ("silu", "swish"):
        gate = graph.add("Sigmoid", name)
        rest = graph.add("Mul", name, graph.add("Sub", graph.constant(1.0), gate))
        return graph.add("Mul", gate, graph.add("Add", rest, graph.constant(1.0)))
    if kind in ("hard_silu", "hard_swish"):
        third, half = graph.constant(1 / 3), graph.constant(0.5)
        middle = graph.add("Add", graph.add("Mul", name, third), half)
        above = graph.add("Where", graph.add("Less", name, graph.constant(3.0)), middle, graph.constant(1.0))
        return graph.add("Where", graph.add("Greater", name, graph.constant(-3.0)), above, graph.constant(0.0))
    return None
