"""Places of sound images: drawn at random from all that pass by, and what is made of them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LEAST_VARIANCE = 0.01
"""Of the mean variance, as PaDiM adds it: an axis along which nothing moves divides by no nought, and the rounding of a
runtime stays small."""


class PlaceSample:
    """A random sample of at most ``most`` rows of all that were added, each equally likely (Vitter, ACM TOMS 11, 1985,
    by random keys); a seed gives the same rows again in the same order."""

    def __init__(self, most: int, seed: int) -> None:
        self.most, self.seen = most, 0
        self._random = np.random.default_rng(seed)
        self._rows: list[Tensor] = []
        self._keys: list[NDArray[np.float64]] = []

    def add(self, rows: Tensor) -> None:
        """rows: (n, D) float32 on the CPU."""
        self.seen += len(rows)
        self._rows.append(rows)
        self._keys.append(self._random.random(len(rows)))
        if sum(map(len, self._keys)) > 2 * self.most:
            self._cut()

    def _cut(self) -> None:
        keys, rows = np.concatenate(self._keys), torch.cat(self._rows)
        chosen = np.argsort(keys, kind="stable")[: self.most]
        self._keys, self._rows = [keys[chosen]], [rows[torch.from_numpy(chosen)]]

    @property
    def rows(self) -> Tensor:
        """(n, D), in random order."""
        self._cut()
        return self._rows[0]


def random_projection(dimensions: int, deviations: Tensor, mean: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """(projection (D, C), offset (D,)): channels less their mean, over their deviation, onto D random directions that
    are orthogonal and drawn from ``seed``; with D = C nothing but a rotation is left out."""
    channels = len(mean)
    basis = torch.eye(channels, dtype=torch.float64)
    if dimensions < channels:
        drawn = torch.from_numpy(np.random.default_rng(seed).standard_normal((channels, dimensions)))
        basis = torch.linalg.qr(drawn)[0].T * (channels / dimensions) ** 0.5
    projection = basis / deviations.double()
    return projection.float(), -(projection @ mean.double()).float()


def whitening(rows: Tensor) -> tuple[Tensor, Tensor]:
    """(matrix (D, D), mean (D,)) float64 that give rows (n, D) the covariance 1, itself shrunk to a multiple of 1.

    Source: Ledoit and Wolf, Journal of Multivariate Analysis 88, 2004.
    """
    values = rows.double()
    mean = values.mean(dim=0)
    centred = values - mean
    count, size = centred.shape
    covariance = centred.T @ centred / count
    level = covariance.diagonal().mean()
    apart = ((covariance - level * torch.eye(size, dtype=torch.float64)) ** 2).sum()
    noise = (((centred**2).sum(dim=1) ** 2).sum() / count - (covariance**2).sum()) / count
    share = float((noise / apart).clamp(0.0, 1.0)) if float(apart) > 0 else 1.0
    shrunk = (1 - share) * covariance + share * level * torch.eye(size, dtype=torch.float64)
    values_of, axes = torch.linalg.eigh(shrunk)
    least = LEAST_VARIANCE * max(float(level), 1e-12)
    return (axes / (values_of.clamp_min(0.0) + least).sqrt()) @ axes.T, mean


def covering(rows: Tensor, most: int) -> Tensor:
    """At most ``most`` of the rows (n, D), so that every other lies near one: the greedy k-centre rule from the first
    row on (Gonzalez, Theoretical Computer Science 38, 1985; Sener and Savarese, ICLR 2018)."""
    if len(rows) <= most:
        return rows
    lengths = (rows**2).sum(dim=1)
    nearest = torch.full((len(rows),), torch.inf)
    chosen, at = [], 0
    for _ in range(most):
        chosen.append(at)
        apart = lengths - 2 * (rows @ rows[at]) + lengths[at]
        nearest = torch.minimum(nearest, apart)
        at = int(nearest.argmax())
    return rows[torch.tensor(chosen)]
