"""Keypoints of different images that are alike: sorted into cells, matched within a cell, voted to candidates."""

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

DESCRIPTOR_DIMENSIONS = 40  # principal components of a descriptor
_SAMPLE = 40_000
LIKE_COSINE = 0.86  # cosine of two kept descriptors that may be one place
_LARGEST_CELL = 1500
_PROBED = 2
_BEST_MATCHES = 6  # of one keypoint
_LEAST_VOTES, LEAST_INLIERS = 4, 5
_TRIED = 6  # candidates of one image
_QUARTER_LEEWAY_DEG = 15.0


@dataclass(frozen=True, eq=False)
class Candidate:
    """``pairs``: (m, 2) keypoints of first and second that match; ``flipped``: first was flipped top to bottom."""

    first: int
    second: int
    flipped: bool
    pairs: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Matches:
    """Columns of equal length: keypoint of the query, keypoint found, whether the query was mirrored, their cosine."""

    query: NDArray[np.int64]
    found: NDArray[np.int64]
    flipped: NDArray[np.bool_]
    cosine: Floats


def find_candidates(keypoints: Sequence[Keypoints], progress: Callable[[float], None]) -> list[Candidate]:
    counts = np.array([len(one) for one in keypoints])
    if (counts >= LEAST_INLIERS).sum() < 2:
        return []
    owner = np.repeat(np.arange(len(keypoints), dtype=np.int32), counts)
    matches = _matches(keypoints, owner, progress)
    sizes = np.concatenate([one.sizes for one in keypoints])
    angles = np.concatenate([one.angles for one in keypoints])
    rotation = np.where(matches.flipped, -angles[matches.query], angles[matches.query]) - angles[matches.found]
    straight = np.abs((rotation + 45) % 90 - 45) < _QUARTER_LEEWAY_DEG
    quarter = np.round(rotation / 90).astype(np.int64) % 4
    octaves = sizes[matches.query] - sizes[matches.found]
    pose = quarter * 2 + matches.flipped
    starts = np.r_[0, np.cumsum(counts)]
    found = _voted(owner[matches.query], owner[matches.found], pose, octaves, straight)
    return [
        Candidate(
            first, second, bool(chosen_pose & 1),
            np.column_stack([matches.query[rows] - starts[first], matches.found[rows] - starts[second]]),
        )
        for first, second, chosen_pose, rows in found
    ]  # fmt: skip


def _voted(
    query: NDArray[np.int32], found: NDArray[np.int32], pose: NDArray[np.int64], octaves: Floats,
    straight: NDArray[np.bool_],
) -> list[tuple[int, int, int, NDArray[np.int64]]]:  # fmt: skip
    """(first, second, pose, rows of the matches) of the best voted candidates of each image, most votes first."""
    rows = np.flatnonzero(straight & (np.abs(octaves) < 2))
    best: dict[tuple[int, int], tuple[int, int, NDArray[np.int64]]] = {}
    for shift in (0.0, 0.5):
        size = np.floor(octaves[rows] + shift + 4).astype(np.int64)
        key = (
            (query[rows].astype(np.int64) * (int(found.max(initial=0)) + 1) + found[rows]) * 8 + pose[rows]
        ) * 8 + size
        order = np.argsort(key, kind="stable")
        edges = np.flatnonzero(np.r_[True, np.diff(key[order]) != 0, True])
        for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if stop - start >= _LEAST_VOTES:
                members = rows[order[start:stop]]
                pair = (int(query[members[0]]), int(found[members[0]]))
                if pair not in best or best[pair][0] < stop - start:
                    best[pair] = (stop - start, int(pose[members[0]]), members)
    tried: dict[int, int] = {}
    chosen_rows = []
    for (first, second), (_, chosen, members) in sorted(best.items(), key=lambda item: (-item[1][0], item[0])):
        if tried.get(first, 0) < _TRIED:
            tried[first] = tried.get(first, 0) + 1
            chosen_rows.append((first, second, chosen, members))
    return chosen_rows


