"""Windows and crops of one image: pairs that share a part, found by keypoints and proved by grain.

Two windows of one film share half of what they show, a crop less. Keypoints of all images are sorted into cells of
like ones and matched within a cell; matches that agree on one shift, scale and pose (cuts are upright, mirrored or
turned by quarters) make a candidate. Lead letters and seams are alike on many films, so a candidate counts only if
the detail of the whole shared part agrees, block by block, where either image shows any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

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
_LEAST_SHARED = 0.3
_AGREES = 0.35


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
    keypoints = [one.keypoints for one in fingerprints]
    candidates = find_candidates(keypoints, progress)
    for number, one in enumerate(candidates):
        if not same(one.first, one.second):
            found = _proved(fingerprints[one.first], fingerprints[one.second], one)
            if found is not None:
                yield Overlap(min(one.first, one.second), max(one.first, one.second), *found)
        progress(0.5 + 0.5 * (number + 1) / len(candidates))


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
    agreement = _block_agreement(laid(views[0], matrix, SIDE), views[1], cover)
    if not len(agreement):
        return None
    agreeing, low = float((agreement > _AGREES).mean()), float(np.percentile(agreement, 25))
    # Grain fades where a crop was enlarged; then matches that nearly all agree, over much of the image, stand for it.
    wide = fit.spread >= (0.05 if fit.ratio > 0.95 and fit.inliers >= 12 else 0.15)
    matched = fit.inliers >= 8 and fit.ratio >= 0.6 and wide and agreeing >= 0.2
    grained = len(agreement) >= _LEAST_BLOCKS and agreeing >= 0.65 and low >= 0.25 and (fit.ratio >= 0.3 or low >= 0.7)
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


def _block_agreement(first: Floats, second: Floats, cover: Floats) -> NDArray[np.float64]:
    """Correlation of the detail in each shared block of 16 px where either image shows any."""
    import cv2

    def detail(view: Floats) -> Floats:
        smooth = np.asarray(cv2.GaussianBlur(view, (0, 0), 0.7), np.float32)
        return np.asarray((smooth - cv2.GaussianBlur(smooth, (0, 0), 3.0)) * cover, np.float32)

    def mean(view: Floats) -> NDArray[np.float64]:
        blocks = SIDE // _BLOCK_PX
        return cv2.resize(view, (blocks, blocks), interpolation=cv2.INTER_AREA).astype(np.float64)

    one, two = detail(first), detail(second)
    own, other, both = mean(one * one) - mean(one) ** 2, mean(two * two) - mean(two) ** 2, mean(one * two)
    informative = (mean(cover) > 0.95) & (np.maximum(own, other) > _DETAIL**2)
    product = both - mean(one) * mean(two)
    return np.asarray((product / np.sqrt(np.maximum(own * other, 1e-8)))[informative])
