"""A Keras backbone from another package is built, checked and rebuilt like lopore's own; it has no twin."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.models import record_for
from made.plugins import install, on_path

from lopore.contracts import NetworkRequest
from lopore.errors import ConfigError, PluginError
from lopore.record.model import ModelRecord
from lopore.record.preprocessing import Preprocessing
from lopore_tf.backbones import build, normalisation_of, rebuild, statistics_in_force
from lopore_tf.interchange import import_named_weights
from lopore_tf.naming import load_state, state_of

PLUGIN = """
from lopore.contracts import Backbone
from lopore.hookspecs import hookimpl

LOPORE_API = 1


def build(request, name="normalise"):
    from lopore_tf.start import keras

    pixels = keras.Input((*request.size, request.channels), dtype="uint8", name="pixels")
    mean, std = (request.mean or (0.5,))[0], (request.std or (0.25,))[0]
    x = keras.layers.Rescaling(1 / (255 * std), -mean / std, name=name)(pixels)
    x = keras.layers.Conv2D(8, 3, 2, activation="relu", name="features")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, keras.layers.Dense(request.outputs, name="head")(x))


@hookimpl
def lopore_backbones():
    facts = dict(framework="tf", default_size=32, explanation_layer="features", pretrained=(), exact_cam=False)
    yield Backbone(name="handmade", summary="One convolution", build=build, **facts)
    yield Backbone(name="resnet18", summary="Takes a name of lopore's", build=build, **facts)
    yield Backbone(name="bare", summary="Builds no model", build=lambda request: object(), **facts)
    yield Backbone(name="raw", summary="Does not normalise", build=lambda request: build(request, "other"), **facts)
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path) -> Iterator[None]:
    install(tmp_path / "site", "handmade-keras", PLUGIN)
    with on_path(tmp_path / "site"):
        yield


def asked(backbone: str, **changes: Any) -> NetworkRequest:
    return NetworkRequest(backbone=backbone, outputs=2, channels=1, size=(32, 32), **changes)


def record_of(request: NetworkRequest, model: Any) -> ModelRecord:
    mean, std = statistics_in_force(model, 1, 8)
    facts = {"backbone": request.backbone, "outputs": 2, "mean": mean, "std": std}
    recipe = Preprocessing(size=request.size)
    return record_for(framework="tf", backbone=request.backbone, preprocessing=recipe, architecture=facts)


def test_it_is_built_and_rebuilt_with_the_statistics_of_its_record() -> None:
    request = asked("handmade", mean=(0.3,), std=(0.1,))
    model = build(request)
    again = rebuild(record_of(request, model))
    load_state(again, state_of(model), source="the model")
    np.testing.assert_allclose(normalisation_of(again), normalisation_of(model), rtol=1e-6)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype(np.uint8)
    np.testing.assert_allclose(again(pixels, training=False), model(pixels, training=False), atol=1e-5)


def test_lopores_own_name_stays_lopores() -> None:
    assert build(asked("resnet18")).get_layer("layer4.1.conv2") is not None


@pytest.mark.parametrize("name", ["bare", "raw"])
def test_a_backbone_that_builds_something_else_is_one_line(name: str) -> None:
    with pytest.raises(PluginError, match=rf"tf/{name}' of handmade-keras 1.0 built a .*; it returns a Keras model"):
        build(asked(name))


def test_what_it_does_not_know_of_is_refused_and_not_forgotten() -> None:
    with pytest.raises(ConfigError, match="tf/handmade takes one channel as it is, so leave grey_input out"):
        build(replace(asked("handmade"), grey_input="convolution"))


def test_it_has_no_twin_in_another_framework(tmp_path: Path) -> None:
    request = asked("handmade")
    with pytest.raises(ConfigError, match="'handmade' has no twin in TensorFlow; twins: resnet18"):
        import_named_weights(record_of(request, build(request)), {}, tmp_path)
