"""Static int8: equal decisions on images that did not calibrate it, the same ends, refused where decisions move."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from made.models import SIDE, bright_or_dark, onnx_model, publish, record_for
from made.plugins import HEAD, install, on_path

from lopore.cli.export import agreement
from lopore.errors import ModelError, ParityError
from lopore.export.parity_gate import export_model
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore.record.model import Threshold


def images(count: int, seed: int = 0, around: float = 125.0, spread: float = 60.0) -> Any:
    """(N, SIDE, SIDE, 1) uint8 of many brightnesses, and which are bright."""
    rng = np.random.default_rng(seed)
    levels = rng.uniform(around - spread, around + spread, count)
    pixels = rng.normal(levels[:, None, None, None], 5, (count, SIDE, SIDE, 1)).clip(0, 255).astype(np.uint8)
    bright = levels > 127.5
    return pixels, np.stack([~bright, bright], axis=1)


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return publish(tmp_path / "model", bright_or_dark(), record_for(framework="other"))


def test_decisions_agree_and_the_report_tells_auc_speed_size_and_what_calibrated_it(folder: ModelFolder) -> None:
    pixels, truth = images(64)
    model, report = export_model(folder, "onnx-int8", pixels, truth)
    assert report.images == 32 and report.flipped == 0 and report.max_dp < 0.05
    assert report.auc_change is not None and abs(report.auc_change) < 0.01
    told = json.loads((model.path / "parity-onnx-int8.json").read_text())
    assert told["auc_change"] == report.auc_change
    assert told["notes"]["calibration_images"] == 32
    assert set(told["notes"]["milliseconds_an_image"]) == set(told["notes"]["bytes"]) == {"onnx", "onnx-int8"}
    file = onnx.load(model.file_for("onnx-int8"))
    assert file.ir_version == onnx.helper.find_min_ir_version_for(file.opset_import, ignore_unknown=True)
    graph = file.graph
    kinds = [node.op_type for node in graph.node]
    assert "QuantizeLinear" in kinds and "DequantizeLinear" in kinds
    weights = [tensor for tensor in graph.initializer if tensor.name == "filters_quantized"]
    assert weights and np.abs(onnx.numpy_helper.to_array(weights[0])).max() == 127
    scales = [tensor for tensor in graph.initializer if tensor.name == "filters_scale"]
    assert list(scales[0].dims) == [2]  # one for each channel


def test_the_float_file_stays_the_one_that_is_opened_unless_int8_is_named(folder: ModelFolder) -> None:
    pixels, _ = images(16)
    model, _ = export_model(folder, "onnx-int8", pixels)
    assert open_model(model).format == "onnx"
    named = open_model(model, runtime="onnx-int8")
    assert named.predictor.name == "onnxruntime-int8"
    scores = named.session.predict(pixels)
    assert scores.shape == (16, 2) and np.allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert not np.array_equal(scores, open_model(model).session.predict(pixels))


def test_a_file_whose_decisions_move_is_refused_and_leaves_nothing_behind(folder: ModelFolder, tmp_path: Path) -> None:
    """The threshold lies between the two scores that an image gets: every decision moves."""
    flat = np.full((1, SIDE, SIDE, 1), 100, np.uint8)
    pixels = np.concatenate([flat, flat, images(8)[0]]).repeat(2, axis=0)  # every second one calibrates, the rest judge
    loose, _ = export_model(folder, "onnx-int8", pixels)
    pair = [float(open_model(loose, runtime=name).session.predict(flat)[0, 1]) for name in ("onnx", "onnx-int8")]
    assert pair[0] != pair[1]
    between = Threshold(value=sum(pair) / 2, rule="fixed", chosen_on="nothing")
    facts: dict[str, Any] = {"task": "binary", "positive": "pore", "threshold": between, "framework": "other"}
    strict = publish(tmp_path / "strict", bright_or_dark(), record_for(**facts))
    before = sorted(path.name for path in strict.path.iterdir())
    with pytest.raises(ParityError, match=r"decisions agree on .* only; nothing was published"):
        export_model(strict, "onnx-int8", pixels)
    assert sorted(path.name for path in strict.path.iterdir()) == before


def _deep(channels: int = 64) -> onnx.ModelProto:
    """Two convolutions over many channels whose weights have one sign: the sums that saturate in 16 bits."""
    rng = np.random.default_rng(0)
    weights = {
        "filters": rng.uniform(0.5, 1.0, (channels, 1, 3, 3)).astype(np.float32),
        "mixes": rng.uniform(0.5, 1.0, (channels, channels, 1, 1)).astype(np.float32),
        "head": np.array([[-4.0, 4.0]], np.float32).repeat(channels, 0) / (channels**2 * 9 * 0.75**2),
        "offsets": np.array([2.0, -2.0], np.float32),
    }
    nodes = [
        onnx.helper.make_node("Conv", ["planes", "filters"], ["shallow"], pads=[1, 1, 1, 1]),
        onnx.helper.make_node("Relu", ["shallow"], ["kept"]),
        onnx.helper.make_node("Conv", ["kept", "mixes"], ["deep"]),
        onnx.helper.make_node("GlobalAveragePool", ["deep"], ["pooled"]),
        onnx.helper.make_node("Flatten", ["pooled"], ["flat"]),
        onnx.helper.make_node("Gemm", ["flat", "head", "offsets"], ["logits"]),
        onnx.helper.make_node("Softmax", ["logits"], ["scores"]),
    ]
    return onnx_model(nodes, weights, {"scores": (2,)})


def test_sums_of_8_bit_products_do_not_saturate_whatever_the_processor(tmp_path: Path) -> None:
    """Nothing fused, each convolution is computed in 32 bits; fused, two products would be added in 16."""
    folder = publish(tmp_path / "model", _deep(), record_for(framework="other"))
    pixels, _ = images(32)
    model, _ = export_model(folder, "onnx-int8", pixels)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    file = model.file_for("onnx-int8")
    steps = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    exact = steps.run(["scores"], {"pixels": pixels})[0]
    scores = open_model(model, runtime="onnx-int8").session.predict(pixels)
    assert np.ptp(exact[:, 0]) > 0.5
    np.testing.assert_allclose(scores, exact, atol=0.01)


def test_too_few_images_and_a_model_without_its_float_file_are_one_line(folder: ModelFolder) -> None:
    with pytest.raises(ModelError, match="8 are needed, 7 given"):
        export_model(folder, "onnx-int8", images(7)[0])


OTHER = (
    HEAD
    + """
