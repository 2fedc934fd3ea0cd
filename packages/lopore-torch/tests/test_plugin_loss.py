"""lopore-torch's losses keep the promises of the contract, and one of another author is trained with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from made.films import batches
from made.learning import request
from torch.nn import functional

from lopore.contracts import LossRequest, LossTerm, WeightedLoss
from lopore.errors import PluginError
from lopore.testing import Check, parametrize_checks
from lopore_torch import plugin
from lopore_torch.learner import TorchLearner


@parametrize_checks(plugin, kinds=["loss"])
def test_lopores_losses_keep_every_promise(check: Check) -> None:
    check()


def _term(function: Any) -> LossTerm:
    return LossTerm(framework="torch", name="mine", summary="Mine", tasks=("binary",), build=lambda asked: function)


def _hinge(logits: Any, targets: Any, known: Any) -> Any:
    return functional.relu(1 - (2.0 * targets - 1) * logits[:, 0])


def test_a_run_makes_the_weighted_sum_small_that_its_config_names() -> None:
    asked = request("resnet18", epochs=1, steps_per_epoch=1)
    (own,) = asked.losses
    seen: list[float] = []

    def listening(logits: Any, targets: Any, known: Any) -> Any:
        both = 2.0 * _hinge(logits, targets, known) + 0.5 * own.term.build(
            LossRequest(task="binary", classes=2, params=own.params)
        )(logits, targets, known)
        seen.append(float(both.detach().mean()))
        return _hinge(logits, targets, known)

    terms = (WeightedLoss(term=_term(listening), weight=2.0, params=None), replace(own, weight=0.5))
    learner = TorchLearner(replace(asked, losses=terms))
    report = learner.fit_epoch(0, batches(8, 8))
    assert report.loss == pytest.approx(seen[-1], rel=1e-5)
    assert report.loss != pytest.approx(TorchLearner(asked).fit_epoch(0, batches(8, 8)).loss, rel=1e-2)


def test_a_loss_that_gives_a_mean_is_refused_in_one_line() -> None:
    one = WeightedLoss(term=_term(lambda logits, targets, known: logits.mean()), weight=1.0, params=None)
    learner = TorchLearner(replace(request("resnet18", epochs=1, steps_per_epoch=1), losses=(one,)))
    with pytest.raises(PluginError, match=r"loss 'torch/mine' gave \(\) for 8 images; it gives one number an image"):
        learner.fit_epoch(0, batches(8, 8))
    assert torch.is_grad_enabled()
