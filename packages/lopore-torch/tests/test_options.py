"""Each option that the trainer is told changes what it does: none is taken and forgotten."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from made.films import batches
from made.learning import request
from made.options import OPTIONS, PLAIN, Settings, kept

from lopore.errors import ConfigError
from lopore.training_settings import Schedule
from lopore_torch.backbones import build
from lopore_torch.distributed import choose_device
from lopore_torch.learner import TorchLearner

TINY = "test_resnet"
PLATEAU: Settings = {"schedule": Schedule(name="plateau", plateau_patience=2)}
WARM: Settings = {"schedule": Schedule(name="cosine", warmup_epochs=0.5)}
MORE: dict[str, tuple[Settings, Settings]] = {
    "schedule.warmup_epochs": ({"schedule": Schedule()}, WARM),
    "schedule.final_factor": (WARM, {"schedule": Schedule(warmup_epochs=0.5, final_factor=0.5)}),
    "schedule.plateau_patience": (PLATEAU, {"schedule": Schedule(name="plateau", plateau_patience=1)}),
    "schedule.plateau_factor": (
        {"schedule": Schedule(name="plateau", plateau_patience=1)},
        {"schedule": Schedule(name="plateau", plateau_patience=1, plateau_factor=0.9)},
    ),
}
CHANGES = {**OPTIONS, **MORE}


def learned_with(settings: Settings) -> list[float]:
    """Losses of three epochs, and the weights of the head that predicts."""
    learner = TorchLearner(request(TINY, 32, **{**PLAIN, **settings}))
    told = []
    for epoch in range(3):
        told.append(learner.fit_epoch(epoch, batches(8, 4, seed=epoch, side=32)).loss)
        learner.observe(0.5)
    return [*told, *learner.predicting.state_dict()["body.fc.weight"].flatten().tolist()]


outcome = kept(learned_with)


def test_equal_settings_have_equal_outcomes() -> None:
    assert learned_with({}) == outcome({})


@pytest.mark.parametrize("option", CHANGES)
def test_an_option_changes_what_is_learned(option: str) -> None:
    without, with_it = CHANGES[option]
    assert outcome(without) != outcome(with_it)


def test_threads_device_and_determinism_are_those_asked_for() -> None:
    before = torch.get_num_threads()
    try:
        learner = TorchLearner(request(TINY, 32, threads=2, device="cpu", deterministic=True))
        assert (learner.facts()["threads"], learner.facts()["device"]) == (2, "cpu")
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"device": "all"}, "is several; PyTorch takes one a process"),
        ({"device": "cuda:0,cuda:1"}, "is several; PyTorch takes one a process"),
        ({"device": "cuda:7"}, "torch sees"),
        ({"device": "mps"}, "'mps' is not here"),
        ({"freeze": "tail"}, "freeze 'tail' is unknown"),
    ],
)
def test_what_the_trainer_cannot_do_is_refused_in_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        TorchLearner(request(TINY, 32, **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("device", "gpus", "local", "said"),
    [
        ("cuda:0", 2, 1, "2 processes take a GPU each, device 'cuda:0' gives them less"),
        ("auto", 1, 1, "torch sees 1; set training.device to auto and start as many processes"),
        ("cuda", 0, 0, "device 'cuda' is not here: torch sees 0 GPUs"),
    ],
)
def test_processes_that_would_share_a_gpu_are_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, device: str, gpus: int, local: int, said: str
) -> None:
    for name, value in {"LOCAL_WORLD_SIZE": 2, "LOCAL_RANK": local}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(ConfigError, match=said):
        choose_device(device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    assert choose_device("auto") == torch.device("cuda", local)
    assert not torch.backends.cudnn.allow_tf32, "fp32 of a GPU is to be that of a CPU"


def test_dropout_is_refused_for_a_u_net_which_has_none() -> None:
    asked = request("unet-test_resnet", network_segmentation=True, network_dropout=0.2, task="segmentation").network
    with pytest.raises(ConfigError, match=r"model\.dropout 0\.2 is for classifiers"):
        build(asked)
