"""What a frozen backbone makes of images that come again unchanged: computed once and kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lopore.arrays import Pixels

from .network import Network, to_tensor

LIMIT = 1 << 30
"""Bytes of features that are kept; images beyond it are computed each time."""


class FeatureStore:
    """Features by image number. Each image is computed alone, so that neither the order of an epoch nor the size of a
    batch changes a bit of them: a resumed run keeps the same ones."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.held = limit, 0
        self.computed = 0
        self._features: dict[int, list[Tensor]] = {}

    def clear(self) -> None:
        """Forget everything, as when other weights were taken."""
        self._features.clear()
        self.held = 0

    def features(
        self, network: Network, numbers: NDArray[np.int64], pixels: Pixels, device: torch.device
    ) -> list[Tensor]:
        """The features of a batch, as ``network.encode`` gives them; ``network`` is left in evaluation mode."""
        network.eval()
        rows = [self._of(network, int(number), one, device) for number, one in zip(numbers, pixels, strict=True)]
        return [torch.cat(parts) for parts in zip(*rows, strict=True)]

    @torch.no_grad()
    def _of(self, network: Network, number: int, pixels: Pixels, device: torch.device) -> Sequence[Tensor]:
        if number in self._features:
            return self._features[number]
        self.computed += 1
        made = [part.float().contiguous() for part in network.encode(to_tensor(pixels[None], device))]
        size = sum(part.numel() * part.element_size() for part in made)
        if self.held + size <= self.limit:
            self._features[number] = made
            self.held += size
        return made
