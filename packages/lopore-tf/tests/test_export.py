"""Exports of trained networks: through the gate, open without lopore, and equal in either framework."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from made.films import SIDE, films
from tf_models import NETWORKS, copy_of, learned, opened, twin

from lopore.errors import ModelError
from lopore.export.parity_gate import export_model, gate_inputs
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore.record.onnx_file import read_plain_onnx, record_in_onnx
from lopore_tf import explain, predict, saved_model
from lopore_tf.export import export_h5, probabilities
from lopore_tf.network import to_scores
from lopore_tf.onnx_export import _scores, to_onnx
from lopore_tf.onnx_layers import Graph
from lopore_tf.start import keras, tf

FORMATS = ("h5", "weights", "saved_model", "onnx")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[ModelFolder, dict[str, Any]]]:
    """A network in every format, through the gate, with the gate's reports; made when a test first asks for it."""

    @cache
    def made(name: str) -> tuple[ModelFolder, dict[str, Any]]:
        folder, reports = copy_of(learned(name), tmp_path_factory.mktemp("export") / name), {}
        for format in FORMATS if name == "mobilenetv3" else ("saved_model", "onnx"):
            folder, reports[format] = export_model(folder, format, films(24, seed=3)[0])
        return folder, reports

    return made


@pytest.mark.parametrize("name", NETWORKS)
def test_every_format_passes_the_gate_with_answers_that_differ_and_heat_maps(exported: Any, name: str) -> None:
    folder, reports = exported(name)
    scores = opened(name).predict(films(24, seed=3)[0])
    assert np.ptp(scores[:, 1]) > 0.5
    for format, report in reports.items():
        assert report.max_dp <= 1e-5, format
        assert report.flipped == 0, format
        assert report.cam is not None and report.cam <= 1e-4, format
        assert folder.verify(format).exists()
    assert {file.path for file in folder.record.files} >= {"saved_model/saved_model.pb", "model.onnx"}


@pytest.mark.parametrize(("task", "labels"), [("binary", 1), ("multilabel", 3)])
def test_small_scores_are_the_same_numbers_in_every_format(task: Any, labels: int) -> None:
    logits = (np.linspace(-80, 20, 60)[:, None].repeat(labels, 1) - np.arange(labels)).astype(np.float32)
    want = 1 / (1 + np.exp(-logits.astype(np.float64)))
    given = keras.Input((labels,), name="logits")
    layers = probabilities(keras.Model(given, keras.layers.Identity(dtype="float32")(given)), task)
    graph = Graph(Counter())
    _scores(graph, "logits", task)
    kinds = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("logits", "scores")]
    weights = [onnx.numpy_helper.from_array(values, name) for name, values in graph.constants.items()]
    made = onnx.helper.make_graph(graph.nodes, "scores", kinds[:1], kinds[1:], weights)
    file = onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=8)
    runtime = onnxruntime.InferenceSession(file.SerializeToString(), providers=["CPUExecutionProvider"])
    for scores in (to_scores(tf.constant(logits), task), layers(logits), runtime.run(None, {"logits": logits})[0]):
        np.testing.assert_allclose(np.asarray(scores)[:, -labels:], want, rtol=1e-5)


