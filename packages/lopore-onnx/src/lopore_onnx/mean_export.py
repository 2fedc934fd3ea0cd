"""One ONNX file that gives the mean of several models' answers, such as the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
from onnx import helper

from lopore.errors import ModelError

from .graph_builder import GraphBuilder, renamed

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder

MEAN_FILE = "model.onnx"
AVERAGED = ("scores", "cam", "maps")
"""Outputs whose mean means something; Grad-CAM++ weighs by its own gradients and is left out."""


def export_mean(folders: Sequence[ModelFolder], target: Path) -> Mapping[str, Any]:
    """Write ``target / "model.onnx"`` from the ONNX files of models of equal input and classes.

    ``pixels`` goes into every network; ``scores`` (N, K) is the mean of their calibrated probabilities, ``cam`` and
    ``maps`` the mean of their maps where all have them. ModelError where inputs, classes or operator sets differ.
    """
    models = [onnx.load_from_string(folder.file_for("onnx").read_bytes()) for folder in folders]
    _check_alike(folders, models)
    graph, first = GraphBuilder("mean_"), models[0]
    outputs = [one for one in first.graph.output if one.name in AVERAGED and all(_has(m, one.name) for m in models)]
    nodes, weights = [], []
    for number, model in enumerate(models):
        renamed(model.graph, f"fold{number}_", {"pixels": "pixels"}, {})
        nodes += list(model.graph.node)
        weights += list(model.graph.initializer)
    for output in outputs:
        mean = graph.add("Mean", *(f"fold{number}_{output.name}" for number in range(len(models))))
        graph.nodes.append(helper.make_node("Identity", [mean], [output.name]))
    made = helper.make_graph([*nodes, *graph.nodes], "lopore", list(first.graph.input), outputs, weights)
    imports = list(first.opset_import)
    lowest = helper.find_min_ir_version_for(imports, ignore_unknown=True)  # so that old runtimes open the file too
    averaged = helper.make_model(made, opset_imports=imports, ir_version=lowest, producer_name="lopore")
    (target / MEAN_FILE).write_bytes(averaged.SerializeToString(deterministic=True))
    return {"models": len(models), "outputs": [output.name for output in outputs]}


def _has(model: onnx.ModelProto, name: str) -> bool:
    return any(output.name == name for output in model.graph.output)


def _check_alike(folders: Sequence[ModelFolder], models: Sequence[onnx.ModelProto]) -> None:
    first, record = models[0], folders[0].record
    for folder, model in zip(folders[1:], models[1:], strict=True):
        same = folder.record.classes == record.classes and folder.record.preprocessing.size == record.preprocessing.size
        ends = [str(one) for one in model.graph.input] == [str(one) for one in first.graph.input]
        if not same or not ends or str(model.opset_import) != str(first.opset_import):
            raise ModelError(
                f"{folder.title} and {folders[0].title} differ in classes, input or operator set and have no mean; "
                "average models of one cross-validation"
            )
