"""Small ONNX models whose answers are known by hand: bright images are pores, dark ones sound."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lopore import ModelFolder, ModelRecord, Preprocessing

SIDE = 16


def network(
    gain: float = 4.0,
    centre: float = 0.5,
    depth: int = 8,
    nodes: Sequence[onnx.NodeProto] = (),
    extra: Sequence[str] = (),
) -> onnx.ModelProto:
    """Scores ``sigmoid(4 gain (mean - centre))`` of the mean grey from 0 to 1, and the class activation map of it.

    nodes: added to its own. extra: names of outputs, float32 of any shape, beside ``scores`` and ``cam``.
    """
    weights = {
        "filters": np.array([[[[1.0]]], [[[-1.0]]]], np.float32),
        "offsets": np.array([0.0, 2 * centre], np.float32),
        "head": np.array([[-gain, gain], [gain, -gain]], np.float32),
        "full": np.array(float(2**depth - 1), np.float32),
        "area": np.array(float(SIDE * SIDE), np.float32),
    }
    kind = TensorProto.UINT8 if depth == 8 else TensorProto.UINT16
    graph = helper.make_graph(
        [*_steps(), *nodes],
        "bright_or_dark",
        [helper.make_tensor_value_info("pixels", kind, ["N", SIDE, SIDE, 1])],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("cam", TensorProto.FLOAT, ["N", 2, SIDE, SIDE]),
            *(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in extra),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _steps() -> list[onnx.NodeProto]:
    """From pixels to brightness and darkness as two planes, their means, the scores and the map."""
    return [
        helper.make_node("Cast", ["pixels"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["values", "full"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "filters", "offsets"], ["features"]),
        helper.make_node("GlobalAveragePool", ["features"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "head"], ["logits"], transB=1),
        helper.make_node("Softmax", ["logits"], ["scores"]),
        helper.make_node("Einsum", ["features", "head"], ["shares"], equation="nchw,kc->nkhw"),
        helper.make_node("Div", ["shares", "area"], ["mean_shares"]),
        helper.make_node("Relu", ["mean_shares"], ["cam"]),
    ]


def make_model(folder: Path, model: onnx.ModelProto | None = None, **changes: object) -> ModelFolder:
    """A model folder with its record; ``changes`` replace fields of the record."""
    folder.mkdir(parents=True, exist_ok=True)
    content = (model or network()).SerializeToString()
    (folder / "model.onnx").write_bytes(content)
    plan = Preprocessing.model_validate({"size": (SIDE, SIDE), "depth": changes.pop("depth", 8)})
    facts = {
        "name": "bright", "version": "1", "created": "2026-01-01T00:00:00+00:00", "task": "multiclass",
        "classes": ("no_defect", "pore"), "preprocessing": plan, "preprocessing_fingerprint": plan.fingerprint,
        "framework": "made", "backbone": "bright_or_dark", "architecture": {},
        "threshold": {"value": 0.0, "rule": "argmax", "chosen_on": "val"}, "leaks": {"split_kind": "grouped"},
        "files": [{"path": "model.onnx", "sha256": hashlib.sha256(content).hexdigest(), "format": "onnx"}],
    }  # fmt: skip
    record = ModelRecord.model_validate({**facts, **changes})
    (folder / "lopore.json").write_text(record.to_json(), encoding="utf-8")
    return ModelFolder.read(folder)
