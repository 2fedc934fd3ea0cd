"""How far an image's features lie from those of the training images: Mahalanobis's distance of unit-length features.

The covariance is shrunk, as a thousand features have more of them than films have values. Sources: Lee et al., A Simple
Unified Framework for Detecting Out-of-Distribution Samples, NeurIPS 2018; unit length by Mueller and Hein,
Mahalanobis++, ICML 2025; Ledoit and Wolf, Journal of Multivariate Analysis 88, 2004. On real weld films it told more
strange images than the nearest neighbour of Sun et al., ICML 2022 (``benchmarks/unlike_features.py``).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lopore.errors import ModelError

FILE = "training_features.npy"
MOST_IMAGES, MOST_AXES, MOST_BYTES = 500, 64, 4 << 20
"""Training images of a reference, its axes (the widest ones of the covariance), and bytes of a file that is read."""
RATES = (0.01, 0.05)
"""Shares of like films that may be marked: the first that the held-out films can prove, 99 for 1 % and 19 for 5 %."""
LEAST_FILMS = 19
_ONE_THREAD = 2**18
"""Multiplications that OpenBLAS does in the calling thread. Beyond it wakes a pool that spins beside the network's own
threads: on two cores that cost more than the product."""
_TINY = 1e-12
_LEAST_VARIANCE = 1e-8
"""So that an axis over its standard deviation is a number of 16 bits."""


@dataclass(frozen=True)
class FeatureReference:
    """Middle and spread of the features of training images, each scaled to length 1.

    rows: (1 + axes, D) float16: the mean, and the widest axes of the covariance, each divided by the standard deviation
    along it. rest: variance along every other axis.
    """

    rows: NDArray[np.float16]
    rest: float

    @classmethod
    def of(cls, features: ArrayLike) -> FeatureReference:
        """features: (N, D) of training images, N of 2 and more."""
        values = _unit(np.asarray(features, np.float32)).astype(np.float64)
        mean = values.mean(axis=0)
        _, spread, axes = np.linalg.svd(values - mean, full_matrices=False)
        variances = spread**2 / len(values)
        shrinkage, plain = _shrinkage(values - mean, variances)
        rest = max(shrinkage * plain, _LEAST_VARIANCE)
        count = min(MOST_AXES, len(values) - 1)
        along = (1 - shrinkage) * variances[:count] + rest
        rows = np.vstack([mean, axes[:count] / np.sqrt(along)[:, None]])
        return cls(rows.astype(np.float16), float(rest))

    def distances(self, features: ArrayLike) -> NDArray[np.float64]:
        """(M,) Mahalanobis distance of each of (M, D) features to the mean of the reference.

        ModelError where D is another one.
        """
        values = np.asarray(features, np.float32)
        if values.ndim != 2 or values.shape[1] != self.rows.shape[1]:
            raise ModelError(
                f"the network gives features {values.shape[1:]}, the reference has {self.rows.shape[1]} an image; they "
                "belong to other models, copy the model folder anew"
            )
        mean, axes, variances = self._parts
        off = _unit(values) - mean
        few = max(1, _ONE_THREAD // axes.size)
        parts = [off[at : at + few] @ axes.T for at in range(0, len(off), few)]
        along = np.concatenate(parts or [off @ axes.T]).astype(np.float64) ** 2
        left = np.maximum((off**2).sum(axis=1, dtype=np.float64) - along @ variances, 0.0)
        return np.asarray(np.sqrt(along.sum(axis=1) + left / self.rest), np.float64)

    @cached_property
    def _parts(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
        """The mean, the scaled axes and the variance along each."""
        rows = self.rows.astype(np.float32)
        return rows[0], rows[1:], 1 / np.maximum((rows[1:].astype(np.float64) ** 2).sum(axis=1), _TINY)

    def to_bytes(self) -> bytes:
        """The content of a ``.npy`` file without objects."""
        stream = io.BytesIO()
        np.save(stream, self.rows, allow_pickle=False)
        return stream.getvalue()

    @classmethod
    def read(cls, path: Path, rest: float) -> FeatureReference:
        """The reference in a file, with ``rest`` of the record; ModelError where it is none, or too large for one."""
        if path.stat().st_size > MOST_BYTES:
            raise ModelError(f"{path} is too large for features; at most {MOST_BYTES} bytes are read")
        return cls.from_bytes(path.read_bytes(), rest, source=str(path))

    @classmethod
    def from_bytes(cls, content: bytes, rest: float, *, source: str) -> FeatureReference:
        """ModelError naming ``source`` where it is no such file."""
        stream = io.BytesIO(content)
        try:
            np.lib.format.read_magic(stream)
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        except (ValueError, EOFError):
            shape, dtype = (), np.dtype(np.void)
        values = stream.read()  # numpy's reader would take the room that the header asks for
        if dtype != np.float16 or len(shape) != 2 or min(shape) < 2 or 2 * shape[0] * shape[1] != len(values):
            raise ModelError(f"{source} is no table of float16 features; copy the model folder anew")
        rows = np.frombuffer(values, np.float16).reshape(shape)
        if not np.isfinite(rows).all():
            raise ModelError(f"{source} holds values that are no numbers; copy the model folder anew")
        return cls(rows, rest)


def limit_of(distances: ArrayLike, films: ArrayLike) -> tuple[float, float, int, int] | None:
    """(limit, rate, films beyond the limit, films) from images that training did not learn from; None for too few.

    distances: (M,) of these images. films: (M,) film of each; a film counts by the farthest of its images. The limit is
    the quantile of split conformal prediction (Vovk, Gammerman and Shafer, 2005): of films like these at most the
    share ``rate`` lies beyond it.
    """
    values, ids = np.asarray(distances, np.float64), np.unique(np.asarray(films), return_inverse=True)[1].reshape(-1)
    count = int(ids.max()) + 1 if len(ids) else 0
    rate = next((share for share in RATES if (count + 1) * share >= 1 - 1e-9), None)
    if rate is None:
        return None
    by_film = np.full(count, -np.inf)
    np.maximum.at(by_film, ids, values)
    rank = min(int(np.ceil((count + 1) * (1 - rate) - 1e-9)), count) - 1
    limit = float(np.sort(by_film)[rank])
    return limit, rate, int((by_film > limit).sum()), count


def _unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(lengths, _TINY), np.float32)


def _shrinkage(off: NDArray[np.float64], variances: NDArray[np.float64]) -> tuple[float, float]:
    """(weight of a plain covariance, its variance) by Ledoit and Wolf, from (N, D) differences to their mean.

    variances: along the axes of the covariance, N of them or D, the others are 0.
    """
    count, depth = off.shape
    plain, squared = float(variances.sum()) / depth, float((variances**2).sum())
    apart = squared / depth - plain**2
    noise = (float(((off**2).sum(axis=1) ** 2).mean()) - squared) / (depth * count)
    return (min(noise / apart, 1.0) if apart > 0 else 1.0), plain
