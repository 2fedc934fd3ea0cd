"""Static int8: weights and activations of the convolutions in 8 bits, calibrated on real images."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnxruntime as ort

from lopore.arrays import PixelBatch

from .session_options import session_options

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder

INT8_FILE = "model.int8.onnx"
OPERATORS = ("Conv", "Add", "MaxPool", "Concat", "Clip", "Relu")
"""What runs in 8 bits; the pixels' normalisation, the head, the scores and the heat maps keep 32 bits."""
CALIBRATION_IMAGES, BATCH = 128, 8
TIMED_RUNS = 15


class _Images:
    """Batches for onnxruntime's calibration, by the interface of its ``CalibrationDataReader``."""

    def __init__(self, images: PixelBatch) -> None:
        self._parts: Iterator[PixelBatch] = iter([images[at : at + BATCH] for at in range(0, len(images), BATCH)])

    def get_next(self) -> dict[str, PixelBatch] | None:
        part = next(self._parts, None)
        return None if part is None else {"pixels": part}


def export_int8(folder: ModelFolder, target: Path, images: PixelBatch) -> Mapping[str, Any]:
    """Write ``target / "model.int8.onnx"`` from the folder's own ONNX file; its inputs and outputs are the same but for
    ``features``, which it has not.

    images: (N, H, W, C) preprocessed real images; at most 128, spread over them, set the ranges of the activations
    (their least and largest value). Weights have 8 bits and a scale for each output channel: 7 bits, which cannot
    saturate on processors without VNNI, cost an EfficientNet-Lite0 one decision in eleven. Returns operators, images
    and milliseconds an image of both files.
    ModelError where the folder has no ONNX file.
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    source = folder.file_for("onnx")
    chosen = images[:: max(1, -(-len(images) // CALIBRATION_IMAGES))]
    path = target / INT8_FILE
    model = onnx.load_from_string(source.read_bytes())
    in_float = _in_float(model)
    with _quiet():
        quantize_static(
            _plain(model), path, _Images(chosen), quant_format=QuantFormat.QDQ, op_types_to_quantize=list(OPERATORS),
            per_channel=True, activation_type=QuantType.QInt8, weight_type=QuantType.QInt8,
            nodes_to_exclude=in_float,
        )  # fmt: skip
    _lower_version(path)
    one = chosen[:1]
    speed = {"onnx": _milliseconds(source.read_bytes(), one), "onnx-int8": _milliseconds(path.read_bytes(), one)}
    sizes = {"onnx": source.stat().st_size, "onnx-int8": path.stat().st_size}
    return {
        "calibration_images": len(chosen), "calibration": "least and largest value", "operators": list(OPERATORS),
        "weights": "8 bits, a scale for each channel", "milliseconds_an_image": speed, "bytes": sizes,
        "onnxruntime": ort.__version__,
    }  # fmt: skip


def _plain(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without metadata, as the record and its seal are put inside anew, and without features: those of a network in 8
    bits are others than the record's reference of training films, which was made in 32."""
    del model.metadata_props[:]
    for output in [one for one in model.graph.output if one.name == "features"]:
        model.graph.output.remove(output)
    return model


def _lower_version(path: Path) -> None:
    """Give a file the lowest IR version that its operators allow, so that old runtimes open it too."""
    model = onnx.load(path)
    lowest = onnx.helper.find_min_ir_version_for(model.opset_import, ignore_unknown=True)
    model.ir_version = min(model.ir_version, lowest)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _in_float(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes that keep 32 bits: those before the first convolution and those that lead to none."""
    nodes = model.graph.node
    for number, node in enumerate(nodes):
        node.name = node.name or f"node_{number}"
    after: set[str] = set()
    for node in nodes:  # in the order of the data, as ONNX has them
        if node.op_type == "Conv" or after.intersection(node.input):
            after.update(node.output)
    before: set[str] = set()
    for node in reversed(nodes):
        if node.op_type == "Conv" or before.intersection(node.output):
            before.update([*node.input, *(node.output if node.op_type == "Conv" else ())])
    return [node.name for node in nodes if not (after.intersection(node.output) and before.intersection(node.output))]


def _milliseconds(content: bytes, image: PixelBatch) -> float:
    """Median time of one image on this machine's CPU, after three runs that are not counted."""
    session = ort.InferenceSession(content, session_options(), providers=["CPUExecutionProvider"])
    times = []
    for _ in range(TIMED_RUNS + 3):
        began = time.perf_counter()
        session.run(["scores"], {"pixels": image})
        times.append(1000 * (time.perf_counter() - began))
    return round(float(np.median(times[3:])), 3)


@contextmanager
def _quiet() -> Iterator[None]:
    """onnxruntime advises a pass over the graph that lopore's exports do not need: they are folded already."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
