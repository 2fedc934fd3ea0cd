"""A model folder opened with torch: raw pixels in, probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lopore.contracts import PixelBatch, Scores, Task
from lopore.errors import ModelError
from lopore.models.session_answers import finite
from lopore.preprocessing.pipeline import check_batch

from .backbones import cam_support, rebuild
from .dense import stride_of, window_logits
from .distributed import choose_device
from .memory import keep_freed_memory
from .network import Classifier, Network, Segmenter, to_maps, to_scores, to_tensor
from .score_calibration import Calibrate
from .weights import read_tensors

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder
    from lopore.record.model import ModelRecord
    from lopore.record.preprocessing import Preprocessing
    from lopore.record.score_calibration import ScoreCalibration

CHUNK = 64
"""Images that go through the network at once, so that memory stays bounded."""
CLOSED = "the session was closed; open the model again"


class TorchSession:
    """``lopore.contracts.Session`` over a network whose gradients can be asked for.

    recipe: says size, channels and depth of its input. cam_exact: what ``explain.cam_fits`` found, None before.
    """

    def __init__(
        self, network: Network, task: Task, recipe: Preprocessing, device: torch.device, threads: int | None = None,
        calibration: ScoreCalibration | None = None,
    ) -> None:  # fmt: skip
        if device.type == "cpu":
            keep_freed_memory()
        self.network: Network | None = network.to(device).to(memory_format=torch.channels_last).eval()
        self.network.requires_grad_(False)
        self.calibrate = Calibrate(calibration).to(device)
        self.task, self.recipe, self.device, self.threads = task, recipe, device, threads
        self.cam_exact: bool | None = None

    @property
    def open_network(self) -> Network:
        """The network; ModelError after ``close``."""
        if self.network is None:
            raise ModelError(CLOSED)
        return self.network

    def tensor(self, batch: PixelBatch) -> Tensor:
        """Pixels on the session's device; ModelError where they are not what the network takes."""
        check_batch(batch, (*self.recipe.size, self.recipe.channels), np.dtype(f"uint{self.recipe.depth}"))
        if self.threads and torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        return to_tensor(batch, self.device)

    @torch.inference_mode()
    def predict(self, batch: PixelBatch) -> Scores:
        """See ``Session.predict``; always fp32. ModelError for other pixels, or scores that are no numbers."""
        network = self.open_network
        logits = (network(self.tensor(part)) for part in _chunks(batch))
        rows = [to_scores(self.calibrate(one), self.task).cpu().numpy() for one in logits]
        return finite(np.concatenate(rows))

    @property
    def gives_features(self) -> bool:
        """See ``FeatureSession``."""
        return self.network is not None and self.network.gives_penultimate

    @torch.inference_mode()
    def answer_with_features(self, batch: PixelBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See ``FeatureSession``; errors as in ``predict``."""
        network, rows = self.open_network, []
        for part in _chunks(batch):
            encoded = network.encode(self.tensor(part))
            answer = self._answer(network.decode(encoded))
            rows.append((answer.cpu().numpy(), network.penultimate(encoded).cpu().numpy()))
        answers, features = (finite(np.concatenate(column)) for column in zip(*rows, strict=True))
        return answers, features

    def _answer(self, logits: Tensor) -> Tensor:
        return to_scores(self.calibrate(logits), self.task)

    def close(self) -> None:
        """See ``Session.close``."""
        self.network = None
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    @cached_property
    def stride(self) -> int:
        """See ``FreeSizeSession.stride``; found by a run on an empty image."""
        return stride_of(self.open_network, self.recipe, self.device)

    @torch.inference_mode()
    def window_scores(
        self, image: PixelBatch, window: tuple[int, int], rows: Sequence[int], columns: Sequence[int]
    ) -> Scores:
        """See ``FreeSizeSession.window_scores``."""
        network = self.open_network
        if self.cam_exact is None:
            recipe = self.recipe
            self.cam_exact = cam_support(network, recipe.size, recipe.channels, recipe.depth)[0]
        if not isinstance(network, Classifier) or not self.cam_exact:
            raise ModelError(
                "this network's head needs more than the mean of its features; use mode windows, not dense"
            )
        tensor = self.free_tensor(image[None])
        logits = window_logits(network, tensor, self.stride, window, rows, columns)
        return finite(to_scores(self.calibrate(logits), self.task).cpu().numpy())

    def free_tensor(self, batch: PixelBatch) -> Tensor:
        """``tensor`` for images of any size whose sides are multiples of the stride."""
        height, width = batch.shape[1:3]
        if height % self.stride or width % self.stride:
            raise ModelError(f"images of {width} x {height} px; sides are multiples of {self.stride} px here")
        check_batch(batch, (height, width, self.recipe.channels), np.dtype(f"uint{self.recipe.depth}"))
        return to_tensor(batch, self.device)


class TorchMapSession(TorchSession):
    """``lopore.contracts.MapSession`` over a U-Net; its images may have any size of multiples of ``stride``."""

    def _answer(self, logits: Tensor) -> Tensor:
        return to_maps(logits)

    @torch.inference_mode()
    def segment(self, batch: PixelBatch) -> NDArray[np.float32]:
        """See ``MapSession.segment``; errors as in ``predict``."""
        network = self.open_network
        own_size = batch.ndim != 4 or batch.shape[1:3] == self.recipe.size
        tensor = self.tensor if own_size else self.free_tensor
        return finite(np.concatenate([to_maps(network(tensor(part))).cpu().numpy() for part in _chunks(batch)]))


def _chunks(batch: PixelBatch) -> list[PixelBatch]:
    return [batch[start : start + CHUNK] for start in range(0, len(batch), CHUNK)] or [batch]


def open_pth(folder: ModelFolder, device: str, threads: int | None) -> TorchSession:
    """A session over ``model_best.pth``: the network is rebuilt from the record, the file read as plain tensors."""
    return session_for(load_network(folder), folder.record, choose_device(device), threads)


def load_network(folder: ModelFolder) -> Network:
    """The published network on the CPU in eval mode; ModelError where record and weights do not fit."""
    state = read_tensors(folder.file_for("pth"))
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{folder.title}: the pth file holds no state dict; copy the model folder anew")
    return rebuild(folder.record, state)


def session_for(network: Network, record: ModelRecord, device: torch.device, threads: int | None) -> TorchSession:
    """The session that a network of this record needs."""
    kind = TorchMapSession if isinstance(network, Segmenter) else TorchSession
    return kind(network, record.task, record.preprocessing, device, threads, record.calibration)
