"""Scores or maps of a batch, and how far its features lie from those of the training images, from one pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import PixelBatch, Scores
from lopore.contracts import FeatureSession

if TYPE_CHECKING:
    from lopore.models.opening import OpenModel

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Answer:
    """What the network says of one image. scores: (K,). feature_distance: to the training images, see
    ``data.feature_likeness``; None where features are not compared."""

    scores: Scores
    feature_distance: float | None = None


class FeatureWatch:
    """Stands for a session's ``predict`` or ``segment``.

    The first call, which has the images as they are, also asks for features, where the model has a reference of them;
    further calls have other views of the same images.

    distances: (N,) of the images after the first call; None where features are not compared.
    """

    def __init__(self, model: OpenModel, ask: Callable[[PixelBatch], Floats]) -> None:
        self._reference, self._session, self._ask = model.feature_reference, model.session, ask
        self.distances: NDArray[np.float64] | None = None

    def __call__(self, batch: PixelBatch) -> Floats:
        if self._reference is None or self.distances is not None:
            return self._ask(batch)
        assert isinstance(self._session, FeatureSession), "a reference is there where the session gives features"
        answer, features = self._session.answer_with_features(batch)
        self.distances = self._reference.distances(features)
        return answer

    def of(self, number: int) -> float | None:
        """The distance of one image."""
        return None if self.distances is None else float(self.distances[number])
