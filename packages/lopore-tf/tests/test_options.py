"""Each option that the trainer is told changes what it does: none is taken and forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from made.films import batches
from made.learning import tf_request as request
from made.options import OPTIONS, PLAIN, Settings, kept
from tf_films import TINY

from lopore.errors import ConfigError
from lopore.training_settings import Schedule
from lopore_tf.backbones import build
from lopore_tf.learner import TensorFlowLearner
from lopore_tf.start import tf

pytestmark = pytest.mark.usefixtures("tiny_is_known")


def learned_with(settings: Settings) -> list[float]:
    """Losses of two epochs, and the weights of the head that predicts."""
    learner = TensorFlowLearner(request(TINY, 32, **{**PLAIN, **settings}))
    told = []
    for epoch in range(2):
        told.append(learner.fit_epoch(epoch, batches(8, 4, seed=epoch, side=32)).loss)
        learner.observe(0.5)
    return [*told, *learner.predicting.get_layer("head").kernel.numpy().ravel().tolist()]


outcome = kept(learned_with)


def test_equal_settings_have_equal_outcomes() -> None:
    assert learned_with({}) == outcome({})


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_changes_what_is_learned(option: str) -> None:
    without, with_it = OPTIONS[option]
    assert outcome(without) != outcome(with_it)


@pytest.mark.parametrize("deterministic", [True, False])
def test_device_schedule_and_determinism_are_those_asked_for(
    monkeypatch: pytest.MonkeyPatch, deterministic: bool
) -> None:
    asked_for: list[bool] = []
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: asked_for.append(True))
    schedule = Schedule(name="plateau", warmup_epochs=0.5, final_factor=0.2, plateau_patience=2, plateau_factor=0.4)
    learner = TensorFlowLearner(
        request(TINY, 32, device="cpu", deterministic=deterministic, schedule=schedule, epochs=3, steps_per_epoch=5)
    )
    facts = learner.facts()
    assert not tf.config.experimental.tensor_float_32_execution_enabled(), "fp32 of a GPU is to be that of a CPU"
    assert (facts["device"], facts["devices"]) == ("cpu", 1)
    assert asked_for == [True] * deterministic
    assert (learner.rate.schedule, learner.rate.total, learner.rate.warmup) == (schedule, 15, 2.5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"device": "cuda:0,cuda:0"}, "names a GPU twice"),
        ({"device": "cuda:7"}, "TensorFlow sees"),
        ({"device": "mps"}, "is PyTorch's"),
        ({"freeze": "tail"}, "freeze 'tail' is unknown"),
    ],
)
def test_what_the_trainer_cannot_do_is_refused_in_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        TensorFlowLearner(request(TINY, 32, **changes))
    assert "\n" not in str(caught.value)


def test_dropout_is_refused_for_a_u_net_which_has_none() -> None:
    asked = request("unet-resnet18", network_segmentation=True, network_dropout=0.2, task="segmentation").network
    with pytest.raises(ConfigError, match=r"model\.dropout 0\.2 is for classifiers"):
        build(asked)
