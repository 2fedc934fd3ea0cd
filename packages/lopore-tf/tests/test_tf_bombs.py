"""Small files of TensorFlow that want much: from elsewhere they open in a process of their own, and are stopped."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from made.child_watch import assert_stopped, from_elsewhere, published
from made.films import films
from made.models import SIDE, record_for
from tf_models import copy_of, learned, opened

from lopore.models.child_session import ChildSession
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore_tf.saved_model import FILE, write_saved_model
from lopore_tf.start import tf


def graph(folder: Path, extra: Callable[[Any], Any]) -> Path:
    """A SavedModel of scores by brightness, to which ``extra`` adds nothing but its cost."""

    def run(pixels: Any) -> Any:
        bright = tf.reduce_mean(tf.cast(pixels, tf.float32), (1, 2, 3)) / 255
        bright += 0 * tf.reduce_mean(extra(tf.cast(pixels, tf.float32)))
        return tf.stack((1 - bright, bright), 1)

    spec = tf.TensorSpec((None, SIDE, SIDE, 1), tf.uint8, name="pixels")
    function = tf.function(run, input_signature=(spec,), autograph=False).get_concrete_function()
    write_saved_model(function, ["scores"], folder)
    return folder / FILE


def _multiplied(pixels: Any) -> Any:
    wide = tf.tile(tf.reshape(tf.reduce_mean(pixels), (1, 1)), (9000, 9000))
    for _ in range(8):
        wide = tf.matmul(wide, wide)
    return wide


GRAPHS: dict[str, Callable[[Any], Any]] = {
    "a constant of 20 GB": lambda pixels: tf.broadcast_to(tf.constant(1.0), (5_000_000_000,)) + tf.reduce_mean(pixels),
    "products of large matrices": _multiplied,
}


@pytest.mark.parametrize("what", GRAPHS)
def test_a_saved_model_that_wants_much_is_stopped(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = graph(tmp_path / "saved_model", GRAPHS[what])
    assert file.stat().st_size < 100_000
    told = assert_stopped(published(file, "saved_model", record_for(framework="tf")), monkeypatch)
    assert "comes from elsewhere and" in told


def _packed_weights(folder: ModelFolder) -> Path:
    path = folder.path / "model_best.keras"
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    members["model.weights.h5"] = bytes(1_900_000_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for name, content in members.items():
            new.writestr(name, content)
    return path


def _large_array(folder: ModelFolder) -> Path:
    """A stored kernel of another shape, 1.9 GB of zeros that were never written."""
    path = folder.path / "model.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/conv2d/vars/0", (464, 1 << 20), "f4", chunks=(1, 1 << 20), compression="gzip")
    return path


@pytest.mark.parametrize(("format", "plant"), [("keras", _packed_weights), ("weights", _large_array)])
def test_weights_that_unpack_to_gigabytes_are_refused(
    format: str, plant: Callable[[ModelFolder], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_of(learned("mobilenetv3"), tmp_path / "model")
    path = plant(folder)
    assert path.stat().st_size < 20_000_000
    record = folder.record.model_copy(update={"files": ()})
    assert_stopped(published(path, format, record), monkeypatch)


def test_a_keras_file_from_elsewhere_answers_as_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = open_model(from_elsewhere(copy_of(learned("mobilenetv3"), tmp_path / "model"), monkeypatch)).session
    assert isinstance(foreign, ChildSession)
    pixels = films(2)[0]
    np.testing.assert_allclose(foreign.predict(pixels), opened("mobilenetv3").predict(pixels), atol=1e-6)
    foreign.close()
