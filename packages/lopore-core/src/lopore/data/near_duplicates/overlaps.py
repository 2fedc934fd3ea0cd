"""Windows and crops of one image: pairs that share a part, found by keypoints and proved by grain.

Two windows of one film share half of what they show, a crop less. Keypoints of all images are sorted into cells of
like ones and matched within a cell; matches that agree on one shift, scale and pose (cuts are upright, mirrored or
turned by quarters) make a candidate. Lead letters and seams are alike on many films, so a candidate counts only if
the detail of the whole shared part agrees, block by block, where either image shows any that has no one direction:
edges of seams agree with each other wherever they are laid, and letters stand in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lopore.cores import available_cores

from .detail import DETAIL_SIDE, is_strange
from .fingerprints import SIDE, STEPS_PER_UNIT
from .laying import inside, laid, refined, rescaled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .fingerprints import Fingerprint
    from .keypoints import Keypoints

    Floats = NDArray[np.float32]
from .keypoint_matches import LEAST_INLIERS, Candidate, find_candidates

_STRAIGHT_DEG = 13.0
_SCALES = (0.4, 2.5)
_REACH_PX = 3.0
_BLOCK_PX = 16
_DETAIL = 0.12  # of a local standard deviation: what a block must hold to say anything
_LEAST_BLOCKS = 6
_ONE_WAY = 0.25
"""Least share of the weaker direction in the gradients of a block, to the stronger one; less is an edge."""
_LEAST_EXTENT = 0.8
"""Standard deviation, in blocks, of the places that agree, across their longer axis: what one line does not reach."""
_LEAST_SHARED = 0.3
_AGREES = 0.35
_LAID_AT_ONCE = 32  # candidates: few, since a pair that joins two families spares their other pairs


class Overlap(NamedTuple):
    """Two images that show one place. first < second. shared: part of the one that shows less beside it.

    score: lower quartile of the agreement of the shared blocks, or half the share of
    matches that agree, up to 1. sure: whether one such pair is proof enough.
    """

    first: int
    second: int
    shared: float
    score: float
    sure: bool


def find_overlaps(
    fingerprints: Sequence[Fingerprint],
    same: Callable[[int, int], bool],
    progress: Callable[[float], None] = lambda share: None,
) -> Iterator[Overlap]:
    """Pairs that share a part, those with most matches first.

    same: asked before a pair is laid together, whether both are known to be one family already; such pairs are passed
    over, so that 100 windows of one film cost 100 comparisons. progress: called with the share of the work done.
    """
    candidates = find_candidates([one.keypoints for one in fingerprints], progress)
    with ThreadPoolExecutor(min(8, available_cores())) as pool:
        for start in range(0, len(candidates), _LAID_AT_ONCE):
            some = [one for one in candidates[start : start + _LAID_AT_ONCE] if not same(one.first, one.second)]
            pairs = [(fingerprints[one.first], fingerprints[one.second]) for one in some]
            proofs = pool.map(lambda pair, one: _proved(pair[0], pair[1], one), pairs, some)
            for one, found in zip(some, proofs, strict=True):
                if found is not None and not same(one.first, one.second):
                    yield Overlap(min(one.first, one.second), max(one.first, one.second), *found)
            progress(0.5 + 0.5 * min(1.0, (start + _LAID_AT_ONCE) / len(candidates)))


@dataclass(frozen=True, eq=False)
class _Fit:
    """A map from the second view's pixels to the first's. inliers: matches that follow it, ratio: of all, spread: of
    the first image that they span."""

    matrix: Floats
    inliers: int
    ratio: float
    spread: float


def _proved(first: Fingerprint, second: Fingerprint, one: Candidate) -> tuple[float, float, bool] | None:
    """(shared part, score, sure) where the images agree in what they share; None where they do not."""
    fit = _aligned(first.keypoints, second.keypoints, one)
    if fit is None:
        return None
    views = [each.view.astype(np.float32) / np.float32(STEPS_PER_UNIT) for each in (first, second)]
    matrix = refined(views[0], views[1], fit.matrix, steps=10)
    cover = inside(matrix, SIDE)
    linear = matrix[:, :2].astype(np.float64)
    shared = float(cover.mean() * max(1.0, abs(np.linalg.det(linear))))
    if shared < _LEAST_SHARED:
        return None
    blocks = _block_agreement(laid(views[0], matrix, SIDE), views[1], cover)
    if not len(blocks.agreement):
        return None
    # Grain fades where a crop was enlarged; then matches that nearly all agree, over much of the image, stand for it.
    wide = fit.spread >= (0.11 if fit.ratio > 0.95 and fit.inliers >= 12 else 0.15)
    matched = fit.inliers >= 8 and fit.ratio >= 0.6 and wide and float((blocks.agreement > _AGREES).mean()) >= 0.2
    agreement = blocks.agreement[blocks.two_way]
    enough = len(agreement) >= _LEAST_BLOCKS and blocks.extent >= _LEAST_EXTENT
    agreeing, low = (float((agreement > _AGREES).mean()), float(np.percentile(agreement, 25))) if enough else (0.0, 0.0)
    grained = agreeing >= 0.65 and low >= 0.45 and (fit.ratio >= 0.3 or low >= 0.7)
    if not matched and not grained:
        return None
    if is_strange(first.detail, second.detail, rescaled(matrix, DETAIL_SIDE / SIDE)):
        return None
    sure = fit.inliers >= 10 and (matched or (agreeing >= 0.9 and low >= 0.5 and len(agreement) >= 2 * _LEAST_BLOCKS))
    return shared, max(low, fit.ratio / 2 if matched else 0.0), sure


def _aligned(first: Keypoints, second: Keypoints, one: Candidate) -> _Fit | None:
    """The map that most matches follow, where it is one that a cut, a copy or a small turn makes."""
    import cv2

    height, places = first.shape[0], first.places[one.pairs[:, 0]].astype(np.float64)
    if one.flipped:
        places = np.column_stack([places[:, 0], height - 1 - places[:, 1]])
    fit, followed = cv2.estimateAffinePartial2D(
        places, second.places[one.pairs[:, 1]].astype(np.float64),
        method=cv2.RANSAC, ransacReprojThreshold=_REACH_PX, maxIters=300,
    )  # fmt: skip
    inliers = int(followed.sum()) if fit is not None else 0
    ratio = inliers / len(places)
    if fit is None or inliers < LEAST_INLIERS - (ratio > 0.9):
        return None
    rotation_deg = np.rad2deg(np.arctan2(fit[1, 0], fit[0, 0]))
    scale = float(np.hypot(fit[0, 0], fit[1, 0]))
    if abs((rotation_deg + 45) % 90 - 45) > _STRAIGHT_DEG or not _SCALES[0] < scale < _SCALES[1]:
        return None
    hull = cv2.convexHull(places[followed.ravel() > 0].astype(np.float32))
    spread = float(cv2.contourArea(hull)) / (first.shape[0] * first.shape[1])
    square = np.vstack([fit, [0, 0, 1]])
    if one.flipped:
        square = square @ np.array([[1.0, 0, 0], [0, -1, height - 1], [0, 0, 1]])
    to_view = _to_view(second.shape) @ square @ np.linalg.inv(_to_view(first.shape))
    return _Fit(np.linalg.inv(to_view)[:2].astype(np.float32), inliers, ratio, spread)


def _to_view(shape: tuple[int, int]) -> NDArray[np.float64]:
    """From pixels of the reduced image to those of the square view, centres at whole numbers."""
    (height, width) = shape
    down, across = SIDE / height, SIDE / width
    return np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1.0]])


@dataclass(frozen=True, eq=False)
class _Blocks:
    """Shared blocks of 16 px where either image shows detail.

    agreement: (n,) correlation of the detail. two_way: (n,) those that are more than an edge. extent: of the two-way
    blocks that agree, see ``_LEAST_EXTENT``; 0 of fewer than three.
    """

    agreement: NDArray[np.float64]
    two_way: NDArray[np.bool_]
    extent: float


def _block_agreement(first: Floats, second: Floats, cover: Floats) -> _Blocks:
    import cv2

    def detail(view: Floats) -> Floats:
        smooth = np.asarray(cv2.GaussianBlur(view, (0, 0), 0.7), np.float32)
        return np.asarray((smooth - cv2.GaussianBlur(smooth, (0, 0), 3.0)) * cover, np.float32)

    one, two = detail(first), detail(second)
    own, other = _block_means(one * one) - _block_means(one) ** 2, _block_means(two * two) - _block_means(two) ** 2
    informative = (_block_means(cover) > 0.95) & (np.maximum(own, other) > _DETAIL**2)
    product = _block_means(one * two) - _block_means(one) * _block_means(two)
    agreement = product / np.sqrt(np.maximum(own * other, 1e-8))
    two_way = np.minimum(_evenness(one), _evenness(two)) > _ONE_WAY
    places = np.array(np.nonzero(informative & two_way & (agreement > _AGREES)), np.float64)
    extent = np.sqrt(max(0.0, float(np.linalg.eigvalsh(np.cov(places))[0]))) if places.shape[1] > 2 else 0.0
    return _Blocks(np.asarray(agreement[informative]), np.asarray(two_way[informative]), float(extent))


def _evenness(detail: Floats) -> NDArray[np.float64]:
    """(8, 8) weaker to stronger direction of the gradients of each block, by the structure tensor: 0 at an edge."""
    import cv2

    across, down = (cv2.Sobel(detail, cv2.CV_32F, *order, ksize=3) for order in ((1, 0), (0, 1)))
    xx, xy, yy = (_block_means(part) for part in (across * across, across * down, down * down))
    total, split = xx + yy, np.sqrt((xx - yy) ** 2 + 4 * xy * xy)
    return np.asarray((total - split) / (total + split + 1e-9))


def _block_means(view: Floats) -> NDArray[np.float64]:
    import cv2

    blocks = SIDE // _BLOCK_PX
    return cv2.resize(view, (blocks, blocks), interpolation=cv2.INTER_AREA).astype(np.float64)
