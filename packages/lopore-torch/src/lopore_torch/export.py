"""The ONNX file: raw pixels in, probabilities and exact heat maps out, the record inside, nothing of this machine."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lopore.errors import ModelError

from .backbones import cam_support
from .graphs import export_graph
from .network import Classifier, Network
from .predict import load_network

if TYPE_CHECKING:
    import onnx

    from lopore.record.folder import ModelFolder
    from lopore.record.model import ModelRecord

OPSET = 18
ONNX_FILE = "model.onnx"


def export_onnx(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    """Write ``target / "model.onnx"``; returns notes: opset, outputs, whether Grad-CAM is exact and if not, why.

    Input ``pixels`` (batch, H, W, C) uint8 or uint16. Outputs ``scores`` (batch, K) and, where exact, ``cam`` and
    ``cam_plus`` (batch, K, h, w), for segmentation ``maps`` (batch, K, H, W); last ``features`` (batch, D).
    """
    from lopore.record.onnx_file import write_record

    network = load_network(folder).requires_grad_(False)
    graph, names, notes = graph_of(network, folder.record)
    model = to_onnx(graph, names, example_pixels(folder.record))
    path = target / ONNX_FILE
    path.write_bytes(model.SerializeToString())
    write_record(path, folder.record)
    return {"opset": OPSET, "outputs": names, **notes}


def graph_of(network: Network, record: ModelRecord) -> tuple[nn.Module, list[str], dict[str, Any]]:
    """The graph to export, its outputs' names, and the notes on heat maps."""
    recipe = record.preprocessing
    exact, reason = cam_support(network, recipe.size, recipe.channels, recipe.depth)
    features = None
    if exact and isinstance(network, Classifier):
        with torch.no_grad():
            features = network.features(example_pixels(record)).shape[1]
    graph, names = export_graph(network, record.task, features, record.calibration)
    return graph.eval(), names, {"exact_cam": exact, "exact_cam_reason": reason}


def example_pixels(record: ModelRecord) -> Tensor:
    """Two images of noise in the shape and depth that the model takes."""
    recipe = record.preprocessing
    values = torch.randint(
        0, 2**recipe.depth, (2, *recipe.size, recipe.channels), generator=torch.Generator().manual_seed(0)
    )
    return values.to(torch.uint8 if recipe.depth == 8 else torch.uint16)


def to_onnx(graph: nn.Module, names: list[str], pixels: Tensor) -> onnx.ModelProto:
    """An ONNX model of ``graph`` with a free batch size, batch normalisation folded, trimmed of traces.

    Raises ModelError where the network holds an operation that ONNX lacks.
    """
    batch = torch.export.Dim("batch", min=1)
    with _quiet():
        try:
            program = torch.onnx.export(
                graph, (pixels,), dynamo=True, opset_version=OPSET, input_names=["pixels"], output_names=names,
                dynamic_shapes=({0: batch},), verbose=False,
            )  # fmt: skip
        except torch.onnx.OnnxExporterError as error:
            cause = str(error.__cause__ or error).strip().splitlines()[0][:160]
            raise ModelError(f"this network cannot be written as ONNX: {cause}; export to pt instead") from None
    assert program is not None
    return trimmed(program.model_proto)


def trimmed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without what the exporter noted down about source files and modules."""
    from onnx import helper

    model.ir_version = helper.find_min_ir_version_for(model.opset_import)  # so that old runtimes open the file too
    model.producer_name, model.producer_version, model.doc_string = "lopore", "", ""
    graph = model.graph
    graph.name, graph.doc_string = "lopore", ""
    del model.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        part.doc_string = ""
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's own notices are about its inside; warnings of lopore's code would come from elsewhere."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
