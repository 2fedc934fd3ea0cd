"""Which images of a set are copies of one another."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from lopore.cores import available_cores

from .forest import Forest
from .overlaps import Overlap, find_overlaps
from .similarity import Agreement, CandidateSearch, comparer
from .whitening import learn_metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from .fingerprints import Fingerprint

    Progress: TypeAlias = Callable[[int, int], None]

_DEPTHS = (
    (0, 2),
    (2, 6),
    (6, 11),
    (11, 16),
)  # candidates tried at once; the deeper ones only where half of the nearer agreed
_BLOCK = 128
_USUAL, _LEEWAY, _WINDOW = 0.68, 0.03, 0.02
_SEARCHED_BETWEEN = (0.60, 0.85)
_LAID_AT_ONCE = 64  # pairs: few, since those of one family are passed over from the next on
_GROWN = 3  # images from which a family is not joined to another by one weak link


class Pair(NamedTuple):
    """Two images held to be one. ``first`` < ``second`` are places in the sequence that was searched.

    score: agreement up to 1 of the two laid on each other.
    why: one line for people.
    """

    first: int
    second: int
    score: float
    why: str


@dataclass(frozen=True, eq=False)
class Families:
    """Families of one set of images.

    labels: (N,) int64, numbers from 0 in the order in which families first appear; an image alone has its own.
    pairs: every pair that was compared and agreed, the surest first, both of one family.
    threshold: the agreement that was asked for, set from what strangers of this very set reach.
    blank: places of the images without content; each is a family of its own and stands in no pair.
    """

    labels: NDArray[np.int64]
    pairs: list[Pair]
    threshold: float
    blank: tuple[int, ...]


def find_families(fingerprints: Sequence[Fingerprint], *, progress: Progress | None = None) -> Families:
    """Join images that are one image flipped, turned, brightened, recompressed, resized, cropped, or share a part.

    fingerprints: of all images of the set, in any order; the answer depends on the set, not on chance.
    progress: called with (done, total) in steps of work, the last time with both equal.
    Blank images are joined to none: equal files among them are found by their sha256.
    Turns up to about 15 degrees, crops down to 0.7 of the side, and windows that share half of one film are found;
    ``benchmarks/bench_leaks.py`` counts how many. Of images that are surely one family already no more are laid
    together. The search for whole copies and the sorting of keypoints grow with N * N (small: see
    ``benchmarks/README.md``), all else with N.
    """
    solid = [number for number, one in enumerate(fingerprints) if not one.blank]
    blank = tuple(number for number, one in enumerate(fingerprints) if one.blank)
    advance = progress or (lambda done, total: None)
    total = len(solid)
    compared = _compared([fingerprints[number] for number in solid], advance) if len(solid) > 1 else {}
    threshold = _threshold(np.array([agreement.score for agreement in compared.values()]))
    agreed = sorted(
        (
            Pair(solid[first], solid[second], found.score, _reason(found))
            for (first, second), found in compared.items()
            if found.score >= threshold
        ),
        key=lambda pair: (-pair.score, pair.first, pair.second),
    )
    forest = Forest(len(fingerprints))
    _join(forest, agreed, threshold)
    search = find_overlaps(fingerprints, forest.same, lambda share: advance(2 * total + int(share * total), 3 * total))
    agreed += join_overlaps(forest, search)
    advance(3 * total, 3 * total)
    return Families(forest.labels, [pair for pair in agreed if forest.same(pair.first, pair.second)], threshold, blank)


def join_overlaps(forest: Forest, overlaps: Iterable[Overlap]) -> list[Pair]:
    """Join what shares a part; two grown families by one sure overlap, or by two that share no image."""
    waiting: dict[tuple[int, int], list[Overlap]] = defaultdict(list)
    pairs: list[Pair] = []
    for one in overlaps:
        ends = tuple(sorted((forest.root(one.first), forest.root(one.second))))
        before = waiting[ends[0], ends[1]]
        apart = any({one.first, one.second}.isdisjoint((other.first, other.second)) for other in before)
        if one.sure or apart or min(forest.size(one.first), forest.size(one.second)) < _GROWN:
            forest.join(one.first, one.second)
            pairs += [Pair(each.first, each.second, each.score, _part(each)) for each in (*before, one)]
        else:
            before.append(one)
    return pairs


def _part(one: Overlap) -> str:
    return f"both show one part ({min(one.shared, 1):.0%} of an image), agreement {one.score:.2f}"


def _compared(fingerprints: Sequence[Fingerprint], advance: Progress) -> dict[tuple[int, int], Agreement]:
    """Agreement of every candidate pair that was laid together, by (lower place, higher place)."""
    total = len(fingerprints)
    metric = learn_metric(fingerprints, np.random.default_rng(total))
    near, scores, trials = _candidates(CandidateSearch(fingerprints, metric), total, advance)
    compare = comparer(fingerprints, metric)
    found: dict[tuple[int, int], Agreement] = {}
    certain = Forest(total)
    hopeful = np.ones(total, dtype=bool)
    for start, stop in _DEPTHS:
        queue = _queue(near[:, start:stop], scores[:, start:stop], trials[:, start:stop], hopeful, found)
        done = total + total * start // _DEPTHS[-1][1]
        share = total * (stop - start) // _DEPTHS[-1][1]
        tell = partial(_tell, advance, done, share, 3 * total)
        _lay_together(queue, compare, found, certain, tell)
        hopeful &= _mostly_agreed(near[:, start:stop], found, certain)
    return found


def _tell(advance: Progress, done: int, share: int, total: int, part: float) -> None:
    advance(done + int(share * part), total)


def _candidates(
    search: CandidateSearch, total: int, advance: Progress
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    parts = []
    starts = range(0, total, _BLOCK)
    with ThreadPoolExecutor(min(8, available_cores())) as pool:
        ends = [min(start + _BLOCK, total) for start in starts]
        for stop, part in zip(ends, pool.map(search.nearest, starts, ends, repeat(_DEPTHS[-1][1])), strict=True):
            parts.append(part)
            advance(stop, 3 * total)
    near, scores, trials = (np.concatenate(part) for part in zip(*parts, strict=True))
    return near, scores, trials


def _mostly_agreed(
    near: NDArray[np.int64], found: dict[tuple[int, int], Agreement], certain: Forest
) -> NDArray[np.bool_]:
    """(N,) images that at least half of the candidates just tried agree with: their family may be larger still."""
    strange = Agreement(0.0, "")

    def agrees(one: int, other: int) -> bool:
        score = found.get((min(one, other), max(one, other)), strange).score
        return score >= _SEARCHED_BETWEEN[0] or certain.same(one, other)

    hits = [sum(agrees(query, other) for other in others) for query, others in enumerate(near.tolist())]
    return np.array([2 * hit >= near.shape[1] for hit in hits], dtype=bool)


_Queue: TypeAlias = "list[tuple[int, int, int]]"


def _queue(
    near: NDArray[np.int64],
    scores: NDArray[np.float32],
    trials: NDArray[np.int64],
    hopeful: NDArray[np.bool_],
    found: dict[tuple[int, int], Agreement],
) -> _Queue:
    """(first, second, trial) once a pair, from the side that saw it better, in the order of ``first``."""
    best: dict[tuple[int, int], tuple[float, int, int, int]] = {}
    for query in np.nonzero(hopeful)[0].tolist():
        columns = (near[query].tolist(), scores[query].tolist(), trials[query].tolist())
        for other, score, trial in zip(*columns, strict=True):
            key = (min(query, other), max(query, other))
            if key not in found and (key not in best or score > best[key][0]):
                best[key] = (score, query, other, trial)
    return sorted((query, other, trial) for _, query, other, trial in best.values())


def _lay_together(
    queue: _Queue,
    compare: Callable[[int, int, int], Agreement],
    found: dict[tuple[int, int], Agreement],
    certain: Forest,
    advance: Callable[[float], None],
) -> None:
    """Agreement of the pairs of a queue into ``found``, but for those that are of one family in ``certain`` already.

    certain: joined here by what is sure at any threshold, so that copies of one image cost a few comparisons each.
    """
    sure = _sure(_SEARCHED_BETWEEN[1])
    with ThreadPoolExecutor(max_workers=min(8, available_cores())) as pool:
        for start in range(0, len(queue), _LAID_AT_ONCE):
            chunk = [job for job in queue[start : start + _LAID_AT_ONCE] if not certain.same(job[0], job[1])]
            for (first, second, _), agreement in zip(chunk, pool.map(lambda job: compare(*job), chunk), strict=True):
                found[min(first, second), max(first, second)] = agreement
                if agreement.score >= sure:
                    certain.join(first, second)
            advance(min(1.0, (start + _LAID_AT_ONCE) / len(queue)))


def _sure(threshold: float) -> float:
    """The agreement at which a single pair joins two grown families."""
    return threshold + (1.0 - threshold) / 3.0


def _threshold(scores: NDArray[np.float64]) -> float:
    """The emptiest place between this set's strangers and its copies.

    Scores of the compared pairs are counted with a soft window; a few imagined pairs on both sides hold the place near
    the usual one while a set is small. Searched between 0.60, below which two images differ for the eye, and 0.85,
    above which honest copies are lost.
    """
    places = np.linspace(*_SEARCHED_BETWEEN, 51)
    scores = scores[scores > places[0] - 4 * _WINDOW]
    crowd = np.exp(-0.5 * ((places[:, None] - scores[None, :]) / _WINDOW) ** 2).sum(axis=1)
    return float(places[np.argmin(crowd + 0.5 * ((places - _USUAL) / _LEEWAY) ** 2)])


def _join(forest: Forest, agreed: Sequence[Pair], threshold: float) -> None:
    """Closure over the pairs, the surest first; two grown families need two weak links that share no image, or one
    sure one, so that a single chance likeness does not chain them."""
    links: dict[int, set[int]] = defaultdict(set)
    for pair in agreed:
        links[pair.first].add(pair.second)
        links[pair.second].add(pair.first)
    sure = _sure(threshold)
    for pair in [*agreed, *agreed]:
        if forest.same(pair.first, pair.second):
            continue
        if pair.score >= sure or _well_linked(forest.members(pair.first), forest.members(pair.second), links):
            forest.join(pair.first, pair.second)


def _well_linked(one: Sequence[int], two: Sequence[int], links: dict[int, set[int]]) -> bool:
    small, large = sorted((one, two), key=len)
    if len(small) < _GROWN:
        return True
    inside = set(large)
    ends = [(number, links[number] & inside) for number in small if links[number] & inside]
    return len(ends) >= 2 and len(set().union(*(reached for _, reached in ends))) >= 2


def _reason(found: Agreement) -> str:
    return f"the same image {found.pose}, agreement {found.score:.2f}"
