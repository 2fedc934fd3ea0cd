"""U-Nets: trained through core's run, the same maps from every format, and layer by layer lopore-torch's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made.films import SIDE, films, write_films
from made.learning import image_loss

from lopore.atomic_files import sha256_of
from lopore.config.experiment import parse_experiment
from lopore.contracts import MapSession, NetworkRequest
from lopore.errors import ConfigError, ModelError
from lopore.inference.explain import explainers_for
from lopore.models.opening import open_model
from lopore.plugins.registry import discover
from lopore.record.folder import ModelFolder
from lopore.training.run import train
from lopore.training_settings import Loss, Optimizer
from lopore_tf import gradients, plugin, segmentation
from lopore_tf.architectures import ARCHITECTURES, Architecture
from lopore_tf.architectures.inverted import Block, Inverted, inverted_features
from lopore_tf.architectures.layers import Style
from lopore_tf.backbones import build
from lopore_tf.freezing import frozen_layers, groups_of
from lopore_tf.naming import load_state, state_of
from lopore_tf.network import is_head
from lopore_tf.plugin import ENCODERS
from lopore_tf.saved_model import read_saved_model
from lopore_tf.start import keras, tf

TINY = "tiny"
FORMATS = ("onnx", "h5", "saved_model")


def tiny() -> Architecture:
    """Halves five times, as a U-Net's encoder must, in a fifth of the layers of the smallest that is offered."""
    style = Style(padding="even", epsilon=1e-5, activation="relu")
    deeper = [[Block("separable", 16 * stage, stride=2)] for stage in (2, 3, 4, 5)]
    network = Inverted(style, 16, [[Block("separable", 16)], *deeper], head=64)
    return Architecture(partial(inverted_features, network=network), style, "conv_stem", "classifier", "none")


@pytest.fixture(scope="module")
def _tiny_is_offered() -> Iterator[None]:
    taps = tuple(f"blocks.{stage}.0.bn2" for stage in range(5))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, TINY, tiny())  # type: ignore[arg-type]
        patch.setitem(segmentation.TAPS, TINY, taps)  # type: ignore[arg-type]
        patch.setattr(plugin, "ENCODERS", (*ENCODERS, TINY))
        discover.cache_clear()
        yield
    discover.cache_clear()


def masked(count: int, seed: int) -> tuple[Any, Any]:
    """Films of which every second shows a disc, and the masks of the discs: (N, S, S, 1), (N, S, S)."""
    made = films(count, seed)
    return made.pixels, made.masks


