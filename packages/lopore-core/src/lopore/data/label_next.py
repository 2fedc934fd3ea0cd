"""Which images to label next: those a model is unsure of, those unlike what is labelled, and no two alike.

Uncertain and unlike images make a pool; from it the one that lies farthest from all that is labelled or chosen is
taken again and again, so that a hundred films of one weld do not fill the list. Of a group (film, weld, family) at most
one is chosen, and none of a group that has a label already, while others are left.
Sources: margin sampling, Scheffer et al. (2001); farthest-first choice, Gonzalez, Theoretical Computer Science 38
(1985), as core set for labelling, Sener and Savarese, ICLR 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lopore.errors import DataError, LoporeError
from lopore.messages import counted
from lopore.reading.radiograph import read_radiograph

from .appearance import sharpness
from .scan import Stage, in_order, silent

_SIDE = 128
_POOL = 5  # times as many images as are asked for stand to choose from
_LEAST_POOL = 40
_LEAST_WEIGHT = 0.2  # of an image that is neither unsure nor unlike, beside 1.2 of one that is wholly so


@dataclass(frozen=True)
class Proposal:
    """One image to label. uncertain: 0 sure to 1 undecided, None without a model. unlike: distance to the nearest
    labelled image, in units of the usual distance between neighbours of this set; None where nothing is labelled.
    reason: for a person."""

    path: str
    group: str
    uncertain: float | None
    unlike: float | None
    reason: str


def uncertainty(scores: Mapping[str, float], threshold: float | None = None) -> float:
    """How undecided a prediction is, 0 to 1: one less the margin between the two best classes.

    scores: class -> probability. threshold: of the positive class of a binary model, where the decision turns; the
    margin then counts from it.
    """
    ranked = sorted(scores.values(), reverse=True)
    if threshold is not None and 0 < threshold < 1 and len(ranked) <= 2:
        score = ranked[0] if len(ranked) == 1 else list(scores.values())[-1]
        span = (1 - threshold) if score >= threshold else threshold
        return float(1 - min(1.0, abs(score - threshold) / span))
    second = ranked[1] if len(ranked) > 1 else 1 - ranked[0]
    return float(1 - min(1.0, max(0.0, ranked[0] - second)))


def describe_images(
    files: Sequence[Path], *, threads: int | None = None, stage: Stage | None = None
) -> NDArray[np.float64]:
    """(N, 24): grey level, contrast, sharpness, structure by size and direction; rows of NaN where unreadable."""
    advance = (stage or silent)("looking")
    rows = []
    for row in in_order(files, _described, threads):
        rows.append(row)
        advance(len(rows), len(files))
    return np.array(rows, np.float64).reshape(len(files), -1)


def _described(path: Path) -> NDArray[np.float64]:
    import cv2

    try:
        pixels = read_radiograph(path, channels=1).pixels
    except LoporeError:
        return np.full(24, np.nan)
    top = float(np.iinfo(pixels.dtype).max)
    factor = min(1.0, 4 * _SIDE / max(pixels.shape))
    size = max(8, round(pixels.shape[1] * factor)), max(8, round(pixels.shape[0] * factor))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    grey = small.astype(np.float32) / np.float32(top)
    levels = np.percentile(grey, (1, 10, 25, 50, 75, 90, 99))
    spread = max(float(levels[6] - levels[0]), 1e-3)
    even = np.asarray(cv2.resize((grey - levels[3]) / spread, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))
    bands = []
    for sigma in (0.8, 1.6, 3.2, 6.4, 12.8):
        soft = np.asarray(cv2.GaussianBlur(even, (0, 0), sigma))
        bands.append(float(np.log(np.std(even - soft) + 1e-4)))
        even = soft
    across = np.asarray(cv2.Sobel(grey, cv2.CV_32F, 1, 0))
    down = np.asarray(cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    strength, angle = np.hypot(across, down), np.mod(np.arctan2(down, across), np.pi)
    turns = np.histogram(angle, 8, (0, np.pi), weights=strength)[0] / (float(strength.sum()) + 1e-9)
    rest = [float(grey.mean()), float(grey.std()), sharpness(small[..., None]), np.log(spread)]
    return np.array([*levels, *bands, *turns, *rest], np.float64)


def choose_next(
    paths: Sequence[str],
    features: NDArray[np.float64],
    groups: Sequence[str],
    labelled: NDArray[np.bool_],
    *,
    count: int,
    uncertain: NDArray[np.float64] | None = None,
) -> list[Proposal]:
    """The images to label, the most useful first.

    features: (N, D); images with NaN are left out. groups: one name an image, empty where it has none. labelled: (N,).
    uncertain: (N,) 0 to 1 or NaN, of a model. Raises DataError where no unlabelled image can be read.
    """
    usable = np.asarray(np.isfinite(features).all(axis=1), np.bool_)
    open_ones = np.flatnonzero(usable & ~labelled)
    if not len(open_ones):
        raise DataError("every image that can be read has a label; name a set with images that have none")
    scaled = _scaled(features, usable)
    known = np.flatnonzero(usable & labelled)
    unlike = _distance(scaled, open_ones, known) / _usual_distance(scaled, usable) if len(known) else None
    useful = _usefulness(open_ones, unlike, uncertain)
    best = np.argsort(-useful, kind="stable")[: max(_POOL * count, _LEAST_POOL)] if useful.any() else slice(None)
    weight = _LEAST_WEIGHT + useful[best]
    order = _farthest_first(scaled, open_ones[best], weight, known, groups, count)
    at = {int(number): rank for rank, number in enumerate(open_ones)}
    return [
        _proposal(
            paths[number], groups[number],
            None if uncertain is None or not np.isfinite(uncertain[number]) else float(uncertain[number]),
            None if unlike is None else float(unlike[at[number]]),
        )
        for number in order
    ]  # fmt: skip


def _proposal(path: str, group: str, uncertain: float | None, unlike: float | None) -> Proposal:
    reasons = []
    if uncertain is not None and uncertain > 0.5:
        reasons.append(f"the model is undecided ({uncertain:.2f})")
    if unlike is not None and unlike > 2:
        reasons.append(f"unlike all that is labelled ({unlike:.1f} times the usual distance)")
    return Proposal(path, group, uncertain, unlike, "; ".join(reasons) or "unlike the others of this list")


def _scaled(features: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Each column over its usual spread in this set (1.35 of the interquartile range is one deviation)."""
    low, high = np.percentile(features[usable], (25, 75), axis=0)
    spread = np.maximum((high - low) / 1.35, 1e-3 * (np.abs(high) + np.abs(low)) + 1e-9)
    centred = (features - np.median(features[usable], axis=0)) / spread
    return np.asarray(np.clip(np.nan_to_num(centred), -8, 8) / np.sqrt(features.shape[1]), np.float64)


