"""Which images an epoch shows, in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Balance = Literal["none", "class", "group", "class-group"]


@dataclass(frozen=True)
class Sampler:
    """Which images an epoch shows, in which order: decided by (seed, epoch) alone.

    rows: numbers of the images. kinds, groups: (len(rows),) class and film of each. balance: "class" gives every
    class the same share of an epoch, "group" every film, "class-group" every film within its class. An epoch has as
    many images as there are rows; an image comes either floor or ceil of its share of times.
    """

    rows: NDArray[np.int64]
    strata: NDArray[np.int64]
    groups: NDArray[np.int64]
    balance: Balance = "none"
    seed: int = 0

    def order(self, epoch: int) -> NDArray[np.int64]:
        rng = np.random.default_rng([self.seed, epoch, 0x0DE5])
        if self.balance == "none":
            return rng.permutation(self.rows)
        expected = np.cumsum(self._shares() * len(self.rows))
        edges = np.floor(np.r_[0.0, expected[:-1], len(self.rows)] + rng.random())
        edges[-1] = edges[0] + len(self.rows)
        return rng.permutation(np.repeat(self.rows, np.diff(edges).astype(np.int64)))

    def _shares(self) -> NDArray[np.float64]:
        keys = {"class": self.strata, "group": self.groups}.get(self.balance)
        if keys is not None:
            return _even(keys)
        pairs = np.stack([self.strata, self.groups], axis=1)
        cells, members = np.unique(pairs, axis=0, return_inverse=True)
        return _even(cells[:, 0])[members.reshape(-1)] / np.bincount(members.reshape(-1))[members.reshape(-1)]


def _even(keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shares that give every distinct key the same total."""
    _, members, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[members.reshape(-1)] / len(counts), np.float64)