@pytest.fixture(scope="module")
def trained(_tiny_is_offered: None, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A U-Net that a run of core trained, published and exported through the gate."""
    folder = tmp_path_factory.mktemp("unet")
    manifest = write_films(folder, films(60), ("train", "train", "train", "train", "val"), masks=True)
    config = {
        "name": "discs", "trainer": "tf", "task": "segmentation", "seed": 1,
        "data": {"manifest": str(manifest), "workers": 1}, "preprocessing": {"size": SIDE},
        "model": {"backbone": f"unet-{TINY}"}, "exports": list(FORMATS),
        "training": {
            "epochs": 5, "batch_size": 8, "deterministic": True, "precision": "fp32", "device": "cpu", "threads": 1,
            "select_by": "last", "optimizer": {"learning_rate": 5e-3},
        },
    }  # fmt: skip
    done = train(parse_experiment(config, source="test"), out=folder / "models")
    assert done.model_folder is not None
    assert done.failed == ()
    return ModelFolder.read(done.model_folder)


@pytest.fixture(scope="module")
def native(trained: ModelFolder) -> Any:
    return open_model(trained, runtime="keras", device="cpu", threads=1)


def test_a_unet_trained_by_core_finds_the_disc(native: Any) -> None:
    pixels, truth = masked(8, seed=99)
    assert isinstance(native.session, MapSession)
    maps = native.session.segment(pixels)
    assert (maps.shape, maps.dtype) == ((8, 1, SIDE, SIDE), np.float32)
    found = maps[:, 0] > 0.5
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.7
    np.testing.assert_allclose(native.session.predict(pixels), maps.max(axis=(2, 3)), atol=1e-6)
    assert native.session.segment(pixels[:0]).shape == (0, 1, SIDE, SIDE)
    with pytest.raises(ModelError, match="the model takes pixels uint8"):
        native.session.segment(pixels[:, 1:])


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_passed_the_gate_and_gives_the_same_maps(trained: ModelFolder, native: Any, format: str) -> None:
    pixels = masked(3, seed=7)[0]
    model = open_model(trained, runtime=format, device="cpu", threads=1)
    assert isinstance(model.session, MapSession)
    np.testing.assert_allclose(model.session.segment(pixels), native.session.segment(pixels), atol=1e-4)
    np.testing.assert_allclose(model.session.predict(pixels), native.session.predict(pixels), atol=1e-4)
    answer, features = model.session.answer_with_features(pixels)  # type: ignore[attr-defined]
    maps, expected = native.session.answer_with_features(pixels)
    np.testing.assert_allclose(answer, maps, atol=1e-4)
    np.testing.assert_allclose(features, expected, atol=1e-4 * float(np.abs(expected).max()))
    assert (trained.path / f"parity-{format}.json").is_file()


def test_other_programs_get_scores_and_maps_by_name(trained: ModelFolder, native: Any) -> None:
    pixels = masked(3, seed=8)[0]
    expected = native.session.predict(pixels), native.session.segment(pixels)
    runtime = onnxruntime.InferenceSession(trained.file_for("onnx"), providers=["CPUExecutionProvider"])
    assert [output.name for output in runtime.get_outputs()] == ["scores", "maps", "features"]
    network = keras.models.load_model(trained.file_for("h5"), compile=False)
    served = tf.saved_model.load(trained.file_for("saved_model").parent).signatures["serving_default"]
    answer = served(pixels=tf.constant(pixels))
    for got in (
        runtime.run(["scores", "maps"], {"pixels": pixels}),
        network(pixels, training=False),
        (answer["scores"], answer["maps"]),
    ):
        for part, wanted in zip(got, expected, strict=True):
            np.testing.assert_allclose(part, wanted, atol=1e-4)


def test_a_saved_model_whose_maps_are_of_another_size_is_refused(trained: ModelFolder) -> None:
    recipe = trained.record.preprocessing.model_copy(update={"size": (SIDE, SIDE)})
    record = trained.record.model_copy(update={"classes": ("pore", "slag"), "preprocessing": recipe})
    with pytest.raises(ModelError, match=r"gives scores \[1\], maps \[1, 64, 64\]; its record says .* 2 classes"):
        read_saved_model(trained.file_for("saved_model"), record)


def test_gradients_are_those_of_the_mean_logit_and_grad_cam_is_not_offered(native: Any) -> None:
    offered = explainers_for(native)
    assert {"saliency", "integrated-gradients"} <= offered.keys()
    assert not {"grad-cam", "grad-cam++"} & offered.keys()
    pixels = masked(2, seed=3)[0][1:]
    normalise, body = gradients.body_of(native.session.network)
    planes = normalise(pixels)
    start = tf.reduce_mean(planes, axis=(1, 2), keepdims=True) + tf.zeros_like(planes)
    reached, begun = (np.asarray(body(values, training=False))[..., 1].mean(axis=(1, 2)) for values in (planes, start))
    whole = gradients.attributions(native.session, pixels, 0).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(whole, reached - begun, rtol=0.05, atol=0.02)
    slopes = gradients.explain_saliency(native.session, pixels, 0)
    assert slopes.shape == (1, SIDE, SIDE)
    assert slopes.max() > 0


@given(
    seed=st.integers(0, 1000),
    loss=st.builds(
        lambda named, smoothing: Loss(**named, label_smoothing=smoothing),
        st.sampled_from(
            [{"name": "cross-entropy"}, *({"name": "focal", "parameters": {"focal": {"gamma": g}}} for g in (0.5, 2.0))]
        ),
        st.sampled_from([0.0, 0.1]),
    ),
    weights=st.none() | st.tuples(*[st.floats(0.1, 9)] * 2),
)
@settings(max_examples=8, deadline=None)
def test_the_loss_of_masks_is_that_of_lopore_torch(seed: int, loss: Loss, weights: tuple[float, float] | None) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("lopore_torch.losses")
    random = np.random.default_rng(seed)
    logits = random.normal(0, 4, (2, 6, 5, 3)).astype(np.float32)
    targets = random.integers(0, 3, (2, 6, 5))
    theirs_in = torch.tensor(logits.transpose(0, 3, 1, 2), requires_grad=True)
    theirs = image_loss("torch", loss, "segmentation", weights)(theirs_in, torch.from_numpy(targets))
    theirs.sum().backward()
    ours_in = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(ours_in)
        ours = image_loss("tf", loss, "segmentation", weights)(ours_in, tf.constant(targets))
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=2e-4, atol=2e-5)
    slopes = theirs_in.grad.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(tape.gradient(ours, ours_in), slopes, rtol=2e-3, atol=2e-5)


def asked(name: str, **changes: Any) -> NetworkRequest:
    plain = NetworkRequest(backbone=name, outputs=3, channels=1, size=(64, 32), segmentation=True)
    return dataclasses.replace(plain, **changes)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_each_unet_is_layer_by_layer_that_of_lopore_torch(encoder: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = pytest.importorskip("lopore_torch.backbones").build(asked(f"unet-{encoder}")).eval()
    model = build(asked(f"unet-{encoder}"))
    random, state, drawn = np.random.default_rng(0), {}, state_of(model)
    for name, tensor in theirs.body.state_dict().items():
        if tensor.ndim == 1:  # biases and statistics start at 0 and 1, where they could hide behind each other
            tensor.copy_(torch.from_numpy(random.uniform(0.5, 1.5, tensor.shape)))
        name = name.removeprefix("encoder.model.").replace("segmentation_head.0.", "head.")
        if not name.endswith("num_batches_tracked"):
            state[name] = tensor.numpy()
        if tensor.ndim == 4 and tensor.numel() > 1000:
            assert drawn[name].std() == pytest.approx(float(tensor.std()), rel=0.15), f"{name} starts otherwise"
    assert state.keys() == drawn.keys()
    load_state(model, state, source="lopore-torch")
    pixels = random.integers(0, 256, (2, 64, 32, 1)).astype(np.uint8)
    with torch.inference_mode():
        expected = theirs(torch.from_numpy(pixels)).numpy()
    assert expected.shape == (2, 3, 64, 32)
    got = np.asarray(model(pixels, training=False)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(got, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.usefixtures("_tiny_is_offered")
def test_a_unet_takes_over_the_weights_of_its_encoder_and_freezes_no_more(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    classifier = build(asked(TINY, channels=3, segmentation=False))
    weights = state_of(classifier, classifier="classifier")
    save_file(weights, tmp_path / "encoder.safetensors")
    file = {"pretrained": str(tmp_path / "encoder.safetensors"), "channels": 3}
    model = build(asked(f"unet-{TINY}", **file, pretrained_sha256=sha256_of(tmp_path / "encoder.safetensors")))
    encoder = {name: array for name, array in state_of(model).items() if not is_head(name.rpartition(".")[0])}
    assert len(encoder) > 40
    assert all(np.array_equal(array, weights[name]) for name, array in encoder.items())
    frozen = frozen_layers(model, "backbone")
    assert {layer.name for layer in model.layers if layer.weights and id(layer) not in frozen} == {
        layer.name for layer in model.layers if layer.weights and is_head(layer.name)
    }
    trained_at = {group.factor for group in groups_of(model, frozen, Optimizer(head_factor=7.0))}
    assert trained_at == {7.0}


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (asked("unet-resnet18", size=(50, 64)), "multiples of 32"),
        (asked("unet-resnet50"), "no U-Net over 'resnet50'; it has unet-resnet18.*trainer: torch"),
        (asked("unet-resnet18", segmentation=False), "is for task: segmentation; take resnet18"),
    ],
)
def test_a_unet_that_cannot_be_built_is_refused_in_one_line(request_: NetworkRequest, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        build(request_)
    assert "\n" not in str(caught.value)
