"""What a whole set shares, taken out: low cosine frequencies of its images, whitened by how they vary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .fingerprints import STEPS_PER_UNIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .fingerprints import Fingerprint

    Floats = NDArray[np.float32]

COARSE = 64
FREQUENCIES = 16  # cosine frequencies an axis
_SAMPLE = 400  # images the perturbations are measured on


@dataclass(frozen=True, eq=False)
class Metric:
    """Whitening of one set: ``whiten`` (255, 255), its first columns being those that small changes disturb least."""

    whiten: Floats

    def embed(self, versions: Floats, dimensions: int | None = None) -> Floats:
        """Unit vectors (..., dimensions) of unit cosine vectors (..., 255)."""
        flat = versions.reshape(-1, versions.shape[-1]) @ self.whiten[:, :dimensions]
        return _unit(flat.reshape(*versions.shape[:-1], -1))


def learn_metric(fingerprints: Sequence[Fingerprint], generator: np.random.Generator) -> Metric:
    """Whitening from a set's own images.

    fingerprints: one or more; up to 1600 of them, drawn by ``generator``, are used. The second moments of all eight
    poses are shrunk to their diagonal by as many imagined images as there are dimensions, so that a set of five is
    not whitened to noise.
    Source: within-class covariance normalisation, Hatch et al. (2006), with made copies in place of labels.
    """
    sample = generator.permutation(len(fingerprints))[: 4 * _SAMPLE]
    views = coarse_views([fingerprints[number] for number in sample.tolist()])
    poses = in_all_poses(cosines(views))
    total = _moments(poses)
    weight = poses.shape[-1] / (poses.shape[-1] + 8 * len(sample))
    total = (1 - weight) * total + weight * np.diag(np.diag(total))
    made = np.array([_disturbed(view, generator) for view in views[:_SAMPLE]])
    change = _moments(in_all_poses(cosines(made)) - poses[:, :_SAMPLE]) / 2
    ridge = 0.02 * np.trace(total) / len(total) * np.eye(len(total))
    values, vectors = np.linalg.eigh(total + 3 * change + ridge)
    whiten = vectors / np.sqrt(values)
    order = np.linalg.eigh(whiten.T @ change @ whiten)[1]
    return Metric((whiten @ order).astype(np.float32))


def coarse_views(fingerprints: Sequence[Fingerprint]) -> Floats:
    """(N, 64, 64) flattened views in local standard deviations."""
    return np.array([halved(one.view.astype(np.float32) / np.float32(STEPS_PER_UNIT)) for one in fingerprints])


def halved(view: Floats) -> Floats:
    import cv2

    halved = cv2.resize(view, (view.shape[1] // 2, view.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(halved, dtype=np.float32)


def _disturbed(view: Floats, generator: np.random.Generator) -> Floats:
    """A copy as an honest tool might make it: 3 degrees, 4 %, 2 % of the side, a little noise."""
    import cv2

    centre = (COARSE - 1) / 2
    rotation = cv2.getRotationMatrix2D((centre, centre), generator.uniform(-3, 3), generator.uniform(0.96, 1.04))
    matrix = np.asarray(rotation, dtype=np.float64)
    matrix[:, 2] += generator.uniform(-0.02, 0.02, 2) * COARSE
    moved = np.asarray(cv2.warpAffine(view, matrix, (COARSE, COARSE), borderMode=cv2.BORDER_REFLECT_101))
    return (moved + generator.normal(0, 0.15, view.shape)).astype(np.float32)


_SIGNS = ((-1.0) ** np.arange(FREQUENCIES)).astype(np.float32)


def cosines(views: Floats) -> Floats:
    """(N, 16, 16) lowest frequencies of (N, 64, 64)."""
    import cv2

    cosines = np.empty((len(views), FREQUENCIES, FREQUENCIES), dtype=np.float32)
    for number, view in enumerate(views):
        cosines[number] = cv2.dct(view)[:FREQUENCIES, :FREQUENCIES]
    return cosines


def unit_cosines(views: Floats) -> Floats:
    return _unit(cosines(views).reshape(len(views), -1)[:, 1:])


def in_all_poses(cosines: Floats) -> Floats:
    """(8, N, 255) unit vectors: a mirrored image has the odd frequencies negated, a turned one the axes swapped."""
    rows, both = _SIGNS[:, None], _SIGNS[:, None] * _SIGNS
    turned = cosines.swapaxes(-1, -2)
    poses = np.stack([part * sign for part in (cosines, turned) for sign in (np.float32(1), rows, _SIGNS, both)])
    return _unit(poses.reshape(8, len(cosines), -1)[:, :, 1:])


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True).astype(np.float32)
    return np.asarray(vectors / (lengths + np.float32(1e-9)), dtype=np.float32)


def _moments(vectors: Floats) -> NDArray[np.float64]:
    flat = vectors.reshape(-1, vectors.shape[-1]).astype(np.float64)
    return flat.T @ flat / len(flat)
