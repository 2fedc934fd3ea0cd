"""The losses of the two frameworks are one: any logits, any targets, any setting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made.learning import image_loss

from lopore.contracts import IGNORE, Task
from lopore.training_settings import Loss
from lopore_tf.start import tf

torch = pytest.importorskip("torch")
pytest.importorskip("lopore_torch")

LOGITS = arrays(np.float32, (5, 3), elements=st.floats(-12, 12, width=32))
NAMED: list[dict[str, Any]] = [
    {"name": "cross-entropy"},
    *({"name": "focal", "parameters": {"focal": {"gamma": gamma}}} for gamma in (0.0, 0.5, 1.0, 2.0, 5.0)),
]
LOSSES = st.builds(
    lambda named, smoothing: Loss(**named, label_smoothing=smoothing),
    st.sampled_from(NAMED),
    st.sampled_from([0.0, 0.1, 0.5]),
)
WEIGHTS = st.none() | st.tuples(*[st.floats(0.1, 9)] * 3)


@given(logits=LOGITS, picks=st.integers(0, 3**5 - 1), loss=LOSSES, weights=WEIGHTS)
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@settings(max_examples=60, deadline=None)
def test_loss_and_gradient_are_those_of_lopore_torch(
    task: Task, logits: np.ndarray, picks: int, loss: Loss, weights: tuple[float, ...] | None
) -> None:
    targets = np.array([picks // 3**place % 3 for place in range(5)])
    if task == "binary":
        logits, targets, weights = logits[:, :1], targets % 2, weights and weights[:2]
    elif task == "multilabel":
        targets = np.stack([targets > 0, targets > 1, targets == 1], axis=1).astype(np.float32)
    theirs_in = torch.tensor(logits, requires_grad=True)
    theirs = image_loss("torch", loss, task, weights)(theirs_in, torch.from_numpy(targets))
    theirs.sum().backward()
    ours_in = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(ours_in)
        ours = image_loss("tf", loss, task, weights)(ours_in, tf.constant(targets))
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(tape.gradient(ours, ours_in).numpy(), theirs_in.grad.numpy(), rtol=2e-3, atol=2e-4)


@given(logits=LOGITS, cut=st.integers(0, 5), loss=LOSSES)
@settings(max_examples=20, deadline=None)
def test_the_losses_of_two_shares_add_up_to_those_of_the_whole_batch(logits: np.ndarray, cut: int, loss: Loss) -> None:
    targets = np.array([0, 1, 2, 2, 1])
    each = image_loss("tf", loss, "multiclass", (1.0, 2.0, 5.0))
    whole = float(tf.reduce_sum(each(logits, targets)))
    parts = [tf.reduce_sum(each(logits[:cut], targets[:cut])), tf.reduce_sum(each(logits[cut:], targets[cut:]))]
    assert whole == pytest.approx(float(parts[0] + parts[1]), rel=1e-5)


@pytest.mark.parametrize("name", [None, "dice", "tversky", "focal", {"cross-entropy": 0.5, "tversky": 2.0}])
def test_losses_of_maps_are_those_of_lopore_torch_and_leave_out_what_is_ignored(name: Any) -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(0, 3, (3, 8, 8, 4)).astype(np.float32)
    targets = rng.choice([0, 1, 2, 3, IGNORE], (3, 8, 8), p=[0.6, 0.1, 0.1, 0.1, 0.1])
    targets[2] = 0
    weights, loss = (1.0, 2.0, 5.0), Loss(name=name, label_smoothing=0.1)
    theirs_in = torch.tensor(logits.transpose(0, 3, 1, 2), requires_grad=True)
    theirs = image_loss("torch", loss, "segmentation", weights)(theirs_in, torch.from_numpy(targets))
    theirs.sum().backward()
    ours_in = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(ours_in)
        ours = image_loss("tf", loss, "segmentation", weights)(ours_in, tf.constant(targets))
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-4, atol=1e-5)
    want = theirs_in.grad.numpy().transpose(0, 2, 3, 1)
    np.testing.assert_allclose(tape.gradient(ours, ours_in).numpy(), want, rtol=2e-3, atol=1e-5)
