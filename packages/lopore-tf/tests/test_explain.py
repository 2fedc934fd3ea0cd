"""Heat maps in TensorFlow: the closed forms hold, and the raw scale is lopore-torch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made.films import films
from tf_models import NETWORKS, opened, twin

from lopore_tf import explain, gradients
from lopore_tf.network import class_logits, split
from lopore_tf.start import tf

EXPLAINERS = {
    "grad-cam": explain.explain_grad_cam,
    "grad-cam++": explain.explain_grad_cam_plus_plus,
    "integrated-gradients": gradients.explain_integrated_gradients,
    "saliency": gradients.explain_saliency,
}
CASES = [(name, index) for name in NETWORKS for index in (0, 1)]


def close(got: Any, expected: Any, share: float) -> None:
    assert expected.max() > 0
    np.testing.assert_allclose(got, expected, atol=share * float(expected.max()))


@pytest.mark.parametrize(("name", "index"), CASES)
def test_closed_forms_equal_autograd(name: str, index: int) -> None:
    session, pixels = opened(name), films(6, seed=5)[0]
    features_of, head = split(session.network)
    features = features_of(pixels, training=False)
    with tf.GradientTape() as tape:
        tape.watch(features)
        score = tf.reduce_sum(class_logits(head(features, training=False))[:, index])
    slopes, features = tape.gradient(score, features).numpy(), features.numpy()
    cam = np.maximum((slopes.mean(axis=(1, 2), keepdims=True) * features).sum(axis=3), 0)
    close(explain.explain_grad_cam(session, pixels, index), cam, 1e-5)
    exactly = slopes.astype(np.float64)
    with np.errstate(invalid="ignore"):  # a slope of nought has no share
        share = exactly**2 / (2 * exactly**2 + features.sum(axis=(1, 2), keepdims=True) * exactly**3)
    weights = (np.nan_to_num(share) * np.maximum(exactly, 0)).sum(axis=(1, 2), keepdims=True)
    close(
        explain.explain_grad_cam_plus_plus(session, pixels, index),
        np.maximum((weights * features).sum(axis=3), 0),
        1e-4,
    )


@pytest.mark.parametrize("method", EXPLAINERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_twins_in_pytorch_and_tensorflow_give_the_same_maps(name: str, method: str) -> None:
    pytest.importorskip("lopore_torch")
    from lopore.inference.explain import explainers_for, raw_maps
    from lopore.models.opening import open_model

    theirs, pixels = open_model(twin(name), runtime="pth", device="cpu", threads=1), films(4, seed=5)[0]
    np.testing.assert_allclose(opened(name).predict(pixels), theirs.session.predict(pixels), atol=1e-5)
    for index in (0, 1):
        expected = raw_maps(theirs, explainers_for(theirs)[method], pixels, index)
        close(EXPLAINERS[method](opened(name), pixels, index), expected, 1e-3)


def test_integrated_gradients_add_up_to_the_change_of_the_logit() -> None:
    session, pixels = opened("resnet18"), films(2, seed=6)[0]
    normalise, body = gradients.body_of(session.network)
    planes = normalise(pixels)
    flat = tf.ones_like(planes) * tf.reduce_mean(planes, axis=(1, 2), keepdims=True)
    change = (class_logits(body(planes, training=False)) - class_logits(body(flat, training=False)))[:, 1].numpy()
    found = gradients.attributions(session, pixels, 1).sum(axis=(1, 2, 3))
    assert abs(change).max() > 1
    np.testing.assert_allclose(found, change, atol=0.03 * abs(change).max(), rtol=0.03)


@pytest.mark.parametrize("method", EXPLAINERS)
def test_explaining_leaves_the_session_as_it_was_and_pictures_apart(method: str) -> None:
    session, pixels = opened("resnet18"), films(3, seed=6)[0]
    before = session.predict(pixels)
    maps = EXPLAINERS[method](session, pixels, 1)
    assert maps.dtype == np.float32
    assert maps.ndim == 3 and len(maps) == 3 and float(maps.min()) >= 0
    np.testing.assert_allclose(EXPLAINERS[method](session, pixels[2:], 1), maps[2:], atol=1e-4 * float(maps.max()))
    assert not session.network.trainable
    np.testing.assert_array_equal(session.predict(pixels), before)


def test_heat_of_the_saliency_is_the_slope_for_pixels_scaled_to_one() -> None:
    session, pixels = opened("resnet18"), films(2, seed=6)[0]
    _, body = gradients.body_of(session.network)
    layer = session.network.get_layer("normalise")
    scaled = tf.constant(pixels.astype(np.float32) / 255)
    with tf.GradientTape() as tape:
        tape.watch(scaled)
        planes = scaled * 255 * np.float32(layer.scale) + np.float32(layer.offset)
        score = tf.reduce_sum(class_logits(body(planes, training=False))[:, 1])
    slope = np.abs(tape.gradient(score, scaled).numpy()[..., 0])
    close(gradients.explain_saliency(session, pixels, 1), slope, 1e-4)
