"""``training.compile``: XLA has the losses of the plain step, and nothing of it is in what is saved.

A network of four convolutions: XLA needs most of a minute of processor time for three times as many.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.films import batches
from made.learning import tf_request as request
from tf_films import tiny

from lopore.errors import ConfigError, RunError
from lopore.training_settings import Optimizer
from lopore_tf.architectures import ARCHITECTURES
from lopore_tf.learner import PUBLISHED_FILE, TensorFlowLearner
from lopore_tf.start import keras, tf
from lopore_tf.state import weights_of

SMALL = "small"


@pytest.fixture(autouse=True)
def _small_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHITECTURES, SMALL, tiny(stages=1))  # type: ignore[arg-type]


def learner(**changes: Any) -> TensorFlowLearner:
    settings = {"ema_decay": 0.5, "steps_per_epoch": 2, "optimizer": Optimizer(clip_norm=1.0)}
    return TensorFlowLearner(request(SMALL, 32, **{**settings, **changes}))


def test_a_compiled_run_that_was_cut_and_resumed_has_the_losses_of_a_plain_one_and_saves_plain_weights(
    tmp_path: Path,
) -> None:
    plain, first = learner(), learner(compile=True)
    epochs = [batches(8, 4, seed=epoch, side=32) for epoch in range(2)]
    losses = [[one.fit_epoch(0, epochs[0]).loss for one in (plain, first)]]
    first.save(tmp_path)
    second = learner(compile=True)
    second.restore(tmp_path)
    losses.append([one.fit_epoch(1, epochs[1]).loss for one in (plain, second)])
    for without, compiled in losses:
        assert compiled == pytest.approx(without, abs=1e-4)
    assert second.publish(tmp_path) == [PUBLISHED_FILE]
    published = keras.models.load_model(tmp_path / PUBLISHED_FILE)
    assert weights_of(published).keys() == weights_of(plain.averaged).keys()
    second.save_weights(tmp_path)
    plain.load_weights(tmp_path)
    np.testing.assert_allclose(plain.predict(epochs[0]), second.predict(epochs[0]), atol=1e-7)


def test_a_compiled_step_that_fails_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    one = learner(compile=True)

    def unknown(*_: Any) -> None:
        raise tf.errors.InvalidArgumentError(None, None, "Detected unsupported operations when trying to compile")

    monkeypatch.setattr(one.step_graphs, "_compiled", lambda *_: unknown)
    with pytest.raises(RunError, match=r"XLA failed here .*set training\.compile: false") as caught:
        one.fit_epoch(0, batches(4, 4, side=32))
    assert "\n" not in str(caught.value)


def test_xla_over_several_devices_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lopore_tf.distributed.choose_devices", lambda name: ["CPU:0", "CPU:1"])
    with pytest.raises(ConfigError, match="needs one device"):
        learner(compile=True, device="all")
