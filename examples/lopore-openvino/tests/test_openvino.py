"""Files open safely, answer as the graph says, whatever the batch, and bfloat16 is used by its rule alone."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
from lopore_openvino.plugin import lopore_predictors
from lopore_openvino.predict import open_openvino
from lopore_openvino.short import TOLERANCE, made_films, open_short
from lopore_openvino_models import SIDE, make_model, network
from onnx import TensorProto, helper, numpy_helper

from lopore.contracts import PixelBatch
from lopore.errors import ModelError

HAS_BF16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def noise(count: int, depth: int = 8) -> PixelBatch:
    dtype = np.uint8 if depth == 8 else np.uint16
    return np.random.default_rng(0).integers(0, 2**depth, (count, SIDE, SIDE, 1)).astype(dtype)


@pytest.mark.parametrize("depth", [8, 16])
def test_probabilities_are_those_of_the_graph(depth: int, tmp_path: Path) -> None:
    session = open_openvino(make_model(tmp_path, network(depth=depth), depth=depth), "cpu", 2)
    pixels = noise(5, depth) // np.arange(1, 6, dtype=f"uint{depth}")[:, None, None, None]
    mean = pixels.mean(axis=(1, 2, 3)) / (2**depth - 1)
    expected = 1 / (1 + np.exp(-8 * (2 * mean - 1)))
    assert np.allclose(session.predict(pixels)[:, 1], expected, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 33])
def test_a_batch_gives_in_order_what_single_images_give(count: int, tmp_path: Path) -> None:
    session = open_openvino(make_model(tmp_path), "auto", 2)
    batch = noise(count) // np.arange(1, count + 1, dtype=np.uint8)[:, None, None, None]
    singles = np.concatenate([session.predict(item[None]) for item in batch])
    assert np.array_equal(session.predict(batch), singles)
    assert len(np.unique(singles[:, 1])) == count


def test_callers_in_several_threads_get_their_own_answers(tmp_path: Path) -> None:
    session = open_openvino(make_model(tmp_path), "cpu", 2)
    batches = [np.full((4, SIDE, SIDE, 1), grey, np.uint8) for grey in range(0, 256, 8)]
    expected = [session.predict(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        assert all(map(np.array_equal, pool.map(session.predict, batches), expected))


def test_heat_maps_of_the_file_are_those_that_lopore_onnx_reads(tmp_path: Path) -> None:
    """Its explainers ask a session for ``outputs`` and ``run``; both are here."""
    session = open_openvino(make_model(tmp_path), "cpu", 1)
    assert session.outputs == ("scores", "cam")
    pixels = np.zeros((2, SIDE, SIDE, 1), np.uint8)
    pixels[1, 3, 4] = 255
    scores, maps = session.run(pixels, ("scores", "cam"))
    assert scores.shape == (2, 2) and maps.shape == (2, 2, SIDE, SIDE)
    assert np.unravel_index(maps[1, 1].argmax(), (SIDE, SIDE)) == (3, 4)
    assert maps[1, 1].max() == pytest.approx(4.0 / SIDE**2, rel=1e-5)
    assert np.array_equal(session.predict(pixels), scores)


def test_a_segmentation_file_gives_a_probability_at_each_pixel(tmp_path: Path) -> None:
    model = network(nodes=[helper.make_node("Sigmoid", ["features"], ["maps"])], extra=["maps"])
    session = open_openvino(make_model(tmp_path, model, task="segmentation"), "cpu", 2)
    pixels = noise(3)
    bright = pixels[:, :, :, 0] / 255
    expected = 1 / (1 + np.exp(-np.stack([bright, 1 - bright], axis=1)))
    assert np.allclose(session.segment(pixels), expected, atol=1e-5)


def _external() -> onnx.ModelProto:
    model = network()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    return model


def _loop() -> onnx.ModelProto:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, []),
         helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )  # fmt: skip
    return network(nodes=[helper.make_node("Loop", ["", "", "full"], ["never"], body=body)])


def _foreign() -> onnx.ModelProto:
    return network(nodes=[helper.make_node("RunShell", ["full"], ["x"], domain="evil.example")])


@pytest.mark.parametrize(
    ("model", "said"),
    [(_external(), "data outside the file"), (_loop(), "Loop"), (_foreign(), "evil.example::RunShell")],
)
def test_files_that_are_more_than_plain_data_are_refused(model: onnx.ModelProto, said: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=said):
        open_openvino(make_model(tmp_path, model), "cpu", 1)


def test_a_file_of_another_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="for 3 classes"):
        open_openvino(make_model(tmp_path / "a", classes=("a", "b", "c")), "cpu", 1)
    with pytest.raises(ModelError, match="the record says pixels uint16"):
        open_openvino(make_model(tmp_path / "b", depth=16), "cpu", 1)
    with pytest.raises(ModelError, match="use cpu"):
        open_openvino(make_model(tmp_path / "c"), "cuda", 1)


def test_wrong_pixels_and_a_closed_session_are_one_line(tmp_path: Path) -> None:
    session = open_openvino(make_model(tmp_path), "cpu", 1)
    for pixels in (noise(2).astype(np.uint16), noise(2)[:, :8]):
        with pytest.raises(ModelError, match=r"it takes uint8 \(N, 16, 16, 1\)"):
            session.predict(pixels)
    with pytest.raises(ModelError, match="gives no 'maps'; it gives scores, cam"):
        session.run(noise(1), ("maps",))
    with pytest.raises(ModelError, match="holds a classifier"):
        session.segment(noise(1))
    session.close()
    with pytest.raises(ModelError, match="was closed"):
        session.predict(noise(1))


def test_a_run_that_takes_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 300 products of large matrices, over ten seconds of one core: the runtime looks for the stop between them.
    steps = [helper.make_node("MatMul", [f"m{number}", "turn"], [f"m{number + 1}"]) for number in range(300)]
    first = helper.make_node("Mul", ["turn", "pooled_sum"], ["m0"])
    total = helper.make_node("ReduceMean", ["pooled"], ["pooled_sum"], keepdims=0)
    last = helper.make_node("ReduceSum", ["m300"], ["total"], keepdims=0)
    model = network(nodes=[total, first, *steps, last], extra=["total"])
    model.graph.initializer.append(numpy_helper.from_array(np.eye(1200, dtype=np.float32), "turn"))
    monkeypatch.setenv("LOPORE_RUN_SECONDS", "0.3")
    session = open_openvino(make_model(tmp_path, model), "cpu", 1)
    began = time.process_time()
    with pytest.raises(ModelError, match="longer than LOPORE_RUN_SECONDS"):
        session.run(noise(4), ("total",))
    session.close()
    assert time.process_time() - began < 5


@pytest.mark.skipif(not HAS_BF16, reason="this CPU has no bfloat16")
def test_bfloat16_is_used_where_scores_stay_and_not_where_they_move(tmp_path: Path) -> None:
    calm = make_model(tmp_path / "calm", network(0.05))
    films = made_films(calm.record)
    exact, short = open_openvino(calm, "cpu", 1), open_short(calm, "cpu", 1)
    assert (exact.precision, short.precision) == ("f32", "bf16")
    assert np.abs(short.predict(films) - exact.predict(films)).max() <= TOLERANCE
    undecided = network(60.0, centre=float(films[0].mean()) / 255)
    assert open_short(make_model(tmp_path / "steep", undecided), "cpu", 1).precision == "f32"


def _quantised() -> onnx.ModelProto:
    """The network with pixels and filters in 8 bits, as a quantiser writes it: exact for these few numbers."""
    model = network()
    graph = model.graph
    for tensor in [one for one in graph.initializer if one.name == "filters"]:
        graph.initializer.remove(tensor)
    values = {
        "filters_8": np.array([[[[127]]], [[[-127]]]], np.int8),
        "filters_scale": np.full(2, 1 / 127, np.float32),
        "filters_zero": np.zeros(2, np.int8),
        "planes_scale": np.array(1 / 255, np.float32),
        "planes_zero": np.array(0, np.uint8),
    }
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in values.items())
    steps = list(graph.node)
    at = next(number for number, node in enumerate(steps) if node.op_type == "Conv")
    steps[at].input[0] = "planes_back"
    added = [
        helper.make_node("QuantizeLinear", ["planes", "planes_scale", "planes_zero"], ["planes_8"]),
        helper.make_node("DequantizeLinear", ["planes_8", "planes_scale", "planes_zero"], ["planes_back"]),
        helper.make_node("DequantizeLinear", ["filters_8", "filters_scale", "filters_zero"], ["filters"], axis=0),
    ]
    del graph.node[:]
    graph.node.extend([*steps[:at], *added, *steps[at:]])
    return model


def test_a_quantised_file_is_opened_where_it_is_named_and_never_by_itself(tmp_path: Path) -> None:
    content = {"model.onnx": network(), "model.int8.onnx": _quantised()}
    formats = {"model.onnx": "onnx", "model.int8.onnx": "onnx-int8"}
    files = [
        {"path": name, "sha256": hashlib.sha256(model.SerializeToString()).hexdigest(), "format": formats[name]}
        for name, model in content.items()
    ]
    (tmp_path / "model.int8.onnx").write_bytes(content["model.int8.onnx"].SerializeToString())
    both = make_model(tmp_path, content["model.onnx"], files=files)
    session = open_openvino(both, "cpu", 1, "onnx-int8")
    assert session.precision == "int8"
    pixels = noise(4)
    assert np.allclose(session.predict(pixels), open_openvino(both, "cpu", 1).predict(pixels), atol=2e-3)
    named = {one.name: one for one in lopore_predictors()}
    assert named["openvino-int8"].formats == ("onnx-int8",)
    assert named["openvino-int8"].preference < 0 > named["openvino-bf16"].preference


def test_a_cold_start_wakes_no_framework(tmp_path: Path) -> None:
    folder = make_model(tmp_path).path
    code = (
        "import sys, numpy\nfrom pathlib import Path\nfrom lopore import ModelFolder\n"
        "from lopore_openvino.predict import open_openvino\n"
        f"session = open_openvino(ModelFolder.read(Path({str(folder)!r})), 'cpu', 1)\n"
        "session.predict(numpy.zeros((1, 16, 16, 1), numpy.uint8))\n"
        "heavy = ('tensorflow', 'torch', 'keras', 'jax', 'onnx', 'onnxruntime')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