def _distance(scaled: NDArray[np.float64], of: NDArray[np.int64], to: NDArray[np.int64]) -> NDArray[np.float64]:
    """(len(of),) distance of each to the nearest of ``to``, in blocks."""
    found = np.full(len(of), np.inf)
    for start in range(0, len(to), 256):
        block = scaled[to[start : start + 256]]
        for first in range(0, len(of), 1024):
            some = scaled[of[first : first + 1024]]
            squared = (some**2).sum(1)[:, None] - 2 * some @ block.T + (block**2).sum(1)[None, :]
            found[first : first + 1024] = np.minimum(found[first : first + 1024], squared.min(axis=1))
    return np.asarray(np.sqrt(np.maximum(found, 0)), np.float64)


def _usual_distance(scaled: NDArray[np.float64], usable: NDArray[np.bool_]) -> float:
    """Median distance of an image of the set to its nearest neighbour."""
    numbers = np.flatnonzero(usable)
    some = numbers[:: max(1, len(numbers) // 400)]
    nearest = []
    for number in some:
        others = numbers[numbers != number]
        if len(others):
            nearest.append(float(_distance(scaled, np.array([number]), others)[0]))
    return max(float(np.median(nearest)) if nearest else 1.0, 1e-6)


def _usefulness(
    open_ones: NDArray[np.int64], unlike: NDArray[np.float64] | None, uncertain: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """(len(open_ones),) 0 to 1: how undecided the model is, or the rank by distance to the labelled, the larger."""
    found = np.zeros(len(open_ones))
    if unlike is not None:
        found = np.argsort(np.argsort(unlike, kind="stable"), kind="stable") / len(unlike)
    if uncertain is not None:
        found = np.maximum(found, np.nan_to_num(uncertain[open_ones]))
    return np.asarray(found)


def _farthest_first(
    scaled: NDArray[np.float64],
    pool: NDArray[np.int64],
    weight: NDArray[np.float64],
    known: NDArray[np.int64],
    groups: Sequence[str],
    count: int,
) -> list[int]:
    """Numbers of the pool: each time the largest weighted distance to all that is labelled or chosen.

    One a group while groups are left that are neither labelled nor chosen.
    """
    taken = {groups[number] for number in known.tolist() if groups[number]}
    if len(known):
        gap = _distance(scaled, pool, known)
    else:
        gap = np.full(len(pool), 1e6)  # the first is the most useful; of equals the one in the middle
        gap -= np.linalg.norm(scaled[pool] - np.median(scaled[pool], axis=0), axis=1)
    chosen: list[int] = []
    left = np.ones(len(pool), np.bool_)
    while len(chosen) < count and left.any():
        fresh = np.array([left[i] and not (groups[n] and groups[n] in taken) for i, n in enumerate(pool.tolist())])
        allowed = fresh if fresh.any() else left
        best = int(np.argmax(np.where(allowed, gap * weight, -np.inf)))
        number = int(pool[best])
        chosen.append(number)
        taken |= {groups[number]} if groups[number] else set()
        left[best] = False
        gap = np.minimum(gap, np.linalg.norm(scaled[pool] - scaled[number], axis=1))
    return chosen


def chosen_in_a_line(chosen: Sequence[Proposal], total: int) -> str:
    """How many were chosen, of how many groups, for a person."""
    groups = len({one.group or one.path for one in chosen})
    return f"{counted(len(chosen), 'image')} of {total} without a label, of {counted(groups, 'group')}"
