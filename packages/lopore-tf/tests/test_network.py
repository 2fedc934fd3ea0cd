"""Networks that take raw pixels: their parts, first weights, normalisation and what a record brings back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.models import record_for

from lopore.contracts import NetworkRequest
from lopore.errors import ConfigError, ModelError
from lopore.record.model import ModelRecord
from lopore.record.preprocessing import Preprocessing
from lopore_tf.backbones import build, cam_support, normalisation_of, rebuild, statistics_in_force
from lopore_tf.naming import load_state, state_of
from lopore_tf.network import class_logits, split, to_scores
from lopore_tf.start import keras, tf

SIDE = 64


def asked(backbone: str = "resnet18", channels: int = 1, **changes: object) -> NetworkRequest:
    settings = {"backbone": backbone, "outputs": 2, "channels": channels, "size": (SIDE, SIDE), **changes}
    return NetworkRequest(**settings)  # type: ignore[arg-type]


def noise(channels: int, depth: int = 8) -> Any:
    values = np.random.default_rng(0).integers(0, 2**depth, (2, SIDE, SIDE, channels))
    return values.astype(np.uint8 if depth == 8 else np.uint16)


def record_of(request: NetworkRequest, **facts: Any) -> ModelRecord:
    recipe = Preprocessing(channels=request.channels, depth=request.depth, size=request.size)  # type: ignore[arg-type]
    kept = {"backbone": request.backbone, "outputs": request.outputs, "dropout": request.dropout, **facts}
    return record_for(framework="tf", backbone=request.backbone, preprocessing=recipe, architecture=kept)


@pytest.mark.parametrize(("depth", "dtype"), [(8, "uint8"), (16, "uint16")])
def test_normalisation_happens_inside_and_follows_the_depth(depth: int, dtype: str) -> None:
    model = build(asked(depth=depth, mean=(0.4,), std=(0.1,)))
    assert model.inputs[0].dtype == dtype
    white = np.full((1, SIDE, SIDE, 1), 2**depth - 1, dtype)
    got = keras.Model(model.inputs[0], model.get_layer("normalise").output)(white)
    np.testing.assert_allclose(got, np.full((1, SIDE, SIDE, 1), 6.0), atol=1e-5)
    assert statistics_in_force(model, 1, depth) == ([pytest.approx(0.4)], [pytest.approx(0.1)])


def test_sixteen_bit_white_is_finite_in_half_precision() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = build(asked("mobilenetv3_small_100", depth=16))
    finally:
        keras.config.set_dtype_policy("float32")
    white = np.full((2, SIDE, SIDE, 1), 65535, np.uint16)
    logits = model(white, training=False)
    assert logits.dtype == tf.float32
    assert np.isfinite(logits).all()
    assert model.get_layer("features").compute_dtype == "float16"


@pytest.mark.parametrize("backbone", ["resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_100"])
def test_the_two_halves_make_the_whole_and_share_its_weights(backbone: str) -> None:
    model = build(asked(backbone))
    features, head = split(model)
    pixels = noise(1)
    maps = features(pixels, training=False)
    assert maps.shape[1:3] == (2, 2)
    np.testing.assert_allclose(head(maps, training=False), model(pixels, training=False), atol=1e-6)
    model.get_layer("head").bias.assign([5.0, -5.0])
    np.testing.assert_allclose(head(maps, training=False), model(pixels, training=False), atol=1e-6)


def test_grad_cam_is_exact_only_where_the_head_pools_before_it_bends() -> None:
    model = build(asked())
    assert cam_support(model, (SIDE, SIDE), 1) == (True, "")
    features = model.get_layer("features").output
    bent = keras.layers.GlobalMaxPooling2D()(features)
    other = keras.Model(model.inputs[0], keras.layers.Dense(2, name="head")(bent))
    exact, reason = cam_support(other, (SIDE, SIDE), 1)
    assert not exact
    assert "mean" in reason


def test_first_weights_are_drawn_as_timm_draws_them() -> None:
    model = build(asked())
    kernel = model.get_layer("layer4.1.conv1").kernel.numpy()
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 512)), rel=0.02)
    assert model.get_layer("head").kernel.numpy().std() == pytest.approx(0.01, rel=0.1)
    assert not model.get_layer("layer3.0.bn2").gamma.numpy().any()
    assert (model.get_layer("layer3.0.bn1").gamma.numpy() == 1).all()
    depthwise = build(asked("mobilenetv2_100")).get_layer("blocks.5.1.conv_dw").kernel.numpy()
    assert depthwise.std() == pytest.approx(np.sqrt(2 / 9), rel=0.03)


def test_dropout_works_in_training_only() -> None:
    model = build(asked(dropout=0.5))
    pixels = noise(1)
    still = model(pixels, training=False).numpy()
    assert (still == model(pixels, training=False).numpy()).all()
    head = split(model)[1]
    maps = tf.ones((1, 2, 2, 512))
    assert (head(maps, training=True).numpy() != head(maps, training=True).numpy()).any()


def test_scores_follow_the_task() -> None:
    logits = tf.constant([[0.5], [-2.0]])
    binary = to_scores(logits, "binary").numpy()
    np.testing.assert_allclose(binary.sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(binary[:, 1], 1 / (1 + np.exp([-0.5, 2.0])), atol=1e-6)
    wide = tf.constant([[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(to_scores(wide, "multiclass").numpy().sum(), 1.0, atol=1e-6)
    np.testing.assert_allclose(to_scores(wide, "multilabel").numpy(), 1 / (1 + np.exp([[-1.0, -2.0, -3.0]])), atol=1e-6)
    np.testing.assert_array_equal(class_logits(logits).numpy(), [[-0.5, 0.5], [2.0, -2.0]])
    assert class_logits(wide) is wide


def test_a_record_brings_the_same_network_back(tmp_path: Path) -> None:
    request = asked("mobilenetv3_small_100", dropout=0.2, mean=(0.4321,), std=(0.1234,))
    model = build(request)
    mean, std = statistics_in_force(model, 1, 8)
    facts = {"mean": mean, "std": std, "planes": len(normalisation_of(model)[0])}
    model.save(tmp_path / "model.keras")
    exact = rebuild(record_of(request, **facts, normalisation=list(normalisation_of(model))))
    exact.load_weights(tmp_path / "model.keras")
    np.testing.assert_array_equal(exact(noise(1), training=False), model(noise(1), training=False))
    rounded = rebuild(record_of(request, **facts))
    load_state(rounded, state_of(model), source="the model")
    np.testing.assert_allclose(rounded(noise(1), training=False), model(noise(1), training=False), atol=1e-5)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({}, "no mean and std"),
        ({"mean": [0.5], "std": [0.0]}, "no mean and std"),
        ({"mean": [0.5], "std": [0.2], "planes": 3}, "3 planes for 1 channels"),
        ({"normalisation": [[1.0, 2.0], [0.0]]}, "does not fit"),
        ({"normalisation": [[float("nan")], [0.0]]}, "does not fit"),
        ({"backbone": "convnext_tiny", "mean": [0.5], "std": [0.2]}, "no network 'convnext_tiny'"),
    ],
)
def test_a_record_that_describes_no_network_is_refused(facts: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        rebuild(record_of(asked(), **facts))


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (asked("resnet19"), "resnet18"),
        (asked(mean=(0.1, 0.2)), "2 values for 1 channels"),
    ],
)
def test_what_cannot_be_built_is_said_in_one_line(request_: NetworkRequest, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        build(request_)
    assert "\n" not in str(caught.value)


def test_weights_that_do_not_fit_change_nothing() -> None:
    model = build(asked())
    before = state_of(model)
    for name, wrong in (("conv1.weight", np.zeros((64, 3, 7, 7), np.float32)), ("bn1.bias", np.full(64, np.nan))):
        with pytest.raises(ModelError, match=name):
            load_state(model, {**{key: value + 1 for key, value in before.items()}, name: wrong}, source="a file")
    with pytest.raises(ModelError, match=r"lack head\.weight"):
        load_state(model, {key: value + 1 for key, value in before.items() if key != "head.weight"}, source="a file")
    after = state_of(model)
    assert all((after[key] == before[key]).all() for key in before)
