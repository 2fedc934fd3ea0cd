"""ONNX files open safely, answer like the graph says, and explain exactly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made.models import bright_or_dark, publish, record_for
from onnx import TensorProto, helper

from lopore.errors import ConfigError, LoporeError, ModelError
from lopore.inference.explain import choose_explainer, explain, explainers_for, raw_maps
from lopore.inference.predict import (
    Failure,
    Prediction,
    Prepared,
    images_at_once,
    predict_files,
    prepare,
    prepared_in_batches,
    score_images,
)
from lopore.models.catalogue import find_models
from lopore.models.opening import open_model
from lopore.plugins.problems import is_own
from lopore.plugins.registry import discover
from lopore.record.folder import ModelFolder
from lopore.record.onnx_file import read_plain_onnx, record_in_onnx, write_record
from lopore.record.preprocessing import Preprocessing

SIDE = 16


def image(value: int, spot: tuple[int, int] | None = None) -> np.ndarray:
    pixels = np.full((SIDE, SIDE, 1), value, np.uint8)
    if spot:
        pixels[spot[0] : spot[0] + 3, spot[1] : spot[1] + 3] = 255
    return pixels


def test_probabilities_are_those_of_the_graph(model_folder: ModelFolder) -> None:
    model = open_model(model_folder)
    grey = np.array([0, 51, 255])
    scores = model.session.predict(np.stack([image(int(value)) for value in grey]))
    logit_gap = 8 * (2 * grey / 255 - 1)
    assert np.allclose(scores[:, 1], 1 / (1 + np.exp(-logit_gap)), atol=1e-6)
    assert np.allclose(scores.sum(axis=1), 1, atol=1e-6)


def test_a_batch_gives_what_single_pictures_give(model_folder: ModelFolder) -> None:
    session = open_model(model_folder).session
    batch = np.random.default_rng(0).integers(0, 256, (5, SIDE, SIDE, 1), np.uint8)
    singles = np.concatenate([session.predict(item[None]) for item in batch])
    assert np.allclose(session.predict(batch), singles, atol=1e-6)


def test_grad_cam_comes_out_of_the_file_and_lies_on_the_mark(model_folder: ModelFolder, tmp_path: Path) -> None:
    model = open_model(model_folder)
    film = np.zeros((64, 64), np.uint8)
    film[8:20, 40:52] = 255
    path = tmp_path / "film.png"
    path.write_bytes(cv2.imencode(".png", film)[1].tobytes())
    heat = explain(model, prepare(model.record, path), class_name="pore", explainer=choose_explainer(model))
    assert heat.explainer == "grad-cam"
    row, column = np.unravel_index(heat.values.argmax(), heat.values.shape)
    assert 8 <= row < 20
    assert 40 <= column < 52
    raw = raw_maps(model, choose_explainer(model), prepare(model.record, path).pixels[None], 1)
    # W_pore . (x, 1 - x) / area with x = 1 on the mark
    assert raw.max() == pytest.approx(4.0 / SIDE**2, rel=1e-5)


def test_occlusion_fits_any_session_and_finds_what_the_call_hangs_on(model_folder: ModelFolder) -> None:
    model = open_model(model_folder)
    explainer = explainers_for(model)["occlusion"]
    # A spot on a grey that leaves the call undecided: covering it lowers the probability of 'pore'.
    maps = explainer.explain(model.session, image(118, (2, 11))[None], 1)
    row, column = np.unravel_index(maps[0].argmax(), maps[0].shape)
    assert abs((row + 0.5) * SIDE / 14 - 3.5) < 2.5
    assert abs((column + 0.5) * SIDE / 14 - 12.5) < 2.5
    assert maps.min() >= 0


def test_the_file_opens_alone_by_the_record_inside_it(model_folder: ModelFolder, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere.onnx"
    alone.write_bytes((model_folder.path / "model.onnx").read_bytes())
    folder = ModelFolder.read(alone)
    assert folder.record.classes == ("no_defect", "pore")
    assert open_model(folder).session.predict(image(255)[None])[0, 1] > 0.99


def test_a_file_whose_name_no_record_can_hold_is_one_line(model_folder: ModelFolder, tmp_path: Path) -> None:
    alone = tmp_path / "weld: 1.onnx"
    alone.write_bytes((model_folder.path / "model.onnx").read_bytes())
    with pytest.raises(ModelError, match="name has no colon, backslash or control character; rename it"):
        ModelFolder.read(alone)


def test_writing_the_record_twice_keeps_one_and_leaves_the_network(model_folder: ModelFolder) -> None:
    path = model_folder.path / "model.onnx"
    write_record(path, record_for(licence="CC0"))
    assert record_in_onnx(path).licence == "CC0"
    loaded = onnx.load(path)
    onnx.checker.check_model(loaded)
    assert [entry.key for entry in loaded.metadata_props] == ["lopore.json", "lopore.sha256"]
    assert loaded.graph == bright_or_dark().graph


def test_an_altered_file_is_refused(model_folder: ModelFolder) -> None:
    path = model_folder.path / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match="sha256 differs"):
        open_model(model_folder)


def test_external_data_is_refused_before_the_runtime_sees_it(tmp_path: Path) -> None:
    model = bright_or_dark()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    folder = publish(tmp_path, model)
    with pytest.raises(ModelError, match="data outside the file"):
        open_model(folder)


def _outside(name: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    return tensor


def test_external_data_of_a_sparse_constant_is_found(tmp_path: Path) -> None:
    places = helper.make_tensor("places", TensorProto.INT64, [2], [0, 1])
    node = onnx.NodeProto(op_type="Constant", output=["leak"])
    node.attribute.add(name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR).sparse_tensor.CopyFrom(
        helper.make_sparse_tensor(_outside("values"), places, [2])
    )
    with pytest.raises(ModelError, match="data outside the file"):
        open_model(publish(tmp_path, bright_or_dark([node])))


def test_a_field_number_that_protobuf_would_cut_to_32_bits_hides_nothing(tmp_path: Path) -> None:
    """EA 80 80 80 10 is field 13 (external data) to the C++ library, and field 2^29 + 13 if taken as it stands."""
    outside = _outside("leak").SerializeToString().replace(b"\x6a", b"\xea\x80\x80\x80\x10")
    outside = outside.removesuffix(b"\x70\x01") + b"\xf0\x80\x80\x80\x10\x01"
    model = bright_or_dark()
    graph = model.graph.SerializeToString()
    model.ClearField("graph")
    graph += b"\x2a" + bytes([len(outside)]) + outside
    length = len(graph)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString() + b"\x3a" + bytes([length & 127 | 128, length >> 7]) + graph)
    with pytest.raises(ModelError, match="no whole ONNX file"):
        read_plain_onnx(path)


def _endless_loop() -> onnx.NodeProto:
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["still"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    return helper.make_node("Loop", ["", "", "full"], ["never"], body=body)


@pytest.mark.parametrize(
    ("node", "named"),
    [
        (_endless_loop(), "Loop"),
        (helper.make_node("RunShell", ["full"], ["x"], domain="evil.example"), "evil.example::RunShell"),
        (helper.make_node("EPContext", ["full"], ["x"], domain="com.microsoft"), "holds EPContext"),
    ],
)
def test_control_flow_and_foreign_operators_are_refused(tmp_path: Path, node: onnx.NodeProto, named: str) -> None:
    folder = publish(tmp_path, bright_or_dark([node]))
    with pytest.raises(ModelError, match=named):
        open_model(folder)


def test_a_run_that_takes_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lopore_onnx.predict import open_onnx

    # Two thousand steps of a few milliseconds each: the runtime looks for the stop between operators.
    steps = [helper.make_node("Resize", ["features", "", "grow"], ["big0"], mode="linear")]
    steps += [helper.make_node("Sin", [f"big{number}"], [f"big{number + 1}"]) for number in range(2000)]
    model = bright_or_dark([*steps, helper.make_node("ReduceSum", ["big2000"], ["total"])])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 1, 16, 16], np.float32), "grow"))
    model.graph.output.append(helper.make_tensor_value_info("total", TensorProto.FLOAT, None))
    monkeypatch.setenv("LOPORE_RUN_SECONDS", "0.2")
    session = open_onnx(publish(tmp_path, model), "cpu", 1)
    began = time.monotonic()
    with pytest.raises(ModelError, match=r"longer than LOPORE_RUN_SECONDS=0\.2 allows; set it higher"):
        session.run(np.zeros((16, SIDE, SIDE, 1), np.uint8), ("total",))
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("said", ["two minutes", "", "0", "-1", "nan", "inf", "1e300"])
def test_a_limit_of_time_that_is_no_number_is_one_line(
    model_folder: ModelFolder, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("LOPORE_RUN_SECONDS", said)
    if not said:
        open_model(model_folder)
        return
    with pytest.raises(ConfigError, match=r"LOPORE_RUN_SECONDS='.*' is no number of seconds from 0\.001 to 1000000"):
        open_model(model_folder)


def test_a_file_that_does_not_belong_to_its_record_is_refused(tmp_path: Path) -> None:
    record = record_for(classes=("a", "b", "c"))
    folder = publish(tmp_path, record=record)
    with pytest.raises(ModelError, match="for 3 classes"):
        open_model(folder)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(0, 1200), flips=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6))
def test_a_damaged_file_is_one_line_never_a_crash(tmp_path: Path, cut: int, flips: list[tuple[int, int]]) -> None:
    content = bytearray(bright_or_dark().SerializeToString())
    for place, value in flips:
        content[place % len(content)] = value
    path = tmp_path / "damaged.onnx"
    path.write_bytes(bytes(content)[: len(content) - cut] if cut < len(content) else b"")
    folder = ModelFolder(tmp_path, publish(tmp_path / "sound").record)
    folder = replace(folder, record=folder.record.model_copy(update={"files": ()}))
    try:
        read_plain_onnx(path)
    except LoporeError as error:
        assert "\n" not in str(error)


def test_a_folder_of_good_and_bad_files_is_predicted_in_order(model_folder: ModelFolder, tmp_path: Path) -> None:
    paths = []
    for number in range(7):
        path = tmp_path / f"{number}.png"
        film = np.full((40, 30), 255 * (number % 2), np.uint8)
        path.write_bytes(b"no image" if number == 3 else cv2.imencode(".png", film)[1].tobytes())
        paths.append(path)
    results = list(predict_files(open_model(model_folder), paths, batch_size=2))
    assert [Path(item.source).name for item in results] == [path.name for path in paths]
    assert isinstance(results[3], Failure)
    decisions = [item.decision.text for item in results if isinstance(item, Prediction)]
    assert decisions == ["no_defect", "pore", "no_defect", "no_defect", "pore", "no_defect"]


def test_a_failure_of_a_file_with_an_odd_name_can_be_written_as_utf_8(
    model_folder: ModelFolder, tmp_path: Path
) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/weld\xff.png"))
    path.write_bytes(b"no image")
    (failure,) = predict_files(open_model(model_folder), [path])
    assert isinstance(failure, Failure)
    assert failure.source.encode("utf-8").endswith(b"weld\\udcff.png")


def test_a_closed_session_says_so_and_may_be_closed_again(model_folder: ModelFolder) -> None:
    session = open_model(model_folder).session
    session.close()
    session.close()
    with pytest.raises(ModelError, match="the session was closed; open the model again"):
        session.predict(image(0)[None])


def test_failures_are_told_as_they_come_and_never_pile_up(model_folder: ModelFolder, tmp_path: Path) -> None:
    absent = [tmp_path / f"{number}.png" for number in range(500)]
    batches = [len(batch) for batch in prepared_in_batches(model_folder.record, absent, batch_size=2, workers=2)]
    assert sum(batches) == 500
    assert max(batches) <= 8


def test_whoever_stops_early_does_not_wait_for_the_whole_queue(
    model_folder: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read = tmp_path / "film.png", []
    path.write_bytes(cv2.imencode(".png", np.zeros((40, 30), np.uint8))[1].tobytes())

    def slow(*given: Any, **options: Any) -> Prepared:
        read.append(given)
        time.sleep(0.01)
        return prepare(*given, **options)

    monkeypatch.setattr("lopore.inference.predict.prepare", slow)
    batches = prepared_in_batches(model_folder.record, [path] * 100, batch_size=20, workers=1)
    assert len(next(batches)) == 20
    batches.close()  # type: ignore[attr-defined]
    assert len(read) < 40


def test_a_long_queue_of_deep_films_keeps_their_facts_but_not_their_pixels(
    model_folder: ModelFolder, tmp_path: Path
) -> None:
    deep = Preprocessing.model_validate({"size": SIDE, "window": {"mode": "percentile"}})
    record = ModelFolder.read(model_folder.path).record.model_copy(update={"preprocessing": deep})
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        ramp = np.linspace(0, 65535, 600 * 400).reshape(600, 400).astype(np.uint16)
        path.write_bytes(cv2.imencode(".png", ramp)[1].tobytes())
    for item in next(prepared_in_batches(record, paths)):
        assert isinstance(item, Prepared)
        assert item.radiograph.pixels.size == 0
        assert item.radiograph.pixels.dtype == np.uint16
        assert item.radiograph.original_shape == (600, 400)
        assert item.pixels.shape == (SIDE, SIDE, 1)


@pytest.mark.parametrize(("side", "many"), [(64, 32), (224, 32), (320, 15), (448, 8), (2048, 4)])
def test_fewer_large_pictures_go_through_the_network_at_once(model_folder: ModelFolder, side: int, many: int) -> None:
    record = model_folder.record.model_copy(update={"preprocessing": Preprocessing.model_validate({"size": side})})
    assert images_at_once(record) == many


def test_a_cold_prediction_wakes_no_framework(model_folder: ModelFolder, tmp_path: Path) -> None:
    path = tmp_path / "film.png"
    path.write_bytes(cv2.imencode(".png", np.full((40, 40), 255, np.uint8))[1].tobytes())
    code = (
        "import sys\nfrom lopore.cli import main\n"
        f"try: main(['predict', '--json', '--model', {str(model_folder.path)!r}, {str(path)!r}])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = ('torch', 'tensorflow', 'sklearn', 'pandas', 'onnx', 'matplotlib')\n"
        "print(*[name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    answer, woken = done.stdout.splitlines()
    assert json.loads(answer)["decision"]["labels"] == ["pore"]
    assert woken == ""


def test_models_are_found_below_the_current_folder(model_folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model_folder.path.parents[3])
    assert [item.title for item in find_models() if isinstance(item, ModelFolder)] == ["bright/1"]


def test_an_explainer_of_one_name_has_one_scale_and_source_in_every_package() -> None:
    """The parity gate compares their maps, and a colour bar must not change its unit with the runtime."""
    told: dict[str, set[tuple[str, str]]] = {}
    for explainer in discover().explainers.values():
        if is_own(discover().explainers.sources[explainer.key]):
            told.setdefault(explainer.name, set()).add((explainer.scale, explainer.source))
    assert {"grad-cam", "grad-cam++", "occlusion"} <= told.keys()
    assert {name: facts for name, facts in told.items() if len(facts) > 1} == {}


@pytest.mark.parametrize("factor", [-1.0, 997.05])
def test_scores_that_are_no_probabilities_are_refused(factor: float, tmp_path: Path) -> None:
    model = bright_or_dark()
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    softmax.output[0] = "probabilities"
    model.graph.node.append(onnx.helper.make_node("Mul", ["probabilities", "factor"], ["scores"]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(factor), "factor"))
    opened = open_model(publish(tmp_path / "odd", model))
    with pytest.raises(ModelError, match=r"bright/1 gave a score of .*; scores are probabilities from 0 to 1"):
        score_images(opened, [image(200)])


def test_names_of_tensors_that_are_no_utf_8_are_one_clear_line(tmp_path: Path) -> None:
    folder = publish(tmp_path / "odd")
    path = folder.path / "model.onnx"
    path.write_bytes(path.read_bytes().replace(b"\x0a\x03cam", b"\x0a\x03c\xffm"))
    with pytest.raises(ModelError, match=r"is no whole ONNX file .*utf-8"):
        read_plain_onnx(path)


def test_no_name_within_a_file_reaches_the_terminal_through_the_runtimes_log(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    planted = "\x1b]0;owned\x07 never used"
    model = bright_or_dark()
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32([1]), planted))
    score_images(open_model(publish(tmp_path / "odd", model)), [image(200)])
    assert "never used" not in "".join(capfd.readouterr())
    loud = ort.SessionOptions()
    loud.log_severity_level = 2
    ort.InferenceSession(model.SerializeToString(), loud, providers=["CPUExecutionProvider"])
    assert planted in capfd.readouterr().err, "the runtime's own log has to name it here"
