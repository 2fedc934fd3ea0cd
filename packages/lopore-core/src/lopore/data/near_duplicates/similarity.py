"""How alike two images are, measured against how alike the images of one set are anyhow.

Welds of one workshop share the seam, letters and shading; tiles share the grinding marks. What a whole set shares
says nothing about copies, so it is taken out: the set's own low cosine frequencies are whitened (what varies between
its images counts, what a small turn, zoom or shift of one image changes does not). Candidates found so are laid on
each other to a fraction of a pixel and compared again, coarse and fine, only where both show something.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from .detail import DETAIL_SIDE, is_strange
from .fingerprints import SIDE, STEPS_PER_UNIT
from .laying import inside, laid, refined, rescaled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from .fingerprints import Fingerprint

    Floats = NDArray[np.float32]
from .whitening import COARSE, Metric, coarse_views, cosines, halved, in_all_poses, unit_cosines

_SEARCHED = 96  # whitened dimensions used to find candidates
_COLUMNS = 4096  # images of the index in one product
_BLOCK_PX = 16
_LEAST_BLOCKS = 7
_LEAST_SHARED = 0.55  # of the image; less is an overlap, not a copy
_STRANGE_SHAPE = 0.45  # after the first laying; 199 of 200 real copies reach 0.56, nine of ten strangers do not
_DOUBTFUL = (0.40, 0.90)

POSES = (
    "as it is", "flipped top to bottom", "flipped left to right", "turned by a half",
    "flipped about a diagonal", "turned by a quarter", "turned by a quarter", "flipped about the other diagonal",
)  # fmt: skip
_TURNS_DEG = (0.0, -6.0, 6.0, -12.0, 12.0)
_ZOOM = 0.92  # the centre and four corners of this share of the side stand for all small crops


@dataclass(frozen=True)
class Agreement:
    """Outcome of laying one image on another: ``score`` up to 1, and the pose that the first had to take."""

    score: float
    pose: str


class CandidateSearch:
    """Nearest images over eight poses, small turns and small crops, by exhaustive products in blocks."""

    def __init__(self, fingerprints: Sequence[Fingerprint], metric: Metric) -> None:
        self._fingerprints, self._metric = fingerprints, metric
        blocks = [fingerprints[start : start + 512] for start in range(0, len(fingerprints), 512)]
        self._index = np.concatenate([metric.embed(unit_cosines(coarse_views(block)), _SEARCHED) for block in blocks])

    def nearest(self, start: int, stop: int, count: int) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
        """Candidates of images start..stop: (B, count) their numbers, scores and trials, the best first."""
        queries = self._queries(start, stop)
        best = np.full((stop - start, len(self._index)), -1.0, dtype=np.float32)
        for poses in queries.reshape(-1, 8, *queries.shape[1:]):
            for column in range(0, len(self._index), _COLUMNS):
                some = self._index[column : column + _COLUMNS]
                scores = (poses.reshape(-1, _SEARCHED) @ some.T).reshape(8, stop - start, len(some))
                target = best[:, column : column + _COLUMNS]
                np.maximum(target, scores.max(axis=0), out=target)
        best[np.arange(stop - start), np.arange(start, stop)] = -2.0
        count = min(count, len(self._index) - 1)
        near = np.argpartition(-best, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(near, np.argsort(-np.take_along_axis(best, near, 1), axis=1), 1)
        trials = np.einsum("tbd,bkd->tbk", queries, self._index[near]).argmax(axis=0)
        return near.astype(np.int64), np.take_along_axis(best, near, 1), trials.astype(np.int64)

    def _queries(self, start: int, stop: int) -> Floats:
        """(80, B, _SEARCHED): every turn and crop in every pose. One product, for a loaded machine stalls at each."""
        views = coarse_views(self._fingerprints[start:stop])
        poses = [
            in_all_poses(cosines(np.array([laid(view, matrix, COARSE) for view in views])))
            for matrix, _ in _HYPOTHESES[::8]
        ]
        return self._metric.embed(np.concatenate(poses), _SEARCHED)


def comparer(
    fingerprints: Sequence[Fingerprint], metric: Metric, *, cached: int = 256
) -> Callable[[int, int, int], Agreement]:
    """A function ``(first, second, trial) -> Agreement`` that lays the first image on the second.

    trial: number of the turn, crop and pose to start from, as CandidateSearch gives it. ``kept`` prepared images
    (0.3 MB each) are held. The score is the mean of three correlations: whitened coarse shape, fine detail, and the
    middle one of the fine blocks, so neither one strong edge nor a common outline can carry a pair alone.
    """

    @lru_cache(maxsize=cached)
    def prepared(number: int) -> _Prepared:
        return _prepare(fingerprints[number])

    def compare(first: int, second: int, trial: int) -> Agreement:
        matrix, pose = _HYPOTHESES[trial]
        return Agreement(_agreement(prepared(first), prepared(second), matrix, metric), pose)

    return compare


@dataclass(frozen=True, eq=False)
class _Prepared:
    view: Floats  # (SIDE, SIDE)
    fine: Floats  # (SIDE, SIDE), structures of a few pixels
    fine_energy: Floats  # (SIDE, SIDE), 0 where clipped or empty, 1 where there is something to compare
    coarse: Floats  # (COARSE, COARSE)
    coarse_energy: Floats
    detail: NDArray[np.int8] | None


def _prepare(fingerprint: Fingerprint) -> _Prepared:
    import cv2

    view = fingerprint.view.astype(np.float32) / np.float32(STEPS_PER_UNIT)
    smooth = np.asarray(cv2.GaussianBlur(view, (0, 0), 0.7), dtype=np.float32)
    detail = smooth - cv2.GaussianBlur(smooth, (0, 0), 3.0)
    variance = np.asarray(cv2.GaussianBlur(detail * detail, (0, 0), 4.0), dtype=np.float32)
    fine = (detail / np.sqrt(variance + np.float32(0.05**2))).astype(np.float32)
    return _Prepared(view, fine, _energy(fine, 4.0), halved(view), halved(_energy(view, 6.0)), fingerprint.detail)


def _energy(view: Floats, reach_px: float) -> Floats:
    import cv2

    local = np.asarray(cv2.GaussianBlur(view * view, (0, 0), reach_px), dtype=np.float32)
    return np.asarray(np.minimum(4 * local, 1), dtype=np.float32)


def _agreement(first: _Prepared, second: _Prepared, matrix: Floats, metric: Metric) -> float:
    """Mean of the three correlations; what is plainly strange or plainly the same is not laid a second time."""
    matrix = refined(first.coarse, second.coarse, matrix, steps=30)
    shape = _shape_correlation(first, second, matrix, metric)
    if shape < _STRANGE_SHAPE:
        return shape / 3
    wide = rescaled(matrix, 2.0)
    score = (shape + sum(_fine_correlations(first, second, wide))) / 3
    if _DOUBTFUL[0] < score < _DOUBTFUL[1]:
        wide = refined(first.view, second.view, wide, steps=10)
        shape = _shape_correlation(first, second, rescaled(wide, 0.5), metric)
        score = max(score, (shape + sum(_fine_correlations(first, second, wide))) / 3)
    if score > _STRANGE_SHAPE and is_strange(first.detail, second.detail, rescaled(wide, DETAIL_SIDE / SIDE)):
        return score / 3
    return score


def _shape_correlation(first: _Prepared, second: _Prepared, matrix: Floats, metric: Metric) -> float:
    """Whitened correlation of the coarse views where both show something; 0 when they share too little."""
    covered = inside(matrix, COARSE)
    if covered.mean() < _LEAST_SHARED:
        return 0.0
    weight = laid(first.coarse_energy, matrix, COARSE) * second.coarse_energy * covered
    pair = np.array([laid(first.coarse, matrix, COARSE) * weight, second.coarse * weight])
    one, two = metric.embed(unit_cosines(pair))
    return float(one @ two)


def _fine_correlations(first: _Prepared, second: _Prepared, matrix: Floats) -> tuple[float, float]:
    """Weighted correlation of all fine detail, and the median over 16 px blocks at least a quarter informative."""
    moved = laid(first.fine, matrix, SIDE)
    weight = laid(first.fine_energy, matrix, SIDE) * second.fine_energy * inside(matrix, SIDE)
    weighted = moved * weight
    product, one, two, mass = (
        _block_means(part) for part in (weighted * second.fine, weighted * moved, weight * second.fine**2, weight)
    )
    overall = product.sum() / np.sqrt(one.sum() * two.sum() + 1e-9)
    informative = mass > 0.25
    if informative.sum() < _LEAST_BLOCKS:
        return float(overall), 0.0
    return float(overall), float(np.median(product[informative] / np.sqrt(one[informative] * two[informative] + 1e-9)))


def _block_means(view: Floats) -> NDArray[np.float64]:
    import cv2

    blocks = SIDE // _BLOCK_PX
    return cv2.resize(view, (blocks, blocks), interpolation=cv2.INTER_AREA).astype(np.float64)


def _hypotheses() -> list[tuple[Floats, str]]:
    """Every turn and crop in every pose: maps from the pixels of the other image to those of the query."""
    found: list[tuple[Floats, str]] = []
    for linear, offset in _turns_and_crops():
        for swap in (False, True):
            for flip_x, flip_y in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                pose = np.array([[0, flip_y], [flip_x, 0]] if swap else [[flip_x, 0], [0, flip_y]], dtype=np.float64)
                found.append((_centred(linear @ pose, offset), POSES[len(found) % 8]))
    return found


def _turns_and_crops() -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    radians = np.deg2rad(_TURNS_DEG)
    turns = [(np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]), np.zeros(2)) for t in radians]
    reach = (1 - _ZOOM) / 2 * COARSE
    places = [(0, 0), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    return turns + [(_ZOOM * np.eye(2), reach * np.array(direction, dtype=np.float64)) for direction in places]


def _centred(linear: NDArray[np.float64], offset: NDArray[np.float64]) -> Floats:
    centre = np.full(2, (COARSE - 1) / 2)
    return np.hstack([linear, (centre + offset - linear @ centre)[:, None]]).astype(np.float32)


_HYPOTHESES = _hypotheses()
