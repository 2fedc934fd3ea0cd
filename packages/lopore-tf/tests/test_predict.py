"""Keras files as sessions: the network's own answers, fast, and clear words where there are none."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.films import SIDE, films
from tf_models import NETWORKS, copy_of, learned, opened

from lopore.atomic_files import sha256_of
from lopore.errors import ConfigError, ModelError
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelFile
from lopore_tf import predict
from lopore_tf.export import H5_FILE, WEIGHTS_FILE, export_h5, export_weights
from lopore_tf.network import to_scores
from lopore_tf.predict import KerasSession, load_network, open_keras


@pytest.mark.parametrize("name", NETWORKS)
def test_a_session_answers_as_the_keras_network_whatever_the_batch(name: str) -> None:
    folder = learned(name)
    session, network = opened(name), opened(name).network
    pixels, targets, _ = films(predict.CHUNK + 6, seed=3)
    expected = to_scores(network(pixels, training=False), folder.record.task).numpy()
    assert ((expected[:, 1] > 0.5) == targets).mean() >= 0.9  # the network learned: its answers differ
    for count in (1, 2, len(pixels)):
        scores = session.predict(pixels[:count])
        assert scores.dtype == np.float32
        np.testing.assert_allclose(scores, expected[:count], atol=1e-5)
        np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    assert session.predict(pixels[:0]).shape == (0, 2)


def test_one_graph_serves_every_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    kept: Callable[..., Any] = KerasSession.cached
    monkeypatch.setattr(
        KerasSession, "cached", lambda self, name, make: kept(self, name, lambda: made.append(name) or make())
    )
    session = open_keras(learned("mobilenetv3"), "cpu", 1)
    graph = session._scores
    for count in (1, 3, 5):
        session.predict(films(count)[0])
    assert made == ["scores"]
    assert graph.inputs[0].shape[0] is None


def test_one_picture_is_at_least_five_times_faster_than_with_keras_predict() -> None:
    session = opened("mobilenetv3")
    network = load_network(learned("mobilenetv3"))
    image = films(1, seed=3)[0]

    def cost(work: Callable[[], object]) -> float:
        work()
        spent = []
        for _ in range(7):
            begin = time.process_time()
            work()
            spent.append(time.process_time() - begin)
        return float(np.median(spent))

    assert cost(lambda: network.predict(image, verbose=0)) >= 5 * cost(lambda: session.predict(image))


def test_the_format_that_was_asked_for_is_the_file_that_is_read(tmp_path: Path) -> None:
    folder = copy_of(learned("mobilenetv3"), tmp_path / "model")
    files = []
    for format, write, name in (("h5", export_h5, H5_FILE), ("weights", export_weights, WEIGHTS_FILE)):
        write(folder, folder.path)
        files.append(ModelFile(path=name, sha256=sha256_of(folder.path / name), format=format))
    folder = folder.with_files(files)
    (folder.path / "model_best.keras").unlink()  # the other formats do without it
    pixels = films(4, seed=3)[0]
    for format in ("h5", "weights"):
        model = open_model(folder, runtime=format, device="cpu")
        np.testing.assert_allclose(model.session.predict(pixels), opened("mobilenetv3").predict(pixels), atol=1e-6)
    with pytest.raises(ModelError, match=r"model_best\.keras is missing"):
        open_model(folder, runtime="keras")
    (folder.path / "model_best.keras").write_bytes(b"not the file that was published")
    with pytest.raises(ModelError, match="sha256"):
        open_model(folder, runtime="h5", device="cpu")


def test_other_pixels_than_the_network_takes_are_refused_in_one_line() -> None:
    session = opened("resnet18")
    for pixels in (np.zeros((1, 32, 32, 1), np.uint8), np.zeros((1, SIDE, SIDE, 1), np.uint16), np.zeros((SIDE, SIDE))):
        with pytest.raises(ModelError, match=r"takes pixels uint8 \(N, 64, 64, 1\)") as caught:
            session.predict(pixels)
        assert "\n" not in str(caught.value)


def test_weights_that_are_no_numbers_give_no_answer() -> None:
    folder = learned("mobilenetv3")
    network = load_network(folder)
    network.get_layer("head").bias.assign([np.nan, 0])
    with pytest.raises(ModelError, match="no numbers"):
        KerasSession(network, folder.record.task).predict(films(1)[0])


def test_a_closed_session_says_so() -> None:
    session = open_keras(learned("mobilenetv3"), "cpu", 1)
    pixels = films(1)[0]
    np.testing.assert_array_equal(session.predict(pixels), opened("mobilenetv3").predict(pixels))
    session.close()
    with pytest.raises(ModelError, match="closed"):
        session.predict(pixels)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    folder = learned("resnet18")
    facts = {**folder.record.architecture, "backbone": "resnet34"}
    record = folder.record.model_copy(update={"architecture": facts, "backbone": "resnet34"})
    with pytest.raises(ModelError, match="do not fit") as caught:
        open_keras(ModelFolder(folder.path, record), "cpu", 1)
    assert "\n" not in str(caught.value)


def test_a_device_that_is_absent_is_refused() -> None:
    with pytest.raises(ConfigError, match="cuda:7"):
        open_keras(learned("resnet18"), "cuda:7", 1)
