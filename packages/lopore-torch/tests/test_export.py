from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from made.films import films
from made.learning import request
from torch_models import LEARNED, published, trained

from lopore.atomic_files import sha256_of
from lopore.errors import ModelError
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelFile
from lopore.record.onnx_file import read_plain_onnx, record_in_onnx
from lopore_torch import explain, program
from lopore_torch.export import export_onnx, to_onnx
from lopore_torch.graphs import ScoresOnly
from lopore_torch.learner import TorchLearner
from lopore_torch.network import to_scores
from lopore_torch.predict import open_pth

NETWORKS: list[dict[str, Any]] = [
    LEARNED, {"backbone": "tf_efficientnet_lite0", "network_depth": 16}, {"backbone": "mobilenetv2_100"},
    {"backbone": "mobilenetv3_small_100", "task": "multiclass", "network_outputs": 2},
]  # fmt: skip


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: n["backbone"])
def test_the_onnx_file_answers_as_torch_and_carries_exact_heat_maps(network: dict[str, Any], tmp_path: Path) -> None:
    _, folder = trained(**network)
    depth = network.get("network_depth", 8)
    pixels = films(7, seed=3, depth=depth)[0]
    notes = export_onnx(folder, tmp_path)
    assert notes["exact_cam"]
    assert notes["outputs"] == ["scores", "cam", "cam_plus", "features"]
    runtime = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    scores, cam, cam_plus, features = runtime.run(None, {"pixels": pixels})
    session = open_pth(folder, "cpu", 1)
    expected = session.predict(pixels)
    assert expected.std() > 1e-3
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    answer, penultimate = session.answer_with_features(pixels)
    np.testing.assert_allclose(answer, expected, atol=1e-6)
    np.testing.assert_allclose(features, penultimate, atol=1e-4 * float(np.abs(penultimate).max()))
    for index in (0, 1):
        for got, method in ((cam, explain.explain_grad_cam), (cam_plus, explain.explain_grad_cam_plus_plus)):
            want = method(session, pixels, index)
            np.testing.assert_allclose(got[:, index], want, atol=1e-4 * max(1e-6, float(want.max())))


@pytest.mark.parametrize(("task", "labels"), [("binary", 1), ("multilabel", 3)])
def test_small_scores_are_the_same_numbers_in_onnx_runtime_as_in_torch(task: Any, labels: int, tmp_path: Path) -> None:
    logits = torch.linspace(-80, 20, 60).reshape(-1, 1).repeat(1, labels) - torch.arange(labels)
    model = to_onnx(ScoresOnly(torch.nn.Identity(), task).eval(), ["scores"], logits[:2])  # type: ignore[arg-type]
    runtime = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (scores,) = runtime.run(None, {"pixels": logits.numpy()})
    want = 1 / (1 + np.exp(-logits.numpy().astype(np.float64)))
    np.testing.assert_allclose(scores[:, -labels:], want, rtol=1e-5)
    np.testing.assert_allclose(to_scores(logits, task).numpy()[:, -labels:], want, rtol=1e-5)


def test_the_onnx_file_is_plain_trim_and_opens_alone(tmp_path: Path) -> None:
    _, folder = trained(**LEARNED)
    export_onnx(folder, tmp_path)
    path = tmp_path / "model.onnx"
    content = read_plain_onnx(path)
    assert record_in_onnx(path).classes == folder.record.classes
    for trace in (b"site-packages", str(Path.cwd()).encode(), b'File "'):
        assert trace not in content
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert model.opset_import[0].version >= 18
    assert model.ir_version == onnx.helper.find_min_ir_version_for(model.opset_import), "old runtimes open it too"
    assert "BatchNormalization" not in {n.op_type for n in model.graph.node}
    given = model.graph.input[0]
    assert given.name == "pixels"
    assert given.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["batch", 64, 64, 1]


def test_a_transformer_exports_scores_alone_and_says_why(tmp_path: Path) -> None:
    folder = published(TorchLearner(request("vit_tiny_patch16_224", network_size=(32, 32))), tmp_path / "m")
    notes = export_onnx(folder, tmp_path)
    assert notes["outputs"] == ["scores", "features"]
    assert "3-dimensional" in notes["exact_cam_reason"]
    session = open_pth(folder, "cpu", 1)
    assert not explain.cam_fits(session)


