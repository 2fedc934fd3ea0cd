"""A training that begins with another model takes what fits and says what is new."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made.films import films
from made.learning import request
from tf_models import learned, opened

from lopore.contracts import Batch, LearnRequest, StartPoint
from lopore.errors import ModelError
from lopore_tf.interchange import export_named_weights
from lopore_tf.learner import TensorFlowLearner


def beginning(backbone: str = "resnet18", **changes: Any) -> LearnRequest:
    folder = learned("resnet18")
    record = folder.record
    start = StartPoint(
        title=folder.title, weights=export_named_weights(folder), task=record.task, classes=record.classes, depth=8
    )
    return replace(request(backbone, **changes), start=start)


def test_the_same_classes_take_every_tensor_and_answer_as_the_model_that_was_started_from() -> None:
    learner = TensorFlowLearner(beginning())
    assert learner.facts()["started_from"]["new"] == []
    pixels = films(8, seed=3).pixels
    np.testing.assert_allclose(learner.predict([Batch(pixels)]), opened("resnet18").predict(pixels), atol=1e-6)


def test_other_classes_make_the_head_anew_and_another_backbone_is_refused() -> None:
    asked = beginning(task="multiclass", classes=("crack", "ok", "slag"), network_outputs=3)
    assert TensorFlowLearner(asked).facts()["started_from"]["new"] == ["head.weight", "head.bias"]
    with pytest.raises(ModelError, match=r"fits \d+ of \d+ tensors of mobilenetv2_100; name the backbone"):
        TensorFlowLearner(beginning("mobilenetv2_100"))
