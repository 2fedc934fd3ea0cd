"""Pairs of images whose like keypoints agree on one pose and size: candidates for a shared part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .like_keypoints import LikeKeypoints, like_keypoints

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .keypoints import Keypoints

    Floats = NDArray[np.float32]
    Ints = NDArray[np.int64]

_LEAST_VOTES, LEAST_INLIERS = 4, 5
_TRIED = 6
"""Candidates of one image: what bounds the pairs that are laid together, however many images show one place."""
_QUARTER_LEEWAY_DEG = 15.0
_VOTED_AT_ONCE = 512  # images


@dataclass(frozen=True, eq=False)
class Candidate:
    """``pairs``: (m, 2) keypoints of first and second that match; ``flipped``: first was flipped top to bottom."""

    first: int
    second: int
    flipped: bool
    pairs: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Matches:
    """Columns of equal length. query, found: keypoints among all images; owner, other: their images; pose: quarter
    turns times 2, plus 1 where the query was mirrored; octaves: difference of the sizes."""

    query: Ints
    found: Ints
    owner: Ints
    other: Ints
    pose: Ints
    octaves: Floats


def find_candidates(keypoints: Sequence[Keypoints], progress: Callable[[float], None]) -> list[Candidate]:
    """Up to six pairs of each image that may show one place, those with most matches first.

    progress: called with the share of the work done, up to 0.5.
    """
    counts = np.array([len(one) for one in keypoints])
    if (counts >= LEAST_INLIERS).sum() < 2:
        return []
    owner = np.repeat(np.arange(len(keypoints), dtype=np.int32), counts)
    alike = like_keypoints(keypoints, owner, lambda share: progress(share / 2))
    sizes = np.concatenate([one.sizes for one in keypoints])
    angles = np.concatenate([one.angles for one in keypoints])
    starts = np.r_[0, np.cumsum(counts)]
    found: list[Candidate] = []
    for first in range(0, len(keypoints), _VOTED_AT_ONCE):
        last = min(first + _VOTED_AT_ONCE, len(keypoints))
        matches = _straight(alike, (int(starts[first]), int(starts[last])), owner, sizes, angles)
        found += _voted(matches, starts)
    return sorted(found, key=lambda one: (-len(one.pairs), one.first, one.second))


def _straight(
    alike: tuple[LikeKeypoints, LikeKeypoints], among: tuple[int, int], owner: NDArray[np.int32], sizes: Floats,
    angles: Floats,
) -> _Matches:  # fmt: skip
    """The matches of the keypoints ``among`` that turn by about quarters and less than two octaves in size."""
    begin, end = among
    parts = []
    for flipped, table in enumerate(alike):
        rows, places = np.nonzero(table.found[begin:end] >= 0)
        parts.append((begin + rows, table.found[begin:end][rows, places].astype(np.int64), np.full(len(rows), flipped)))
    query, found, mirror = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    rotation = np.where(mirror, -angles[query], angles[query]) - angles[found]
    octaves = sizes[query] - sizes[found]
    straight = (np.abs((rotation + 45) % 90 - 45) < _QUARTER_LEEWAY_DEG) & (np.abs(octaves) < 2)
    pose = (np.round(rotation / 90).astype(np.int64) % 4) * 2 + mirror
    columns = (query, found, owner[query].astype(np.int64), owner[found].astype(np.int64), pose, octaves)
    return _Matches(*(column[straight] for column in columns))


def _voted(matches: _Matches, starts: Ints) -> Iterator[Candidate]:
    """The best voted candidates of each image: most matches that agree on pose and size."""
    best: dict[tuple[int, int], Ints] = {}
    for rows in _agreeing(matches):
        pair = (int(matches.owner[rows[0]]), int(matches.other[rows[0]]))
        if pair not in best or len(best[pair]) < len(rows):
            best[pair] = rows
    tried: dict[int, int] = {}
    for (first, second), rows in sorted(best.items(), key=lambda item: (-len(item[1]), item[0])):
        if tried.get(first, 0) < _TRIED:
            tried[first] = tried.get(first, 0) + 1
            pairs = np.column_stack([matches.query[rows] - starts[first], matches.found[rows] - starts[second]])
            yield Candidate(first, second, bool(matches.pose[rows[0]] & 1), pairs)


def _agreeing(matches: _Matches) -> Iterator[Ints]:
    """Rows of matches between the same two images in one pose and about one size, where there are enough."""
    pairs = matches.owner * (int(matches.other.max(initial=0)) + 1) + matches.other
    for shift in (0.0, 0.5):
        size = np.floor(matches.octaves + shift + 4).astype(np.int64)
        key = (pairs * 8 + matches.pose) * 8 + size
        order = np.argsort(key, kind="stable")
        edges = np.flatnonzero(np.r_[True, np.diff(key[order]) != 0, True]) if len(key) else np.zeros(1, np.int64)
        for number in np.flatnonzero(np.diff(edges) >= _LEAST_VOTES).tolist():
            yield order[edges[number] : edges[number + 1]]
