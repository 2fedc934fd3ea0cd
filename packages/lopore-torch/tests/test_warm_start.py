"""A training that begins with another model takes what fits and says what is new."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from made.films import films
from made.learning import request
from torch_models import LEARNED, trained

from lopore.contracts import Batch, LearnRequest, StartPoint
from lopore.errors import ModelError
from lopore_torch.interchange import export_named_weights
from lopore_torch.learner import TorchLearner
from lopore_torch.predict import load_network


def start_of(**changes: Any) -> StartPoint:
    _, folder = trained(**{**LEARNED, **changes})
    record = folder.record
    return StartPoint(
        title=folder.title, weights=export_named_weights(folder), task=record.task, classes=record.classes, depth=8
    )


def beginning(start: StartPoint, backbone: str = "resnet18", **changes: Any) -> LearnRequest:
    return replace(request(backbone, **changes), start=start)


def test_the_same_classes_take_every_tensor_and_answer_as_the_model_that_was_started_from() -> None:
    source, _ = trained(**LEARNED)
    learner = TorchLearner(beginning(start_of()))
    told = learner.facts()["started_from"]
    assert told["new"] == []
    assert told["taken"] > 100
    pixels = [Batch(films(8, seed=3).pixels)]
    np.testing.assert_allclose(learner.predict(pixels), source.predict(pixels), atol=1e-6)


def test_other_classes_make_the_head_anew_and_keep_the_rest() -> None:
    source, _ = trained(**LEARNED)
    learner = TorchLearner(beginning(start_of(), task="multiclass", classes=("crack", "ok", "slag"), network_outputs=3))
    assert learner.facts()["started_from"]["new"] == ["head.weight", "head.bias"]
    own, theirs = learner.network.state_dict(), source.network.state_dict()
    assert torch.equal(own["body.layer4.1.conv2.weight"], theirs["body.layer4.1.conv2.weight"])
    assert torch.equal(own["body.layer1.0.bn1.running_var"], theirs["body.layer1.0.bn1.running_var"])


def test_a_classifier_starts_the_encoder_of_a_u_net() -> None:
    learner = TorchLearner(
        beginning(
            start_of(), "unet-resnet18", task="segmentation", classes=("pore",), network_outputs=2,
            network_segmentation=True, network_size=(64, 64),
        )
    )  # fmt: skip
    new = learner.facts()["started_from"]["new"]
    assert new
    assert all(name.startswith(("decoder.", "head.")) for name in new)


def test_another_backbone_is_refused_in_one_line() -> None:
    with pytest.raises(ModelError, match=r"fits \d+ of \d+ tensors of mobilenetv2_100; name the backbone") as caught:
        TorchLearner(beginning(start_of(), "mobilenetv2_100"))
    assert "\n" not in str(caught.value)


def test_the_published_file_opens_in_plain_timm_by_three_lines(tmp_path: Path) -> None:
    """The recipe of docs/model-folder.md."""
    _, folder = trained(**LEARNED)
    pixels = films(4, seed=5).pixels
    state = torch.load(folder.file_for("pth"), weights_only=True)
    body = timm.create_model("resnet18", num_classes=1, in_chans=state["normalise.scale"].shape[0]).eval()
    body.load_state_dict({name[5:]: value for name, value in state.items() if name.startswith("body.")})
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2) * state["normalise.scale"] + state["normalise.shift"]
    with torch.no_grad():
        expected = load_network(folder)(torch.from_numpy(pixels))
        torch.testing.assert_close(body(planes), expected)
