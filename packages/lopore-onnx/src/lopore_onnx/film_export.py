"""One ONNX file from raw grey values to the answer: window, resize, network, decision and heat map for any film."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from lopore.errors import ModelError
from lopore.preprocessing.enhancement_chain import Chain

from .film_answer import average_maps, best_class, decision, map_on_film, mean_over_views, views_of
from .film_input import LEVELS, Placement, apply_table, to_depth
from .graph_builder import FLOAT, INT64, GraphBuilder, renamed

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder
    from lopore.record.model import ModelRecord

FILM_FILE = "film.onnx"
OPSET = 18
"""The first with ScatterElements that adds, ReduceSum and ReduceMean over given axes, and Pad as used here."""
"""The lowest that this operator set allows: onnxruntime 1.14 (2023) and later open it."""
IMAGE, BITS, TAGS = "image", "bits", "window"


def export_film(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    """Write ``target / "film.onnx"`` around the folder's own ONNX file.

    Inputs: ``image`` uint16 (H, W), or (H, W, 3) for a colour model, the grey values as the file has them; ``bits``
    int64, 8 or 16, the depth of the file; for models with a window of tags ``window`` float64 (2,), NaN where the file
    has none. Outputs: ``scores`` (K,) float32, NaN where the model does not take this depth; ``decision`` (K,) int64, 1
    for a class that is called; where the model has exact heat maps or is a segmentation model ``maps`` (K, h, w)
    float32 and ``heat_map`` (H, W) float32 on the film, of the positive class or of the one with the largest score.
    Raises ModelError for enhancements that are more than a table of grey values.
    """
    record = folder.record
    _check(record)
    model = onnx.load_from_string(folder.file_for("onnx").read_bytes())
    graph = GraphBuilder("film_")
    table = _chain_table(record)
    shape = (graph.size_of(IMAGE, 0), graph.size_of(IMAGE, 1))
    image = graph.cast(IMAGE, INT64)
    values = to_depth(graph, image, BITS, TAGS, record.preprocessing)
    if table is not None:
        values = apply_table(graph, values, table)
    planes = graph.add("Gather", graph.cast(values, FLOAT), image, axis=0)
    axes = [2, 0, 1] if record.preprocessing.channels == 3 else None
    planes = (
        graph.add("Transpose", planes, perm=axes)
        if axes
        else graph.add("Unsqueeze", planes, graph.constant([0], np.int64))
    )
    placement = Placement(graph, shape, record.preprocessing)
    batch = views_of(graph, placement.pixels(planes), record.tta_views)
    front = list(graph.nodes)
    graph.nodes.clear()
    outputs = _answers(graph, model, placement, record)
    return _write(target / FILM_FILE, folder, model, graph, front, batch, outputs)


def _check(record: ModelRecord) -> None:
    """ModelError for preprocessing that is not written into the file."""
    recipe, title = record.preprocessing, f"{record.name}/{record.version}"
    if recipe.resize == "tile":
        raise ModelError(f"{title} looks at tiles of a film; `lopore inspect` covers films with it")
    if recipe.decoder_scaling:
        raise ModelError(
            f"{title} lets the JPEG decoder shrink films, which a file for raw grey values cannot; train without "
            "preprocessing.decoder_scaling"
        )


def _chain_table(record: ModelRecord) -> np.ndarray[Any, Any] | None:
    """The enhancement chain as one table of grey values; ModelError where a step looks further than one pixel."""
    chain = Chain.parse(record.preprocessing.enhance, for_model=True)
    if not chain.steps:
        return None
    wide = [step.enhancer.name for step in chain.steps if step.enhancer.lookup is None]
    if wide:
        raise ModelError(
            f"{record.name}/{record.version} enhances by {', '.join(wide)}, which is more than a table of grey values "
            "and does not go into one ONNX file; export to onnx and enhance before it"
        )
    top = 2**record.preprocessing.depth
    every = np.arange(top, dtype=np.uint8 if top == 256 else np.uint16).reshape(1, -1)
    table = np.zeros(LEVELS, np.uint16)
    table[:top] = chain.apply(every)[0][0]
    return table


def _answers(
    graph: GraphBuilder, model: onnx.ModelProto, placement: Placement, record: ModelRecord
) -> dict[str, tuple[str, int, list[Any]]]:
    """Nodes behind the network; names of the outputs with the tensor, the type and the shape of each."""
    count, names = len(record.classes), [output.name for output in model.graph.output]
    scores = mean_over_views(graph, "net_scores")
    fits = graph.add("Equal", BITS, graph.constant(8, np.int64))
    if record.preprocessing.window.mode != "full" or record.preprocessing.depth == 16:
        fits = graph.add("Or", fits, graph.add("Equal", BITS, graph.constant(16, np.int64)))
    called = graph.add("Where", fits, decision(graph, scores, record), graph.constant(-1, np.int64))
    outputs: dict[str, tuple[str, int, list[Any]]] = {
        "scores": (graph.add("Where", fits, scores, graph.constant(np.nan, np.float32)), FLOAT, [count]),
        "decision": (called, INT64, [count]),
    }
    maps = next((name for name in ("maps", "cam") if name in names), None)
    if maps is not None:
        shown = _shown_class(graph, scores, record)
        one = (
            average_maps(graph, f"net_{maps}", record.tta_views)
            if maps == "maps"
            else graph.add("Gather", f"net_{maps}", graph.constant(0, np.int64), axis=0)
        )
        outputs["maps"] = (one, FLOAT, [count, "map_height", "map_width"])
        outputs["heat_map"] = (map_on_film(graph, one, shown, placement), FLOAT, ["height", "width"])
    return outputs


def _shown_class(graph: GraphBuilder, scores: str, record: ModelRecord) -> str:
    if record.task == "binary":
        return graph.constant(record.classes.index(record.positive or record.classes[-1]), np.int64)
    return best_class(graph, scores)


def _write(
    path: Path, folder: ModelFolder, model: onnx.ModelProto, graph: GraphBuilder, front: list[onnx.NodeProto],
    batch: str, outputs: Mapping[str, tuple[str, int, list[Any]]],
) -> Mapping[str, Any]:  # fmt: skip
    from lopore.record.onnx_file import write_record

    record = folder.record
    given = {"pixels": batch}
    renamed(model.graph, "net_", given, {})
    colour = record.preprocessing.channels == 3
    inputs = [
        helper.make_tensor_value_info(IMAGE, TensorProto.UINT16, ["height", "width", *[3] * colour]),
        helper.make_tensor_value_info(BITS, TensorProto.INT64, []),
    ]
    if record.preprocessing.window.mode == "tags":
        inputs.append(helper.make_tensor_value_info(TAGS, TensorProto.DOUBLE, [2]))
    last = [helper.make_node("Identity", [tensor], [name]) for name, (tensor, _, _) in outputs.items()]
    made = helper.make_graph(
        [*front, *model.graph.node, *graph.nodes, *last],
        "lopore",
        inputs,
        [helper.make_tensor_value_info(name, kind, shape) for name, (_, kind, shape) in outputs.items()],
        [*graph.constants.values(), *model.graph.initializer],
    )
    opsets = {item.domain: item.version for item in model.opset_import}
    opsets[""] = max(OPSET, opsets.get("", OPSET))
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    lowest = helper.find_min_ir_version_for(imports, ignore_unknown=True)  # so that old runtimes open the file too
    film_model = helper.make_model(made, opset_imports=imports, ir_version=lowest, producer_name="lopore")
    path.write_bytes(film_model.SerializeToString(deterministic=True))
    write_record(path, record)
    return {"opset": opsets[""], "inputs": [item.name for item in inputs], "outputs": list(outputs)}
