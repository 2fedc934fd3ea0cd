"""The keypoints of other images that each keypoint of a set is most like: sorted into cells, compared within a cell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lopore.cores import available_cores

from .keypoints import LENGTH, mirrored

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .keypoints import Keypoints

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

DESCRIPTOR_DIMENSIONS = 40  # principal components of a descriptor
LIKE_COSINE = 0.86  # cosine of two kept descriptors that may be one place
BEST_MATCHES = 6  # of one keypoint
_SAMPLE = 40_000
_LARGEST_CELL = 1500
_PROBED = 2
_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class LikeKeypoints:
    """The most alike of other images, of each of n keypoints, the best first.

    found: (n, 6) int32, -1 where fewer are alike. cosine: (n, 6) float32, 0 there. A set of 24 000 images takes
    200 MB, however many of its images show one place.
    """

    found: NDArray[np.int32]
    cosine: Floats

    @classmethod
    def none(cls, count: int) -> LikeKeypoints:
        shape = (count, BEST_MATCHES)
        return cls(np.full(shape, -1, np.int32), np.zeros(shape, np.float32))

    def add(self, numbers: Ints, rows: Ints, found: Ints, cosine: Floats) -> None:
        """Keep the best of what is held and what a cell adds.

        numbers: keypoints that asked. rows: places among them, ascending, each 6 times at most. found, cosine: of rows.
        """
        asked, begins = np.unique(rows, return_index=True)
        lengths = np.diff(np.r_[begins, len(rows)])
        line, place = np.repeat(np.arange(len(asked)), lengths), np.arange(len(rows)) - np.repeat(begins, lengths)
        fresh = LikeKeypoints.none(len(asked))
        fresh.found[line, place], fresh.cosine[line, place] = found, cosine
        own = numbers[asked]
        cosines = np.hstack([self.cosine[own], fresh.cosine])
        best = np.argsort(-cosines, axis=1, kind="stable")[:, :BEST_MATCHES]
        self.cosine[own] = np.take_along_axis(cosines, best, 1)
        self.found[own] = np.take_along_axis(np.hstack([self.found[own], fresh.found]), best, 1)


def like_keypoints(
    keypoints: Sequence[Keypoints], owner: NDArray[np.int32], progress: Callable[[float], None]
) -> tuple[LikeKeypoints, LikeKeypoints]:
    """What is most like each keypoint of all images, as it is and flipped top to bottom.

    owner: (n,) the image of each keypoint; two of one image are never alike. progress: called with the share done.
    """
    projection = _projection(keypoints)
    vectors = _projected(keypoints, projection, flip=False)
    centres = _centres(vectors)
    probes = _nearest_cells(vectors, centres, _PROBED)
    order = np.argsort(probes[:, 0], kind="stable")
    bounds = np.searchsorted(probes[order, 0], np.arange(len(centres) + 1))
    members = [order[bounds[cell] : bounds[cell + 1]] for cell in range(len(centres))]
    upright = _searched(partial(_alike, vectors, vectors, owner), probes, members, lambda share: progress(share / 2))
    flipped = _projected(keypoints, projection, flip=True)
    probes = _nearest_cells(flipped, centres, _PROBED)
    alike = partial(_alike, flipped, vectors, owner)
    return upright, _searched(alike, probes, members, lambda share: progress((1 + share) / 2))


def _searched(
    alike: Callable[[Ints, Ints], tuple[Ints, Ints, Floats]], probes: Ints, members: Sequence[Ints],
    progress: Callable[[float], None],
) -> LikeKeypoints:  # fmt: skip
    asking = np.argsort(probes.ravel(), kind="stable")
    edges = np.searchsorted(probes.ravel()[asking], np.arange(len(members) + 1))
    asking //= probes.shape[1]
    askers = [asking[edges[cell] : edges[cell + 1]] for cell in range(len(members))]
    best = LikeKeypoints.none(len(probes))
    with ThreadPoolExecutor(available_cores()) as pool:
        for cell, found in enumerate(pool.map(alike, askers, members)):
            best.add(askers[cell], *found)
            progress((cell + 1) / len(members))
    return best


def _alike(
    queries: NDArray[np.float16], vectors: NDArray[np.float16], owner: NDArray[np.int32], askers: Ints, members: Ints
) -> tuple[Ints, Ints, Floats]:
    """(place among askers, keypoint found, cosine) of the best pairs of one cell that are alike."""
    stored = vectors[members].astype(np.float32)
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))]
    for start in range(0, len(askers), _AT_ONCE):
        some = askers[start : start + _AT_ONCE]
        cosines = queries[some].astype(np.float32) @ stored.T
        over = cosines > LIKE_COSINE
        over &= owner[some][:, None] != owner[members][None, :]
        _keep_best(cosines, over)
        rows, columns = np.divmod(np.flatnonzero(over), max(1, len(members)))
        parts.append((start + rows, members[columns], cosines[rows, columns]))
    rows, found, cosine = (np.concatenate([part[column] for part in parts]) for column in (0, 1, 2))
    return rows, found, cosine


def _keep_best(cosines: Floats, over: NDArray[np.bool_]) -> None:
    """Of a row of ``over`` the best few where many images share a place, such as a lead letter."""
    many = np.flatnonzero(np.count_nonzero(over, axis=1) > BEST_MATCHES)
    if len(many):
        few = np.argpartition(np.where(over[many], -cosines[many], np.float32(1)), BEST_MATCHES, axis=1)
        over[many] = False
        over[many[:, None], few[:, :BEST_MATCHES]] = True


def _rooted(descriptors: NDArray[np.uint8]) -> Floats:
    """Unit vectors whose product is the Hellinger kernel (RootSIFT: Arandjelovic and Zisserman, CVPR 2012)."""
    values = descriptors.astype(np.float32)
    return np.asarray(np.sqrt(values / (values.sum(axis=1, keepdims=True) + np.float32(1e-6))), np.float32)


def _projection(keypoints: Sequence[Keypoints]) -> tuple[Floats, Floats]:
    """Mean and principal axes (128, 40) of a sample of the descriptors."""
    ends = np.cumsum([len(one) for one in keypoints]).tolist()
    step = max(1, ends[-1] // _SAMPLE)
    drawn = [one.descriptors[(len(one) - end) % step :: step] for one, end in zip(keypoints, ends, strict=True)]
    sample = _rooted(np.concatenate(drawn))
    mean = sample.mean(axis=0)
    centred = sample - mean
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1]
    return mean, np.ascontiguousarray(axes[:, : min(DESCRIPTOR_DIMENSIONS, LENGTH)]).astype(np.float32)


def _projected(keypoints: Sequence[Keypoints], projection: tuple[Floats, Floats], *, flip: bool) -> NDArray[np.float16]:
    parts = []
    for start in range(0, len(keypoints), 512):
        rooted = _rooted(np.concatenate([one.descriptors for one in keypoints[start : start + 512]]))
        vectors = (mirrored(rooted) if flip else rooted) - projection[0]
        vectors = vectors @ projection[1]
        parts.append((vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-6)).astype(np.float16))
    return np.concatenate(parts)


def _centres(vectors: NDArray[np.float16]) -> Floats:
    """Centres of cells of about ``_LARGEST_CELL`` vectors, by a few rounds of k-means on a sample."""
    count = max(1, len(vectors) // _LARGEST_CELL)
    rng = np.random.default_rng(len(vectors))
    sample = vectors[rng.permutation(len(vectors))[: 60 * count]].astype(np.float32)
    centres = sample[:count].copy()
    for _ in range(5 if count > 1 else 0):
        homes = _nearest_cells(sample, centres, 1)[:, 0]
        sums = np.zeros_like(centres)
        np.add.at(sums, homes, sample)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-6), centres)
    return centres


def _nearest_cells(vectors: NDArray[np.floating], centres: Floats, count: int) -> Ints:
    """(n, count) the nearest cells of each vector, the nearest first; fewer where there are fewer centres."""
    count = min(count, len(centres))

    def nearest(start: int) -> Ints:
        cosines = vectors[start : start + _AT_ONCE].astype(np.float32) @ centres.T
        lines, found = np.arange(len(cosines)), []
        for _ in range(count):  # a maximum each costs a tenth of a partial sort
            found.append(cosines.argmax(axis=1))
            cosines[lines, found[-1]] = -2.0
        return np.column_stack(found)

    with ThreadPoolExecutor(available_cores()) as pool:
        return np.concatenate(list(pool.map(nearest, range(0, len(vectors), _AT_ONCE))))
