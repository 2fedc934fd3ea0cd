"""Small real ONNX models, made node by node: what they answer and their maps are known exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lopore.atomic_files import sha256_of
from lopore.record.folder import ModelFolder
from lopore.record.model import LeakReport, ModelFile, ModelRecord, Threshold
from lopore.record.onnx_file import write_record
from lopore.record.preprocessing import Preprocessing

SIDE = 16


def onnx_model(
    nodes: Sequence[onnx.NodeProto], weights: Mapping[str, NDArray[Any]], outputs: Mapping[str, Sequence[int]],
    side: int = SIDE,
) -> onnx.ModelProto:  # fmt: skip
    """A network from uint8 ``pixels`` (N, side, side, 1); its nodes find grey from 0 to 1 in ``planes`` (N, 1, H, W).

    outputs: name and shape behind N.
    """
    front = [
        helper.make_node("Cast", ["pixels"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["values", "full"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
    ]
    kept = {"full": np.array(255.0, np.float32), **weights}
    graph = helper.make_graph(
        [*front, *nodes],
        "made",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", side, side, 1])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in kept.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def bright_or_dark(more: Sequence[onnx.NodeProto] = ()) -> onnx.ModelProto:
    """Two features, brightness and darkness, pooled into two logits: Grad-CAM of it is known exactly."""
    weights = {
        "filters": np.array([[[[1.0]]], [[[-1.0]]]], np.float32),
        "offsets": np.array([0.0, 1.0], np.float32),
        "head": np.array([[-4.0, 4.0], [4.0, -4.0]], np.float32),
        "area": np.array(float(SIDE * SIDE), np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["planes", "filters", "offsets"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["scores"]),
        helper.make_node("Einsum", ["features", "head"], ["shares"], equation="nchw,kc->nkhw"),
        helper.make_node("Div", ["shares", "area"], ["mean_shares"]),
        helper.make_node("Relu", ["mean_shares"], ["cam"]),
        *more,
    ]
    return onnx_model(nodes, weights, {"scores": (2,), "cam": (2, SIDE, SIDE)})


BRIGHT_OR_BLACK = (1.0, 0.0), (-8.0, 1.0)


def bright_areas(side: int = 32, lines: Sequence[tuple[float, float]] = BRIGHT_OR_BLACK) -> onnx.ModelProto:
    """Segments by grey level alone: a pixel's brightness is its probability of the first class, black is the second.

    lines: of each class, slope and offset of its probability over the grey level 0..1.
    """
    slopes, offsets = np.array(lines, np.float32).T
    weights = {
        "filters": slopes[:, None, None, None],
        "offsets": offsets,
        "low": np.array(0.0, np.float32),
        "high": np.array(1.0, np.float32),
        "axes": np.array([2, 3], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["planes", "filters", "offsets"], ["lines"]),
        helper.make_node("Clip", ["lines", "low", "high"], ["maps"]),
        helper.make_node("ReduceMax", ["maps", "axes"], ["scores"], keepdims=0),
    ]
    return onnx_model(nodes, weights, {"scores": (2,), "maps": (2, side, side)}, side)


def publish_areas(folder: Path) -> ModelFolder:
    """``areas``: a segmentation model of pores and slag for images of 32 x 32 px."""
    record = record_for(
        name="areas", task="segmentation", classes=("pore", "slag"), preprocessing=Preprocessing(size=(32, 32)),
        threshold=Threshold(value=0.6, rule="f1", chosen_on="val"),
    )  # fmt: skip
    return publish(folder, bright_areas(), record)


def record_for(**changes: Any) -> ModelRecord:
    """The record of ``bright_or_dark``; ``changes`` replace fields, and a preprocessing brings its fingerprint."""
    plan = changes.get("preprocessing", Preprocessing(size=(SIDE, SIDE)))
    facts: dict[str, Any] = {
        "name": "bright", "version": "1", "created": "2026-01-01T00:00:00+00:00", "task": "multiclass",
        "classes": ("no_defect", "pore"), "preprocessing": plan, "preprocessing_fingerprint": plan.fingerprint,
        "framework": "torch", "backbone": "bright_or_dark", "architecture": {},
        "threshold": Threshold(value=0.0, rule="argmax", chosen_on="val"), "leaks": LeakReport(split_kind="grouped"),
    }  # fmt: skip
    return ModelRecord.model_validate({**facts, **changes})


def publish(folder: Path, model: onnx.ModelProto | None = None, record: ModelRecord | None = None) -> ModelFolder:
    """A model folder of a network, ``bright_or_dark`` where none is given, with its record inside and beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path, facts = folder / "model.onnx", record or record_for()
    onnx.save(model or bright_or_dark(), path)
    write_record(path, facts)
    return ModelFolder(folder, facts).with_files([ModelFile(path="model.onnx", sha256=sha256_of(path), format="onnx")])
