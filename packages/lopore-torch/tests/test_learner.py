from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made.films import batches
from made.learning import assert_it_tells_films_apart, request, same, whole_and_resumed
from torch_models import LEARNED, trained

from lopore.contracts import Batch
from lopore.errors import ConfigError, ModelError, RunError
from lopore.training_settings import Loss, Optimizer
from lopore_torch.freezing import frozen_modules
from lopore_torch.learner import TorchLearner
from lopore_torch.state import STATE_FILE

SMALL = {"network_size": (32, 32)}
FAST = "mobilenetv3_small_100"


def small(count: int, size: int, seed: int = 0) -> list[Batch]:
    return batches(count, size, seed, side=32)


def test_it_learns_to_tell_films_with_a_disc_from_films_without() -> None:
    learner, _ = trained(**LEARNED)
    assert_it_tells_films_apart(learner)


def test_a_run_that_was_cut_and_resumed_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole, resumed = whole_and_resumed(lambda **settings: TorchLearner(request(FAST, 32, **settings)), tmp_path, 32)
    assert same(whole.network.state_dict(), resumed.network.state_dict())
    assert same(whole.averaged.state_dict(), resumed.averaged.state_dict())


def test_the_trial_is_recorded_and_a_resumed_run_does_not_repeat_it(tmp_path: Path, monkeypatch: Any) -> None:
    settings: dict[str, Any] = {**SMALL, "deterministic": False, "precision": "auto"}
    learner = TorchLearner(request(FAST, **settings))
    before = copy.deepcopy(learner.network.state_dict())
    learner._try_plans(small(4, 4)[0])
    assert same(before, learner.network.state_dict())
    facts = learner.facts()
    assert facts["precision"] in ("fp32", "bf16")
    assert len(facts["trials"]) in (2, 4)
    learner.save(tmp_path)
    other = TorchLearner(request(FAST, **settings))
    other.restore(tmp_path)
    monkeypatch.setattr(other, "_try_plans", lambda batch: pytest.fail("a second trial"))
    other.fit_epoch(0, small(4, 4))
    assert other.facts()["trials"] == facts["trials"]


def test_bf16_trains_when_asked_and_predicts_in_fp32() -> None:
    learner = TorchLearner(request(FAST, **SMALL, precision="bf16"))
    report = learner.fit_epoch(0, small(8, 4))
    assert math.isfinite(report.loss)
    assert learner.facts()["precision"] == "bf16"
    assert {p.dtype for p in learner.network.parameters()} == {torch.float32}
    with pytest.raises(ConfigError, match="GPU"):
        TorchLearner(request(FAST, **SMALL, deterministic=False, precision="fp16")).fit_epoch(0, small(4, 4))


@pytest.mark.parametrize("part", ["random", "optimizer", "averaged"])
def test_a_state_that_lacks_a_part_is_refused_by_name(tmp_path: Path, part: str) -> None:
    learner = TorchLearner(request(FAST, **SMALL))
    learner.save(tmp_path)
    state = torch.load(tmp_path / STATE_FILE, weights_only=True)
    del state[part]
    torch.save(state, tmp_path / STATE_FILE)
    with pytest.raises(ModelError, match=part):
        learner.restore(tmp_path)


def test_a_state_of_another_network_or_no_state_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        TorchLearner(request(FAST, **SMALL)).restore(tmp_path)
    TorchLearner(request(FAST, **SMALL)).save(tmp_path)
    with pytest.raises(ModelError, match="does not fit"):
        TorchLearner(request("mobilenetv2_100", **SMALL)).restore(tmp_path)
    with pytest.raises(ModelError, match="ema_decay"):
        TorchLearner(request(FAST, **SMALL, ema_decay=0.5)).restore(tmp_path)


def test_a_loss_that_is_no_number_stops_the_run_with_advice() -> None:
    learner = TorchLearner(request(FAST, **SMALL, optimizer=Optimizer(name="sgd", learning_rate=10.0, weight_decay=0)))
    with torch.no_grad():
        next(learner.network.body.parameters()).fill_(float("nan"))
    with pytest.raises(RunError, match="learning_rate"):
        learner.fit_epoch(0, small(4, 4))


@pytest.mark.parametrize("part", ["stem", "half", "backbone"])
def test_frozen_parts_keep_weights_and_statistics_and_the_rest_moves(part: str) -> None:
    learner = TorchLearner(request(FAST, **SMALL, freeze=part))
    frozen = {name for name, p in learner.network.named_parameters() if not p.requires_grad}
    still = frozen_modules(learner.network)
    before = copy.deepcopy(learner.network.state_dict())
    statistics = [copy.deepcopy(module.state_dict()) for module in still]
    learner.fit_epoch(0, small(8, 4))
    after = learner.network.state_dict()
    assert frozen
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    for module, kept in zip(still, statistics, strict=True):
        assert same(module.state_dict(), kept)
    assert not torch.equal(before["body.classifier.weight"], after["body.classifier.weight"])
    moved = [name for name, p in learner.network.named_parameters() if p.requires_grad]
    assert (len(moved) == 2) == (part == "backbone")


