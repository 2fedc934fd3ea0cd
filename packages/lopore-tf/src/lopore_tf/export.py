"""What Keras and TensorFlow open without lopore: ``.h5``, weights alone, and a SavedModel for serving."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lopore.contracts import Task
from lopore.record.score_calibration import ScoreCalibration

from .backbones import cam_support
from .graphs import MAPS, SCORES, freeze_all
from .network import is_segmenter
from .predict import load_network
from .saved_model import FOLDER, INPUT, SIGNATURE, write_saved_model
from .score_calibration import calibrate_layers
from .start import keras, tf

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder

H5_FILE = "model.h5"
WEIGHTS_FILE = "model.weights.h5"


def export_h5(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    """Write ``target / "model.h5"``: raw pixels to **probabilities** (N, K) in the order of the record's classes.

    ``keras.models.load_model("model.h5")`` and one call give what lopore gives: normalisation is the first layer, and
    softmax or sigmoid the last, as in ``model_best.keras``. Of a segmentation model the call gives two arrays: the
    scores, and the maps (N, K, H, W).
    """
    network = load_network(folder)
    with _quiet():
        probabilities(network, folder.record.task, folder.record.calibration).save(target / H5_FILE)
    return {"outputs": "probabilities", "classes": list(folder.record.classes), **_versions()}


def probabilities(network: Any, task: Task, calibration: ScoreCalibration | None = None) -> Any:
    """The network with ``network.to_scores`` behind it as standard layers: a Keras model that gives (N, K).

    Of a segmentation model it gives [(N, K), (N, K, H, W)].
    """
    logits = network.outputs[0]
    if is_segmenter(network):
        return keras.Model(network.inputs, _scores_and_maps(logits))
    logits = calibrate_layers(logits, calibration)
    if task == "multilabel":
        return keras.Model(network.inputs, _each_by_itself(logits))
    if task == "binary":
        nought = keras.layers.Rescaling(0.0, dtype="float32", name="nought")(logits)
        logits = keras.layers.Concatenate(dtype="float32", name="both_classes")([nought, logits])
    return keras.Model(network.inputs, keras.layers.Activation("softmax", dtype="float32", name=SCORES)(logits))


def _each_by_itself(logits: Any) -> Any:
    """As ``network.to_scores`` for several labels: softmax over [0, z] of each, (N, 2, K), of which one is left."""
    layers, count = keras.layers, logits.shape[-1]
    row = layers.Reshape((1, count), dtype="float32", name="one_row")(logits)
    nought = layers.Rescaling(0.0, dtype="float32", name="nought")(row)
    pairs = layers.Concatenate(axis=1, dtype="float32", name="absent_or_there")([nought, row])
    both = layers.Softmax(axis=1, dtype="float32", name="both")(pairs)
    there = layers.Cropping1D((1, 0), dtype="float32", name="there")(both)
    return layers.Reshape((count,), dtype="float32", name=SCORES)(there)


def _scores_and_maps(logits: Any) -> list[Any]:
    """As ``network.to_maps``: once classes stand in front, cropping the first "row" leaves out the background."""
    layers = keras.layers
    classes_first = layers.Permute((3, 1, 2), dtype="float32", name="classes_first")
    pixels = classes_first(layers.Activation("softmax", dtype="float32", name="every_class")(logits))
    maps = layers.Cropping2D(((1, 0), (0, 0)), data_format="channels_last", dtype="float32", name=MAPS)(pixels)
    largest = layers.GlobalMaxPooling2D(data_format="channels_first", dtype="float32", name=SCORES)
    return [largest(maps), maps]


def export_weights(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    """Write ``target / "model.weights.h5"``: the arrays alone, for ``load_weights`` of the same Keras network."""
    load_network(folder).save_weights(target / WEIGHTS_FILE)
    return _versions()


def export_saved_model(folder: ModelFolder, target: Path) -> Mapping[str, Any]:
    """Write ``target / "saved_model"``, which TensorFlow Serving takes as it is.

    Signature ``serving_default``: ``pixels`` (batch, H, W, C) uint8 or uint16 to ``scores`` (batch, K) float32 and,
    where exact, ``cam`` and ``cam_plus`` (batch, K, h, w), for segmentation ``maps`` (batch, K, H, W). The batch is
    free; weights are constants of the graph.
    """
    network, recipe = load_network(folder), folder.record.preprocessing
    exact, reason = cam_support(network, recipe.size, recipe.channels)
    graph, names = freeze_all(network, folder.record.task, exact=exact, calibration=folder.record.calibration)
    write_saved_model(graph, names, target / FOLDER)
    return {
        "signature": SIGNATURE, "input": INPUT, "outputs": names, "exact_cam": exact, "exact_cam_reason": reason,
        **_versions(),
    }  # fmt: skip


def _versions() -> dict[str, str]:
    return {"tensorflow": tf.__version__, "keras": keras.__version__}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keras calls HDF5 a legacy format on every save; who asks for it knows."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