@pytest.mark.parametrize("format", ["keras", "saved_model"])
def test_a_session_that_is_closed_while_it_answers_ends_its_answer_or_says_so(
    exported: Any, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    session: Any = open_model(exported("mobilenetv3")[0], runtime=format, device="cpu", threads=1).session
    pixels = films(4, seed=8)[0]

    def halves(batch: Any) -> Iterator[Any]:
        yield batch[:2]
        session.close()
        yield batch[2:]

    for module in (predict, saved_model):
        monkeypatch.setattr(module, "chunks", halves)
    try:
        assert session.predict(pixels).shape == (4, 2)
    except ModelError as error:
        assert "closed" in str(error)
    with pytest.raises(ModelError, match="closed"):
        session.predict(pixels)


@pytest.mark.parametrize("name", NETWORKS)
def test_plain_keras_opens_the_h5_file_and_gets_probabilities(name: str, tmp_path: Path) -> None:
    assert export_h5(learned(name), tmp_path)["outputs"] == "probabilities"
    network = keras.models.load_model(tmp_path / "model.h5", compile=False)
    pixels = films(5, seed=8)[0]
    np.testing.assert_allclose(network(pixels, training=False), opened(name).predict(pixels), atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_plain_keras_opens_the_native_file_and_gets_probabilities(name: str) -> None:
    network = keras.models.load_model(learned(name).file_for("keras"), compile=False)
    pixels = films(5, seed=8)[0]
    np.testing.assert_allclose(network(pixels, training=False), opened(name).predict(pixels), atol=1e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_tensorflow_serves_raw_pixels_by_name_from_the_saved_model(exported: Any, name: str) -> None:
    served = tf.saved_model.load(exported(name)[0].file_for("saved_model").parent).signatures["serving_default"]
    for count in (1, 5):
        pixels = films(count, seed=8)[0]
        answer = {key: value.numpy() for key, value in served(pixels=tf.constant(pixels)).items()}
        np.testing.assert_allclose(answer["scores"], opened(name).predict(pixels), atol=1e-5)
        assert answer["cam"].shape == answer["cam_plus"].shape == (count, 2, 2, 2)
        features = opened(name).answer_with_features(pixels)[1]
        np.testing.assert_allclose(answer["features"], features, atol=1e-4 * float(np.abs(features).max()))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_onnx_file_answers_as_tensorflow_and_carries_exact_heat_maps(exported: Any, name: str) -> None:
    session, pixels = opened(name), films(7, seed=3)[0]
    runtime = onnxruntime.InferenceSession(exported(name)[0].file_for("onnx"), providers=["CPUExecutionProvider"])
    scores, cam, cam_plus, features = runtime.run(None, {"pixels": pixels})
    answer, penultimate = session.answer_with_features(pixels)
    np.testing.assert_allclose(scores, answer, atol=1e-5)
    np.testing.assert_allclose(features, penultimate, atol=1e-4 * float(np.abs(penultimate).max()))
    kernel, bias = session.network.get_layer("head").get_weights()
    logits = session.network(pixels, training=False)
    np.testing.assert_allclose(features @ kernel + bias, logits, atol=1e-4)  # what the last linear layer reads
    for index in (0, 1):
        for got, method in ((cam, explain.explain_grad_cam), (cam_plus, explain.explain_grad_cam_plus_plus)):
            want = method(session, pixels, index)
            np.testing.assert_allclose(got[:, index], want, atol=1e-4 * max(1e-6, float(want.max())))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_onnx_file_is_plain_trim_and_opens_alone(exported: Any, name: str) -> None:
    folder = exported(name)[0]
    path = folder.file_for("onnx")
    content = read_plain_onnx(path)
    assert record_in_onnx(path).classes == folder.record.classes
    for trace in (b"site-packages", str(Path.cwd()).encode(), b'File "', b"/tmp", b"functional"):
        assert trace not in content
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    kinds = [node.op_type for node in model.graph.node]
    assert "BatchNormalization" not in kinds
    assert kinds.count("Transpose") == 1  # the pixels themselves; anything more costs time at each run
    assert [node.output[0] for node in model.graph.node if node.op_type == "Pad"] == []
    given = model.graph.input[0]
    assert (given.name, given.type.tensor_type.elem_type) == ("pixels", onnx.TensorProto.UINT8)
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["batch", SIDE, SIDE, 1]
    assert [output.name for output in model.graph.output] == ["scores", "cam", "cam_plus", "features"]
    assert (model.opset_import[0].version, model.ir_version) == (18, 8)


def test_saved_models_hold_no_path_of_this_machine(exported: Any) -> None:
    content = exported("mobilenetv3")[0].file_for("saved_model").read_bytes()
    for trace in (b"site-packages", str(Path.cwd()).encode(), b".py", b"/tmp"):
        assert trace not in content


@pytest.mark.parametrize("name", NETWORKS)
def test_maps_of_the_saved_model_are_those_of_the_network(exported: Any, name: str) -> None:
    model, pixels = open_model(exported(name)[0], runtime="saved_model", threads=1), films(3, seed=8)[0]
    assert explain.cam_fits(model.session)
    for method in (explain.explain_grad_cam, explain.explain_grad_cam_plus_plus):
        want = method(opened(name), pixels, 1)
        np.testing.assert_allclose(method(model.session, pixels, 1), want, atol=1e-4 * max(1e-6, float(want.max())))


def small_network(kernel: int, stride: int, padding: str, side: int) -> Any:
    """Layers in the combinations that padding and folding can get wrong, with weights that matter."""
    layers = keras.layers
    x = pixels = keras.Input((side, side + 3, 3), dtype="uint16", name="pixels")
    x = layers.Rescaling([1e-5, 2e-5, 3e-5], [-0.1, 0.2, 0.0], name="normalise")(x)
    x = layers.ZeroPadding2D(((1, 2), (0, 3)))(x)
    x = layers.Conv2D(8, kernel, stride, padding, activation="tanh")(x)
    x = layers.BatchNormalization(scale=False)(x)  # not foldable: the activation stands between
    y = layers.DepthwiseConv2D(kernel, stride, padding, depth_multiplier=2)(x)
    y = layers.BatchNormalization(center=False)(y)
    y = layers.Conv2D(8, 1, groups=2, dilation_rate=1)(layers.Activation("silu")(y))
    y = layers.BatchNormalization()(y)
    y = layers.ZeroPadding2D(1)(layers.Activation("relu6")(y))
    y = layers.MaxPooling2D(3, 2, padding)(y)
    features = layers.Activation("hard_silu", name="features")(y)
    x = layers.GlobalAveragePooling2D(keepdims=True)(features)
    x = layers.Flatten()(layers.Activation("silu")(layers.Conv2D(6, 1)(x)))
    network = keras.Model(pixels, layers.Dense(3, name="head")(layers.Activation("relu")(x)))
    random = np.random.default_rng(kernel + stride)
    for weight in network.weights:
        low, high = (0.5, 1.5) if "variance" in weight.path or "gamma" in weight.path else (-0.7, 0.9)
        weight.assign(random.uniform(low, high, weight.shape))
    return network


@pytest.mark.parametrize("side", [16, 19])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 2, "same"), (5, 1, "same"), (3, 2, "valid"), (2, 3, "same")]
)
def test_any_padding_stride_and_order_of_layers_gives_the_same_onnx(
    kernel: int, stride: int, padding: str, side: int
) -> None:
    network = small_network(kernel, stride, padding, side)
    pixels = np.random.default_rng(0).integers(0, 65536, (3, side, side + 3, 3)).astype(np.uint16)
    content = to_onnx(network, "multilabel", exact=True).SerializeToString()
    runtime = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    scores, cam = runtime.run(["scores", "cam"], {"pixels": pixels})
    from lopore_tf.predict import KerasSession

    session = KerasSession(network, "multilabel")
    np.testing.assert_allclose(scores, session.predict(pixels), atol=2e-5)
    for index in range(3):
        want = explain.explain_grad_cam(session, pixels, index)
        np.testing.assert_allclose(cam[:, index], want, atol=1e-4 * max(1e-6, float(want.max())))


