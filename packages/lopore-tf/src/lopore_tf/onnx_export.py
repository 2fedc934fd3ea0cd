"""The ONNX file of a Keras network: raw pixels in, probabilities and exact heat maps out, the record inside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lopore.contracts import Task
from lopore.errors import ModelError
from lopore.record.score_calibration import ScoreCalibration

from . import cam
from .backbones import cam_support
from .graphs import CAM, CAM_PLUS, MAPS, PENULTIMATE, SCORES
from .network import FEATURES, PIXELS, is_segmenter, penultimate_layer
from .onnx_layers import Graph, Value, slope, translate
from .predict import load_network
from .score_calibration import bends

if TYPE_CHECKING:
    import onnx

    from lopore.record.folder import ModelFolder

OPSET = 18
ONNX_FILE = "model.onnx"
BATCH = "batch"


def export_onnx(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    """Write ``target / "model.onnx"``; returns notes: opset, outputs, whether Grad-CAM is exact and if not, why.

    Input ``pixels`` (batch, H, W, C) uint8 or uint16. Outputs ``scores`` (batch, K) and, where exact, ``cam`` and
    ``cam_plus`` (batch, K, h, w), for segmentation ``maps`` (batch, K, H, W); last ``features`` (batch, D).
    """
    from lopore.record.onnx_file import write_record

    network, recipe = load_network(folder), folder.record.preprocessing
    exact, reason = cam_support(network, recipe.size, recipe.channels)
    model = to_onnx(network, folder.record.task, exact=exact, calibration=folder.record.calibration)
    outputs = [output.name for output in model.graph.output]
    if exact and CAM not in outputs:
        exact, reason = False, "the gradient of its head is not translated"
    path = target / ONNX_FILE
    path.write_bytes(model.SerializeToString())
    write_record(path, folder.record)
    return {"opset": OPSET, "outputs": outputs, "exact_cam": exact, "exact_cam_reason": reason}


def to_onnx(network: Any, task: Task, *, exact: bool, calibration: ScoreCalibration | None = None) -> onnx.ModelProto:
    """An ONNX model with a free batch size, batch normalisation folded into the convolutions.

    exact: whether to add heat maps, left out where the head's gradient has no formula. ModelError where a layer has
    no translation.
    """
    steps = steps_of(network)
    graph = Graph(Counter(name for _, sources in steps for name in sources))
    values = _layers(graph, network, steps)
    logits = values[network.output_names[0]].name
    if is_segmenter(network):
        _segmented(graph, logits)
        height, width, several = network.outputs[0].shape[1:]
        found: dict[str, tuple[int, ...]] = {SCORES: (several - 1,), MAPS: (several - 1, height, width)}
        return _model(graph, network, found | _penultimate(graph, network, values))
    features = network.get_layer(FEATURES).output.shape
    _scores(graph, _calibrated(graph, logits, calibration), task)
    outputs: dict[str, tuple[int, ...]] = {SCORES: (max(2, network.outputs[0].shape[-1]),)}
    slopes = _head_slopes(graph, network, steps, values) if exact else None
    if slopes is not None:
        _maps(graph, values[FEATURES].name, slopes, features[1:])
        outputs[CAM] = outputs[CAM_PLUS] = (*outputs[SCORES], *features[1:3])
    return _model(graph, network, outputs | _penultimate(graph, network, values))


def _penultimate(graph: Graph, network: Any, values: Mapping[str, Value]) -> dict[str, tuple[int, ...]]:
    """The output ``features`` as ``network.penultimate_layer`` has it, with its shape; none where there is no layer."""
    read = penultimate_layer(network)
    if read is None:
        return {}
    given, depth = values[read.name].name, int(read.output.shape[-1])
    if is_segmenter(network):
        graph.add("ReduceMean", given, graph.constant([2, 3], np.int64), output=PENULTIMATE, keepdims=0)
    else:
        graph.add("Flatten", given, output=PENULTIMATE, axis=1)
    return {PENULTIMATE: (depth,)}


Steps = Sequence[tuple[Any, Sequence[str]]]


def steps_of(network: Any) -> Steps:
    """Layers in the order they run, each with the names of the layers that it reads.

    ModelError for a network that uses a layer twice or nests another network.
    """
    steps = []
    for entry in network.get_config()["layers"]:
        nodes = entry["inbound_nodes"]
        if len(nodes) > 1 or entry["class_name"] == "Functional":
            raise ModelError(
                f"layer '{entry['name']}' is used twice or is a network of its own; such networks are not written as "
                "ONNX, export to saved_model instead"
            )
        steps.append((network.get_layer(entry["name"]), [name for node in nodes for name in _sources(node["args"])]))
    return steps


def _sources(arguments: Any) -> list[str]:
    if isinstance(arguments, Mapping):
        history = arguments.get("config", {}).get("keras_history")
        return [str(history[0])] if history else []
    if isinstance(arguments, list | tuple):
        return [name for part in arguments for name in _sources(part)]
    return []


def _layers(graph: Graph, network: Any, steps: Steps) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for layer, sources in steps:
        if sources:
            values[layer.name] = translate(graph, layer, [values[name] for name in sources])
        else:
            floats = graph.add("Cast", PIXELS, to=1)
            values[layer.name] = Value(graph.add("Transpose", floats, perm=[0, 3, 1, 2]))
    return values


def _calibrated(graph: Graph, logits: str, calibration: ScoreCalibration | None) -> str:
    """As ``score_calibration.calibrate``."""
    if calibration is None:
        return logits
    curves = calibration.curves
    scale, shift = ([[getattr(curve, name) for curve in curves]] for name in ("scale", "shift"))
    found = graph.add("Add", graph.add("Mul", logits, graph.constant(scale)), graph.constant(shift))
    for knots, gains in bends(curves):
        above = graph.add("Relu", graph.add("Sub", logits, graph.constant([knots])))
        found = graph.add("Add", found, graph.add("Mul", above, graph.constant([gains])))
    return found


def _scores(graph: Graph, logits: str, task: Task) -> None:
    """As ``network.to_scores``."""
    if task == "multiclass":
        graph.add("Softmax", logits, output=SCORES, axis=1)
        return
    nought = graph.add("Sub", logits, logits)
    if task == "binary":
        graph.add("Softmax", graph.add("Concat", nought, logits, axis=1), output=SCORES, axis=1)
        return
    last = graph.constant([2], np.int64)
    pairs = graph.add("Concat", graph.add("Unsqueeze", nought, last), graph.add("Unsqueeze", logits, last), axis=2)
    both = graph.add("Softmax", pairs, axis=2)
    there = graph.add("Gather", both, graph.constant([1], np.int64), axis=2)
    graph.add("Squeeze", there, last, output=SCORES)


def _segmented(graph: Graph, logits: str) -> None:
    """As ``network.to_maps`` and ``to_scores``; channels are in front already."""
    start, end, axis = (graph.constant([number], np.int64) for number in (1, np.iinfo(np.int64).max, 1))
    maps = graph.add("Slice", graph.add("Softmax", logits, axis=1), start, end, axis, output=MAPS)
    graph.add("ReduceMax", maps, graph.constant([2, 3], np.int64), output=SCORES, keepdims=0)


def _head_slopes(graph: Graph, network: Any, steps: Steps, values: Mapping[str, Value]) -> str | None:
    """d(class logit) / d(mean feature), (N or 1, K, C), by the chain rule from the logits back to the features.

    None where a layer of the head has no formula. Products of constants are made here, not in the file.
    """
    sources = {layer.name: names for layer, names in steps}
    layers = {layer.name: layer for layer, _ in steps}
    at, fixed, moving = network.output_names[0], np.eye(network.outputs[0].shape[-1]), ""
    if len(fixed) == 1:
        fixed = np.array([[-1.0], [1.0]])  # one binary logit z stands for [-z, z]
    while at != FEATURES:
        layer, names = layers[at], sources[at]
        kind = type(layer).__name__
        if len(names) != 1 or kind not in ("Activation", "Dense", "Conv2D", *_KEEPS):
            return None
        if kind == "Activation":
            bend = slope(graph, layer, graph.add("Flatten", values[names[0]].name, axis=1))
            if bend is None:
                return None
            if bend:
                rows = graph.add("Unsqueeze", bend, graph.constant([1], np.int64))
                moving = graph.add("Mul", moving or graph.constant(fixed[None]), rows)
        elif kind in ("Dense", "Conv2D"):
            kernel = layer.get_weights()[0]
            if layer.activation.__name__ != "linear" or (kind == "Conv2D" and kernel.shape[:2] != (1, 1)):
                return None
            matrix = kernel.reshape(kernel.shape[-2:]).T
            moving = graph.add("MatMul", moving, graph.constant(matrix)) if moving else ""
            fixed = fixed if moving else fixed @ matrix
        at = names[0]
    return moving or graph.constant(fixed[None])


_KEEPS = ("Dropout", "Flatten", "GlobalAveragePooling2D", "Identity", "SpatialDropout2D")
"""Layers of a head that pass the gradient of pooled features on as it is."""


def _maps(graph: Graph, features: str, slopes: str, shape: Sequence[int]) -> None:
    """Grad-CAM and Grad-CAM++ as ``cam`` has them, from features (N, C, h, w) and slopes (N or 1, K, C)."""
    height, width, channels = shape
    places = graph.constant(float(height * width))
    flat = graph.add("Reshape", features, graph.constant([0, channels, height * width], np.int64))
    plain = graph.add("Div", slopes, places)
    graph.add("Relu", _map(graph, plain, flat, shape), output=CAM)
    total = graph.add("ReduceSum", flat, graph.constant([2], np.int64), keepdims=0)
    total = graph.add("Unsqueeze", total, graph.constant([1], np.int64))
    below = graph.add("Add", graph.add("Mul", total, plain), graph.constant(2.0))
    weights = graph.add("Div", graph.add("Relu", slopes), graph.add("Max", below, graph.constant(cam.LEAST)))
    graph.add("Relu", _map(graph, weights, flat, shape), output=CAM_PLUS)


def _map(graph: Graph, weights: str, flat: str, shape: Sequence[int]) -> str:
    maps = graph.add("MatMul", weights, flat)
    return graph.add("Reshape", maps, graph.constant([0, 0, *shape[:2]], np.int64))


def _model(graph: Graph, network: Any, outputs: Mapping[str, Sequence[int]]) -> onnx.ModelProto:
    from onnx import TensorProto, helper, numpy_helper

    given = network.inputs[0]
    kind = {"uint8": TensorProto.UINT8, "uint16": TensorProto.UINT16}[str(given.dtype)]
    used = {name for node in graph.nodes for name in node.input}
    made = helper.make_graph(
        graph.nodes,
        "lopore",
        [helper.make_tensor_value_info(PIXELS, kind, [BATCH, *given.shape[1:]])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [BATCH, *shape]) for name, shape in outputs.items()],
        [numpy_helper.from_array(values, name) for name, values in graph.constants.items() if name in used],
    )
    opset = [helper.make_opsetid("", OPSET)]
    lowest = helper.find_min_ir_version_for(opset)  # so that old runtimes open the file too
    return helper.make_model(made, opset_imports=opset, ir_version=lowest, producer_name="lopore")
