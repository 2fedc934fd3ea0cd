"""What an open model answers, and what opens its file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import PixelBatch, Scores

from .field_rules import check_fields

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder


@runtime_checkable
class Session(Protocol):
    """An open model: takes raw pixels, returns probabilities; normalisation happens inside."""

    def predict(self, batch: PixelBatch) -> Scores:
        """batch (N, H, W, C) of the record's size, channels and depth; returns (N, K) float32, finite."""
        ...

    def close(self) -> None:
        """Give memory and devices back."""
        ...


@runtime_checkable
class MapSession(Session, Protocol):
    """A session of a segmentation model."""

    def segment(self, batch: PixelBatch) -> NDArray[np.float32]:
        """Probability of each class at each pixel: (N, K, H, W) float32 over the network's input.

        A pixel has one class or none: the K probabilities add up to at most 1, and the rest is that of none.
        """
        ...


@runtime_checkable
class FeatureSession(Session, Protocol):
    """A session that also gives what the network's last layer reads, to notice films unlike those of training."""

    @property
    def gives_features(self) -> bool:
        """Whether this network, or this file, has them."""
        ...

    def answer_with_features(self, batch: PixelBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What ``predict`` gives, of a segmentation model what ``segment`` gives, and features (N, D) of the same pass.

        Features are the input of the last linear layer; of a segmentation model, the mean over the places of what its
        encoder gives at the coarsest scale.
        """
        ...


@runtime_checkable
class FreeSizeSession(Session, Protocol):
    """A session whose network takes images of other sizes too: any multiple of ``stride`` a side.

    A segmentation model's ``segment`` then takes them; a classifier gives the scores of many windows in one pass.
    """

    @property
    def stride(self) -> int:
        """Pixels to one cell of the network's coarsest features."""
        ...

    def window_scores(
        self, image: PixelBatch, window: tuple[int, int], rows: Sequence[int], columns: Sequence[int]
    ) -> Scores:
        """Scores (len(rows) * len(columns), K), row after row, of windows of one image that share its features.

        image: (H, W, C), sides multiples of ``stride``. window: (height, width). rows, columns: where windows begin;
        all multiples of ``stride``. ModelError for a network whose head needs more than the mean of its features.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Opens model files. ``opens(folder, device, threads)`` gets a checked folder whose sha256 sums hold.

    preference: among predictors for one format the highest is taken (a faster runtime says more than 0).
    runtime: modules that ``opens`` imports, such as ("onnxruntime",). A model from elsewhere is opened in a process
        with limits on memory and time; these are imported before, so that their share is not the model's.
    """

    name: str
    summary: str
    formats: tuple[str, ...]
    opens: Callable[[ModelFolder, str, int | None], Session]
    preference: int = 0
    runtime: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def key(self) -> str:
        return self.name
