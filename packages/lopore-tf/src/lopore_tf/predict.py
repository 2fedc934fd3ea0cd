"""A model folder opened with TensorFlow: raw pixels in, probabilities out."""

from __future__ import annotations

import random
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import PixelBatch, Scores, Task
from lopore.errors import ModelError
from lopore.models.session_answers import finite
from lopore.preprocessing.pipeline import check_batch
from lopore.record.score_calibration import ScoreCalibration

from .backbones import cam_support, rebuild
from .distributed import choose_devices, prepare
from .graphs import freeze_scores
from .network import is_segmenter
from .safety import WEIGHTS, check_keras_file
from .start import tf

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder

CHUNK = 64
"""Images that go through the network at once, so that memory stays bounded."""
FORMATS = ("keras", "h5", "weights")
"""What Keras writes of a network; any of them gives all weights."""
CLOSED = "the session was closed; open the model again"


class KerasSession:
    """``lopore.contracts.Session`` over a rebuilt network whose gradients can be asked for; fp32.

    Prediction runs a frozen graph with a free batch size: it is traced once, and Keras' own ``predict``, which
    prepares a data set, a loop and callbacks at each call, is left out.
    """

    def __init__(
        self, network: Any, task: Task, device: str = "/CPU:0", calibration: ScoreCalibration | None = None
    ) -> None:
        network.trainable = False
        self._network: Any = network
        self.task, self.device = task, device
        self.cam_exact: bool | None = None
        self._cache: dict[str, Any] = {}
        self._scores: Any = self.cached("scores", lambda: freeze_scores(network, task, calibration))

    @property
    def network(self) -> Any:
        """The Keras model; ModelError after ``close``."""
        return _still_open(self._network)

    @property
    def graph(self) -> Any:
        """What ``graphs.freeze_scores`` made of it; ModelError after ``close``."""
        return _still_open(self._scores)

    def cached(self, name: str, make: Callable[[], Any]) -> Any:
        """What explainers derive from the network, such as a traced function; made when it is first asked for."""
        found = self._cache.get(name)
        if found is None:
            with tf.device(self.device):
                found = self._cache[name] = make()
        return found

    def predict(self, batch: PixelBatch) -> Scores:
        """See ``Session.predict``; ModelError for pixels of another shape or depth, or scores that are no numbers."""
        self.check(batch)
        none = np.zeros((0, self.graph.outputs[0].shape[-1]), np.float32)
        return finite(np.concatenate([none, *(self.scores_and_features(part)[0].numpy() for part in chunks(batch))]))

    def scores_and_features(self, pixels: PixelBatch) -> tuple[Any, ...]:
        """What ``graphs.freeze_scores`` gives for one chunk of pixels: tensors (N, K) and (N, h, w, C), and where
        ``gives_features`` (N, D)."""
        with tf.device(self.device):
            return tuple(self.graph(tf.constant(pixels)))

    @property
    def gives_features(self) -> bool:
        """See ``FeatureSession``."""
        return len(self.graph.outputs) == 3

    def answer_with_features(self, batch: PixelBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See ``FeatureSession``; errors as in ``predict``."""
        self.check(batch)
        wanted = (1 if is_segmenter(self.network) else 0, 2)
        parts = [[np.zeros((0, *self.graph.outputs[at].shape[1:]), np.float32) for at in wanted]]
        for part in chunks(batch):
            found = self.scores_and_features(part)
            parts.append([found[at].numpy() for at in wanted])
        answers, features = (finite(np.concatenate(column)) for column in zip(*parts, strict=True))
        return answers, features

    def check(self, batch: PixelBatch) -> None:
        """ModelError where the batch is not what the network takes."""
        check_batch(batch, self.network.inputs[0].shape[1:], np.dtype(self.network.inputs[0].dtype))

    def cam_fits(self) -> bool:
        """Whether Grad-CAM in closed form holds for this network; tried once."""
        if self.cam_exact is None:
            *size, channels = self.network.inputs[0].shape[1:]
            self.cam_exact = len(size) == 2 and cam_support(self.network, (size[0], size[1]), channels)[0]
        return self.cam_exact

    def close(self) -> None:
        """See ``Session.close``."""
        self._network = self._scores = None
        self._cache.clear()


class KerasMapSession(KerasSession):
    """``lopore.contracts.MapSession`` over a U-Net; its graph turns Keras' (N, H, W, K + 1) into (N, K, H, W)."""

    def segment(self, batch: PixelBatch) -> NDArray[np.float32]:
        """See ``MapSession.segment``; errors as in ``predict``."""
        self.check(batch)
        none = np.zeros((0, *self.graph.outputs[1].shape[1:]), np.float32)
        return finite(np.concatenate([none, *(self.scores_and_features(part)[1].numpy() for part in chunks(batch))]))


def _still_open(part: Any) -> Any:
    if part is None:
        raise ModelError(CLOSED)
    return part


def chunks(batch: PixelBatch) -> list[PixelBatch]:
    """The batch in parts of at most ``CHUNK`` images; none where it is empty, which oneDNN cannot take."""
    return [batch[start : start + CHUNK] for start in range(0, len(batch), CHUNK)]


def open_keras(folder: ModelFolder, device: str, threads: int | None, format: str = "keras") -> KerasSession:
    """A session over one of ``FORMATS``: the network is rebuilt from the record, the file read as plain arrays.

    threads: taken where TensorFlow has not run yet in this process; it keeps its number afterwards.
    """
    tf_device = tf_device_of(device, threads)
    with tf.device(tf_device):
        network = load_network(folder, format)
        kind = KerasMapSession if is_segmenter(network) else KerasSession
        return kind(network, folder.record.task, tf_device, folder.record.calibration)


def load_network(folder: ModelFolder, format: str | None = None) -> Any:
    """The published Keras network; ModelError where the file is unsafe or does not fit the record.

    format: one of ``FORMATS``; None takes the first that the folder has.
    """
    have = folder.record.formats
    path = folder.file_for(format or next((name for name in FORMATS if name in have), "keras"))
    check_keras_file(path)
    state = random.getstate()  # Keras draws the first weights' seeds from it, and they are replaced
    try:
        network = rebuild(folder.record)
    finally:
        random.setstate(state)
    load_weights(network, path, folder.title)
    return network


def load_weights(network: Any, path: Path, title: str) -> None:
    """Take the arrays of a checked file; ModelError where they do not fit."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras names each missing layer before it refuses
            with _plain_weights(path) as file:
                network.load_weights(file)
    except (ValueError, KeyError, OSError, TypeError, zipfile.BadZipFile) as error:
        text = " ".join(str(error).split())[:160]
        raise ModelError(f"{title}: the weights in {path.name} do not fit its record: {text}") from None


@contextmanager
def _plain_weights(path: Path) -> Iterator[Path]:
    """The HDF5 file of a checked file by itself: within a zip Python reads it from its beginning at each step back."""
    if path.suffix != ".keras":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        yield Path(archive.extract(WEIGHTS, folder))


def tf_device_of(device: str, threads: int | None) -> str:
    """TensorFlow's name of the first device that ``device`` stands for; ConfigError for one that is absent."""
    prepare(threads)
    return f"/{choose_devices(device)[0]}"