def _matches(keypoints: Sequence[Keypoints], owner: NDArray[np.int32], progress: Callable[[float], None]) -> _Matches:
    """Like keypoints of different images, cell by cell."""
    projection = _projection(keypoints)
    vectors = _projected(keypoints, projection, flip=False)
    flipped = _projected(keypoints, projection, flip=True)
    centres = _centres(vectors)
    homes = _nearest_cells(vectors, centres, 1)[:, 0]
    order = np.argsort(homes, kind="stable")
    bounds = np.searchsorted(homes[order], np.arange(len(centres) + 1))
    parts: list[tuple[NDArray[np.int64], NDArray[np.int64], Floats, bool]] = []
    for rotation, (queries, is_flipped) in enumerate(((vectors, False), (flipped, True))):
        probes = _nearest_cells(queries, centres, min(_PROBED, len(centres)))
        asking = np.argsort(probes.ravel(), kind="stable")
        edges = np.searchsorted(probes.ravel()[asking], np.arange(len(centres) + 1))
        askers = (asking[edges[cell] : edges[cell + 1]] // probes.shape[1] for cell in range(len(centres)))
        members = (order[bounds[cell] : bounds[cell + 1]] for cell in range(len(centres)))
        alike = partial(_alike, queries, vectors, owner)
        with ThreadPoolExecutor(available_cores()) as pool:
            for cell, found in enumerate(pool.map(alike, askers, members), start=1):
                parts += [(*one, is_flipped) for one in found]
                progress((rotation + cell / len(centres)) / 4)
    return _best_of_each(parts)


def _alike(
    queries: NDArray[np.float16], vectors: NDArray[np.float16], owner: NDArray[np.int32], askers: NDArray[np.int64],
    members: NDArray[np.int64],
) -> list[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]:  # fmt: skip
    """(query, found, cosine) of the pairs of one cell that are alike, in pieces that fit memory."""
    stored = vectors[members].astype(np.float32)
    found = []
    for start in range(0, len(askers), 2048):
        some = askers[start : start + 2048]
        cosines = queries[some].astype(np.float32) @ stored.T
        over = cosines > LIKE_COSINE
        over &= owner[some][:, None] != owner[members][None, :]
        one, other = _chosen(cosines, over)
        found.append((some[one], members[other], cosines[one, other]))
    return found


def _chosen(cosines: Floats, over: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of ``over``; of a row the best few where all images share a place, such as a lead letter."""
    if over.shape[1] > 4 * _BEST_MATCHES and np.count_nonzero(over) > 4 * _BEST_MATCHES * len(over):
        few = np.argpartition(np.where(over, -cosines, np.float32(1)), _BEST_MATCHES, axis=1)[:, :_BEST_MATCHES]
        rows, places = np.nonzero(np.take_along_axis(over, few, 1))
        return rows, few[rows, places]
    rows, columns = np.divmod(np.flatnonzero(over), over.shape[1])
    return rows, columns


def _best_of_each(parts: Sequence[tuple[NDArray[np.int64], NDArray[np.int64], Floats, bool]]) -> _Matches:
    query, found, cosine = (np.concatenate([part[column] for part in parts]) for column in (0, 1, 2))
    flipped = np.concatenate([np.full(len(part[0]), part[3]) for part in parts])
    key = query * 2 + flipped
    order = np.lexsort((-cosine, key))
    firsts = np.flatnonzero(np.r_[True, np.diff(key[order]) != 0])
    rank = np.arange(len(order)) - np.repeat(firsts, np.diff(np.r_[firsts, len(order)]))
    # Two probes may meet one member once each only, so a match stands here once.
    chosen_rows = order[rank < _BEST_MATCHES]
    return _Matches(query[chosen_rows], found[chosen_rows], flipped[chosen_rows], cosine[chosen_rows])


def _rooted(descriptors: NDArray[np.uint8]) -> Floats:
    """Unit vectors whose product is the Hellinger kernel (RootSIFT: Arandjelovic and Zisserman, CVPR 2012)."""
    values = descriptors.astype(np.float32)
    return np.asarray(np.sqrt(values / (values.sum(axis=1, keepdims=True) + np.float32(1e-6))), np.float32)


def _projection(keypoints: Sequence[Keypoints]) -> tuple[Floats, Floats]:
    """Mean and principal axes (128, 40) of a sample of the descriptors."""
    total = sum(len(one) for one in keypoints)
    step = max(1, total // _SAMPLE)
    sample = _rooted(np.concatenate([one.descriptors for one in keypoints])[::step])
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


def _nearest_cells(vectors: NDArray[np.floating], centres: Floats, count: int) -> NDArray[np.int64]:
    """(n, count) the nearest cells of each vector, in no order."""
    found = np.zeros((len(vectors), count), np.int64)
    for start in range(0, len(vectors), 4096):
        cosines = vectors[start : start + 4096].astype(np.float32) @ centres.T
        few = cosines.argmax(axis=1)[:, None] if count == 1 else np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        found[start : start + 4096] = few
    return found
