"""A training that begins with another model takes what fits and says what is new."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made.learning import tf_request as request

from lopore.contracts import Batch, LearnRequest, StartPoint
from lopore.errors import ModelError
from lopore_tf.backbones import normalisation_of
from lopore_tf.learner import TensorFlowLearner
from lopore_tf.naming import state_of

SMALL, SIDE = "mobilenetv3_small_100", 32


@pytest.fixture(scope="module")
def source() -> TensorFlowLearner:
    return TensorFlowLearner(request(SMALL, SIDE))


def beginning(source: TensorFlowLearner, backbone: str = SMALL, side: int = SIDE, **changes: Any) -> LearnRequest:
    scale, shift = (np.array(values, np.float32) for values in normalisation_of(source.network))
    weights = {**state_of(source.network), "normalise.scale": scale, "normalise.shift": shift}
    start = StartPoint(title="weld/1", weights=weights, task="binary", classes=("ok", "pore"), depth=8)
    return replace(request(backbone, side, **changes), start=start)


def test_the_same_classes_take_every_tensor_and_answer_as_the_model_that_was_started_from(
    source: TensorFlowLearner,
) -> None:
    learner = TensorFlowLearner(beginning(source, seed=5))
    assert learner.facts()["started_from"]["new"] == []
    pixels = np.random.default_rng(0).integers(0, 255, (4, SIDE, SIDE, 1)).astype(np.uint8)
    np.testing.assert_array_equal(learner.predict([Batch(pixels)]), source.predict([Batch(pixels)]))


def test_other_classes_make_the_head_anew_and_another_backbone_is_refused(source: TensorFlowLearner) -> None:
    asked = beginning(source, task="multiclass", classes=("crack", "ok", "slag"), network_outputs=3)
    assert TensorFlowLearner(asked).facts()["started_from"]["new"] == ["head.weight", "head.bias"]
    with pytest.raises(ModelError, match=r"fits \d+ of \d+ tensors of resnet18; name the backbone"):
        TensorFlowLearner(beginning(source, "resnet18"))


def test_a_classifier_starts_the_encoder_of_a_u_net_whose_maps_give_its_scores(source: TensorFlowLearner) -> None:
    asked = beginning(
        source, f"unet-{SMALL}", 64, task="segmentation", classes=("pore",), network_outputs=2,
        network_segmentation=True,
    )  # fmt: skip
    learner = TensorFlowLearner(asked)
    assert all(name.startswith(("decoder.", "head.")) for name in learner.facts()["started_from"]["new"])
    pixels = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 1)).astype(np.uint8)
    (maps,) = learner.segment([Batch(pixels)])
    assert maps.shape == (4, 1, 64, 64)
    np.testing.assert_allclose(maps.max(axis=(2, 3)), learner.predict([Batch(pixels)]), atol=1e-6)