@pytest.fixture(scope="module")
def program_folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    _, folder = trained(**LEARNED)
    target = tmp_path_factory.mktemp("pt")
    program.export_pt(folder, target)
    file = ModelFile(path="model.pt", sha256=sha256_of(target / "model.pt"), format="pt")
    return ModelFolder(target, folder.record.model_copy(update={"files": (file,)}))


def test_the_pt_program_answers_as_the_network_for_any_batch_size(program_folder: ModelFolder) -> None:
    session, source = program.open_pt(program_folder, "cpu", 1), open_pth(trained(**LEARNED)[1], "cpu", 1)
    for count in (1, 5):
        pixels = films(count, seed=8)[0]
        np.testing.assert_allclose(session.predict(pixels), source.predict(pixels), atol=1e-5)
    session.close()
    with pytest.raises(ModelError, match="closed"):
        session.predict(pixels)


@pytest.mark.parametrize("format", ["pth", "pt"])
def test_other_pixels_than_the_network_takes_are_refused_in_one_line(program_folder: ModelFolder, format: str) -> None:
    session: Any = open_pth(trained(**LEARNED)[1], "cpu", 1)
    if format == "pt":
        session = program.open_pt(program_folder, "cpu", 1)
    right = films(2, seed=8)[0]
    for pixels in (right.astype(np.uint16) * 257, right[:, ::2], right.repeat(3, axis=3), right[0], right / 255):
        with pytest.raises(ModelError, match=r"takes pixels uint8 \(N, 64, 64, 1\)") as caught:
            session.predict(pixels)
        assert "\n" not in str(caught.value)


def test_a_program_that_is_closed_while_it_answers_ends_its_answer(
    program_folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, pixels = program.open_pt(program_folder, "cpu", 1), films(5, seed=8)[0]
    monkeypatch.setattr(program, "CHUNK", 3)
    expected, to_tensor = session.predict(pixels), program.to_tensor

    def closing(*given: Any) -> torch.Tensor:
        session.close()
        return to_tensor(*given)

    monkeypatch.setattr(program, "to_tensor", closing)
    np.testing.assert_array_equal(session.predict(pixels), expected)


def altered(folder: ModelFolder, target: Path, change: Any) -> Path:
    """A copy of the program whose graph went through ``change``; an added member where that returns a name."""
    with zipfile.ZipFile(folder.path / "model.pt") as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("models/model.json"):
                graph = json.loads(data)
                extra = change(graph)
                data = json.dumps(graph).encode()
                if extra:
                    new.writestr(f"{name.split('/')[0]}/{extra}", b"x")
            new.writestr(name, data)
    return target


def _call_the_system(graph: Any) -> None:
    graph["graph_module"]["graph"]["nodes"][0]["target"] = "torch.os.system"


def _evaluate_text(graph: Any) -> None:
    for value in graph["graph_module"]["graph"]["tensor_values"].values():
        value["sizes"][:1] = [{"as_expr": {"expr_str": "__import__('os').getpid()", "hint": None}}]


def _guard(graph: Any) -> None:
    graph["guards_code"] = ["print('ran')"]


def _library(graph: Any) -> str:
    return "data/aotinductor/model/evil.so"


@pytest.mark.parametrize("change", [_call_the_system, _evaluate_text, _guard, _library])
def test_a_program_that_asks_for_more_than_arithmetic_is_refused(
    change: Any, program_folder: ModelFolder, tmp_path: Path
) -> None:
    program.check_program(altered(program_folder, tmp_path / "same.pt", lambda graph: None))
    with pytest.raises(ModelError):
        program.check_program(altered(program_folder, tmp_path / "bad.pt", change))


class Alarm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("__import__('pathlib').Path('ran').touch()",)


def test_pickled_objects_never_run(
    program_folder: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    torch.save(Alarm(), buffer)
    with zipfile.ZipFile(program_folder.path / "model.pt") as old, zipfile.ZipFile("bad.pt", "w") as new:
        for name in old.namelist():
            new.writestr(name, buffer.getvalue() if "sample_inputs" in name else old.read(name))
    Path("worse.pt").write_bytes(pickle.dumps(Alarm()))
    for name in ("bad.pt", "worse.pt", "absent.pt"):
        with pytest.raises(ModelError):
            program.check_program(Path(name))
    assert not Path("ran").exists()
