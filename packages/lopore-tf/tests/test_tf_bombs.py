"""Small files of TensorFlow that want much: from elsewhere they open in a process of their own, and are stopped."""

from __future__ import annotations

import re
import zipfile
import zlib
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
from lopore_tf.export import H5_FILE, export_h5
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


def test_a_saved_model_that_wants_much_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = graph(
        tmp_path / "saved_model", lambda pixels: tf.broadcast_to(1.0, (5_000_000_000,)) + tf.reduce_mean(pixels)
    )
    assert file.stat().st_size < 100_000
    told = assert_stopped(published(file, "saved_model", record_for(framework="tf")), monkeypatch)
    assert re.search("comes from elsewhere and (takes more than .* of memory|ends its process)", told)


def test_weights_that_unpack_to_gigabytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copy_of(learned("mobilenetv3"), tmp_path / "model")
    path = folder.path / "model_best.keras"
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    members["model.weights.h5"] = bytes(1_900_000_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new:
        for name, content in members.items():
            new.writestr(name, content)
    assert path.stat().st_size < 20_000_000
    assert_stopped(published(path, "keras", folder.record), monkeypatch)


def test_one_number_in_a_huge_chunk_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = learned("mobilenetv3")
    export_h5(sound, tmp_path)
    with h5py.File(tmp_path / H5_FILE, "r+") as file:
        huge = file.create_dataset("huge", (1,), "f4", chunks=(400_000_000,), maxshape=(None,), compression="gzip")
        huge.id.write_direct_chunk((0,), zlib.compress(bytes(1_600_000_000), 1))
    assert (tmp_path / H5_FILE).stat().st_size < 30_000_000
    folder = published(tmp_path / H5_FILE, "h5", sound.record.model_copy(update={"files": ()}))
    assert "far more than the file holds" in assert_stopped(folder, monkeypatch)


def test_a_keras_file_from_elsewhere_answers_as_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = open_model(from_elsewhere(copy_of(learned("mobilenetv3"), tmp_path / "model"), monkeypatch)).session
    assert isinstance(foreign, ChildSession)
    pixels = films(2)[0]
    np.testing.assert_allclose(foreign.predict(pixels), opened("mobilenetv3").predict(pixels), atol=1e-6)
    foreign.close()
