"""Fixtures for every package: the real images that some tests want, and a small real ONNX model.

The model is made here, node by node: bright pictures are pores, dark ones sound, and its Grad-CAM is known exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lopore.files import sha256_of
from lopore.model import LeakReport, ModelFile, ModelFolder, ModelRecord, Threshold
from lopore.onnxfile import write_record
from lopore.preprocess import Preprocessing


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real radiographs beside the repository; tests that need it are skipped where it is absent."""
    folder = Path(__file__).resolve().parent.parent / "shared" / "data"
    if not (folder / "README.md").is_file():
        pytest.skip("real radiographs are not here (../shared/data)")
    return folder


SIDE = 16


def network(nodes: list[onnx.NodeProto] | None = None) -> onnx.ModelProto:
    """Two features, brightness and darkness, pooled into two logits: Grad-CAM of it is known exactly."""
    weights = {
        "filters": np.array([[[[1.0]]], [[[-1.0]]]], np.float32),
        "offsets": np.array([0.0, 1.0], np.float32),
        "head": np.array([[-4.0, 4.0], [4.0, -4.0]], np.float32),
        "full": np.array(255.0, np.float32),
        "area": np.array(float(SIDE * SIDE), np.float32),
    }
    body = [
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
        *(nodes or []),
    ]
    graph = helper.make_graph(
        body,
        "bright_or_dark",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", SIDE, SIDE, 1])],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 2]),
            helper.make_tensor_value_info("cam", TensorProto.FLOAT, ["N", 2, SIDE, SIDE]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def record(**changes: object) -> ModelRecord:
    plan = Preprocessing(size=(SIDE, SIDE))
    facts: dict[str, object] = {
        "name": "bright",
        "version": "1",
        "created": "2026-01-01T00:00:00+00:00",
        "task": "multiclass",
        "classes": ("no_defect", "pore"),
        "preprocessing": plan,
        "preprocessing_fingerprint": plan.fingerprint,
        "framework": "torch",
        "backbone": "bright_or_dark",
        "architecture": {},
        "threshold": Threshold(value=0.0, rule="argmax", chosen_on="val"),
        "leaks": LeakReport(split_kind="grouped"),
    }
    return ModelRecord.model_validate({**facts, **changes})


def put(folder: Path, model: onnx.ModelProto, facts: ModelRecord) -> ModelFolder:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    onnx.save(model, path)
    write_record(path, facts)
    return ModelFolder(folder, facts).with_files([ModelFile(path="model.onnx", sha256=sha256_of(path), format="onnx")])


@pytest.fixture(name="bright_or_dark", scope="session")
def _bright_or_dark() -> Callable[..., onnx.ModelProto]:
    return network


@pytest.fixture(name="record_for", scope="session")
def _record_for() -> Callable[..., ModelRecord]:
    return record


@pytest.fixture(name="publish", scope="session")
def _publish() -> Callable[..., ModelFolder]:
    return put


@pytest.fixture
def model_folder(tmp_path: Path) -> ModelFolder:
    return put(tmp_path / "models" / "final" / "bright" / "1", network(), record())