class _Shifted:
    precision = "bf16"
    def __init__(self, session):
        self.session = session
    def predict(self, batch):
        scores = self.session.predict(batch)
        moved = np.clip(scores[:, 1] + 0.2, 0, 1)
        return np.stack([1 - moved, moved], axis=1).astype(np.float32)
    def close(self):
        self.session.close()
def _opens(folder, device, threads):
    from lopore_onnx.predict import open_onnx
    return _Shifted(open_onnx(folder, device, threads, "onnx-int8"))
def _fails(folder, device, threads):
    from lopore.errors import ModelError
    raise ModelError("this CPU has no such numbers")
@hookimpl
def lopore_predictors():
    for name, opens in (("shifted", _opens), ("failing", _fails)):
        yield Predictor(name=name, summary="Another runtime", formats=("onnx-int8",), opens=opens, preference=-20)
"""
)


def test_the_report_tells_what_every_other_runtime_says_and_judges_by_the_first(
    folder: ModelFolder, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    install(site, "lopore-other", OTHER)
    pixels, truth = images(64)
    with on_path(site):
        model, report = export_model(folder, "onnx-int8", pixels, truth)
        line = agreement(model, report)
    judged, failing, shifted = report.runtimes
    assert (judged.runtime, judged.judged, judged.flipped) == ("onnxruntime-int8", True, report.flipped)
    assert (judged.max_dp, judged.auc_change) == (pytest.approx(report.max_dp, abs=1e-6), report.auc_change)
    assert failing.error == "this CPU has no such numbers" and not failing.judged
    assert shifted.precision == "bf16" and shifted.max_dp == pytest.approx(0.2, abs=0.05) and shifted.flipped > 0
    assert judged.milliseconds > 0 < shifted.milliseconds
    told = json.loads((model.path / "parity-onnx-int8.json").read_text())["runtimes"]
    assert [one["runtime"] for one in told] == ["onnxruntime-int8", "failing", "shifted"]
    assert f"shifted in bf16: {32 - shifted.flipped} of 32 decisions agree" in line
    assert "failing: this CPU has no such numbers" in line


def test_an_int8_file_has_no_features_since_the_reference_is_of_the_float_network(tmp_path: Path) -> None:
    network = bright_or_dark()
    network.graph.output.append(
        onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["N", 2, SIDE, SIDE])
    )
    folder = publish(tmp_path / "model", network, record_for(framework="other"))
    model, report = export_model(folder, "onnx-int8", images(16)[0])
    gives: list[Any] = [open_model(model, runtime=format).session for format in ("onnx", "onnx-int8")]
    assert [session.gives_features for session in gives] == [True, False]
    assert report.features is None
