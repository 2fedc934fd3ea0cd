"""A device without memory and a disk without room are one line that says what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.films import batches
from made.learning import tf_request as request
from made.limits import files_of_at_most
from tf_films import TINY

from lopore.atomic_files import atomic_folder
from lopore.errors import LoporeError, RunError
from lopore_tf.learner import TensorFlowLearner
from lopore_tf.start import tf
from lopore_tf.state import weights_of

pytestmark = pytest.mark.usefixtures("tiny_is_known")


@pytest.mark.parametrize("what", ["save", "save_weights", "publish"])
def test_a_full_disk_is_one_line_and_leaves_nothing_behind(tmp_path: Path, what: str) -> None:
    learner = TensorFlowLearner(request(TINY, 32))
    part = atomic_folder(tmp_path / "part")
    with files_of_at_most(1000), pytest.raises(LoporeError, match="cannot be written") as caught, part as folder:
        getattr(learner, what)(folder)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_too_little_memory_for_a_batch_is_told_with_the_settings_that_help(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = TensorFlowLearner(request(TINY, 32, batch_size=4))

    def full(*_: Any) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[4,64,512,512]")

    monkeypatch.setattr(learner.step_graphs, "_compiled", lambda *_: full)
    with pytest.raises(
        RunError, match=r"batches of 4 images; lower training\.batch_size .*training\.accumulation_steps"
    ):
        learner.fit_epoch(0, batches(4, 4, side=32))


def test_the_trial_of_precisions_leaves_no_trace_in_the_averaged_weights_where_one_overflows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learner = TensorFlowLearner(request(TINY, 32, deterministic=False, precision="auto", ema_decay=0.5))
    monkeypatch.setattr("lopore_tf.precision._fast_formats", lambda device: ["fp16"])
    for variable in learner.network.weights:  # activations beyond 65 504, which fp16 cannot hold
        if variable.path.startswith("conv_stem"):
            variable.assign(variable * 1e6)
    before = weights_of(learner.averaged)
    learner._try_plans(batches(4, 4, side=32)[0])
    assert {trial.plan.precision for trial in learner.trials} == {"fp32", "fp16"}
    after = weights_of(learner.averaged)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_one_image_a_batch_where_features_are_one_pixel_is_told_what_to_raise() -> None:
    learner = TensorFlowLearner(request("resnet18", 32, batch_size=1, deterministic=True))
    with pytest.raises(RunError, match=r"raise training\.batch_size to 2, or preprocessing\.size"):
        learner.fit_epoch(0, batches(2, 1, side=32))


def test_what_a_device_cannot_do_deterministically_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = TensorFlowLearner(request(TINY, 32))

    def undecided(*_: Any) -> None:
        raise tf.errors.UnimplementedError(
            None, None, "A deterministic GPU implementation of DepthwiseConvBackpropFilter\nis not currently available."
        )

    monkeypatch.setattr(learner.step_graphs, "_compiled", lambda *_: undecided)
    with pytest.raises(RunError, match=r"DepthwiseConvBackpropFilter .* set training\.deterministic: false") as caught:
        learner.fit_epoch(0, batches(4, 4, side=32))
    assert "\n" not in str(caught.value)