def test_accumulated_batches_step_like_one_large_batch() -> None:
    settings: dict[str, Any] = {"freeze": "backbone", "optimizer": Optimizer(name="sgd", learning_rate=0.1)}
    split = TorchLearner(request(FAST, **SMALL, **settings, accumulation_steps=3))
    large = TorchLearner(request(FAST, **SMALL, **settings))
    one, two = split.fit_epoch(0, small(10, 4)), large.fit_epoch(0, small(10, 10))
    assert one.loss == pytest.approx(two.loss, abs=1e-6)
    assert split.step == large.step == 1
    torch.testing.assert_close(split.network.state_dict(), large.network.state_dict(), rtol=1e-5, atol=1e-6)


def test_averaged_weights_predict_and_are_published(tmp_path: Path) -> None:
    learner = TorchLearner(request(FAST, **SMALL, ema_decay=0.5))
    learner.fit_epoch(0, small(8, 4))
    learner.publish(tmp_path)
    published = torch.load(tmp_path / "model_best.pth", weights_only=True)
    assert torch.equal(published["body.classifier.weight"], learner.averaged.state_dict()["body.classifier.weight"])
    assert not torch.equal(published["body.classifier.weight"], learner.network.state_dict()["body.classifier.weight"])


def test_weights_of_the_best_epoch_come_back(tmp_path: Path) -> None:
    learner = TorchLearner(request(FAST, **SMALL))
    learner.fit_epoch(0, small(8, 4))
    best = learner.predict(small(4, 4))
    learner.save_weights(tmp_path)
    learner.fit_epoch(1, small(8, 4))
    assert not np.array_equal(learner.predict(small(4, 4)), best)
    learner.load_weights(tmp_path)
    np.testing.assert_array_equal(learner.predict(small(4, 4)), best)


def test_the_head_has_its_own_rate_and_vectors_do_not_decay() -> None:
    learner = TorchLearner(
        request(FAST, **SMALL, optimizer=Optimizer(learning_rate=0.01, weight_decay=0.1, head_factor=5))
    )
    for group in learner.optimizer.param_groups:
        assert {p.ndim > 1 for p in group["params"]} == {group["weight_decay"] > 0}
    assert sorted({group["factor"] for group in learner.optimizer.param_groups}) == [1.0, 5.0]
    report = learner.fit_epoch(0, small(4, 4))
    rates = {group["factor"]: group["lr"] for group in learner.optimizer.param_groups}
    assert rates[5.0] == pytest.approx(5 * rates[1.0])
    assert report.learning_rate == pytest.approx(rates[1.0])


def test_seconds_spent_waiting_for_data_are_measured() -> None:
    def slow() -> Iterator[Batch]:
        for batch in small(4, 2):
            time.sleep(0.05)
            yield batch

    report = TorchLearner(request(FAST, **SMALL)).fit_epoch(0, slow())
    assert 0.1 <= report.data_wait_seconds < report.seconds
    assert report.images == 4


def test_pixels_that_may_not_be_written_are_taken_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    batch = small(4, 4)[0]
    batch.pixels.flags.writeable = False
    TorchLearner(request(FAST, **SMALL)).predict([batch])
    assert not [w for w in recwarn if "writable" in str(w.message)]


@pytest.mark.parametrize(("task", "loss"), [("multiclass", "focal"), ("multilabel", "cross-entropy")])
def test_other_tasks_train_too(task: str, loss: str) -> None:
    asked = request(
        FAST, **SMALL, network_outputs=3, task=task, classes=("crack", "lop", "pore"), loss=Loss(name=loss),  # type: ignore[arg-type]
        class_weights=(1.0, 2.0, 3.0),
    )  # fmt: skip
    learner = TorchLearner(asked)
    given = [
        Batch(b.pixels, np.eye(3, dtype=np.float32)[b.targets] if task == "multilabel" else b.targets)  # type: ignore[index]
        for b in small(8, 4)
    ]
    assert math.isfinite(learner.fit_epoch(0, given).loss)
    assert learner.predict(given).shape == (8, 3)


def test_a_device_that_is_absent_is_refused() -> None:
    with pytest.raises(ConfigError, match="not here"):
        TorchLearner(request(FAST, **SMALL, device="cuda:77"))