def test_a_maximum_over_zeros_that_could_win_is_refused() -> None:
    pixels = keras.Input((8, 8, 1), dtype="uint8", name="pixels")
    planes = keras.layers.Rescaling(0.1, -5.0, name="normalise")(pixels)
    features = keras.layers.MaxPooling2D(3, 2, name="features")(keras.layers.ZeroPadding2D(1)(planes))
    network = keras.Model(pixels, keras.layers.Dense(2, name="head")(keras.layers.GlobalAveragePooling2D()(features)))
    with pytest.raises(ModelError, match="may be under zero"):
        to_onnx(network, "multiclass", exact=False)


def test_a_layer_without_translation_is_refused_by_name() -> None:
    pixels = keras.Input((8, 8, 1), dtype="uint8", name="pixels")
    features = keras.layers.LayerNormalization(name="features")(keras.layers.Rescaling(0.1, name="normalise")(pixels))
    network = keras.Model(pixels, keras.layers.Dense(2, name="head")(keras.layers.GlobalMaxPooling2D()(features)))
    with pytest.raises(ModelError, match=r"layer 'features' \(LayerNormalization\).*saved_model instead"):
        to_onnx(network, "multiclass", exact=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_torch_and_tensorflow_native_and_onnx_agree_on_real_films(
    exported: Any, name: str, shared_data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("lopore_torch")
    from lopore.inference.explain import choose_explainer, raw_maps

    films_of = sorted((shared_data / "weld-radiographs").rglob("*.jpg"))[::24]
    folders = {"tf": exported(name)[0], "torch": copy_of(twin(name), tmp_path / "twin")}
    real = gate_inputs(folders["tf"], films_of)
    images = np.concatenate([real, films(6, seed=3)[0]])  # a network of made films is sure of real ones
    assert len(real) >= 8
    folders["torch"], _ = export_model(folders["torch"], "onnx", images)
    models = [
        open_model(folders[framework], runtime=format, device="cpu", threads=1)
        for framework, format in (("tf", "keras"), ("tf", "onnx"), ("torch", "pth"), ("torch", "onnx"))
    ]
    scores = [model.session.predict(images) for model in models]
    maps = [raw_maps(model, choose_explainer(model, "grad-cam"), images, 1) for model in models]
    assert np.ptp(scores[0][:, 1]) > 0.5
    for other, heat in zip(scores[1:], maps[1:], strict=True):
        np.testing.assert_allclose(other, scores[0], atol=1e-4)
        np.testing.assert_allclose(heat, maps[0], atol=1e-3 * max(1e-6, float(maps[0].max())))
