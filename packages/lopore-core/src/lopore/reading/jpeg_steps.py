"""A step of brightness along one row of a JPEG's blocks: what damage leaves where the decoder goes on without a word.

A block's mean is stored as its difference from the block before. So damage brightens or darkens all that follows: from
one block on to the end of its row, and in every row below. On the image that is a stair of one tread and even height
along the edges of blocks, which no weld, letter or border draws. Source: ITU-T T.81, F.1.1.5.1.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Pixels

LEAST_STEP = 2.0
"""Grey levels; a smaller step is not told from grain."""
_SURE = 9.0
"""By how many standard errors the blocks along a stair must jump together."""
_ALIKE = 0.85
"""Share of these blocks that jump the same way."""
_RESTS = 0.25
"""The most, in steps, that the other blocks of both edges jump."""
_MARGIN, _MOST_TRIED = 2, 8
_NOISE = 4.0
"""How far above the mean jump of its part of the image an edge must stand to be looked at."""
_Floats = NDArray[np.float32]


def step_notes(image: Pixels, block: int) -> tuple[str, ...]:
    """What to tell of a JPEG with a ``brightness_step``; empty for one without."""
    if not brightness_step(image, block):
        return ()
    return (
        "from one coding block on the image is brighter or darker, as a damaged JPEG is; compare it with the original",
    )


def brightness_step(image: Pixels, block: int) -> float:
    """Grey levels by which all that follows some block is brighter (or, below 0, darker); 0.0 where nothing is.

    image: (H, W) or (H, W, 3) uint8 as decoded. block: its pixels on a block's side: 8, or 4, 2, 1 where the decoder
    shrank; 1 shows no steps.
    """
    grey = image if image.ndim == 2 else image[:, :, 1]
    if block < 2 or grey.shape[0] < 3 * block or grey.shape[1] < 8 * block:
        return 0.0
    along: dict[int, _Floats] = {}
    best = 0.0
    for pair in _suspects(grey, block):
        for at in pair:
            if at not in along:
                along[at] = _along(grey, at, block)
        best = max(best, _stair(*(along[at] for at in pair)), key=abs)
    return best


def _suspects(grey: Pixels, block: int) -> Iterator[tuple[int, int]]:
    """Pairs of edges, an upper and a lower one, on which the right and the left part of the image jump alike.

    The lower edge lies one row of blocks below, or two in an image of colours whose blocks go by fours.
    """
    width = grey.shape[1]
    parts = [grey[:, begin : begin + width // 4] for begin in (width // 8, 5 * width // 8)]
    means = np.concatenate([cv2.reduce(part, 1, cv2.REDUCE_AVG, dtype=cv2.CV_32F) for part in parts], axis=1)
    count = (len(means) - 2) // block
    jumps = _jumps(*(means[block + by :: block][:count] for by in (-2, -1, 0, 1)))
    sizes = np.abs(jumps)
    large = sizes > max(LEAST_STEP / 2, _NOISE * float(sizes.mean()))
    rows = np.flatnonzero(large[:, 1]).tolist()
    left = set(np.flatnonzero(large[:, 0]).tolist()) if rows else set()
    found: list[tuple[float, int, int]] = []
    for at in rows:
        found += [
            (float(min(sizes[at, 1], sizes[at + reach, 0])), at, reach)
            for reach in (0, 1, 2)
            if at + reach in left and jumps[at, 1] * jumps[at + reach, 0] > 0
        ]
    for _, at, reach in sorted(found, reverse=True)[:_MOST_TRIED]:
        if reach:
            yield at, at + reach
        else:
            yield from ((upper, upper + by) for by in (1, 2) for upper in (at, at - by))


def _jumps(above: _Floats, top: _Floats, bottom: _Floats, below: _Floats) -> _Floats:
    """By how much the values of two lines differ beyond the slope on both of their sides."""
    jumps: _Floats = np.float32(1.5) * (bottom - top) - np.float32(0.5) * (below - above)
    return jumps


def _stair(upper: _Floats, lower: _Floats) -> float:
    """The height of a stair along the right part of the upper edge and the left part of the lower one; 0.0 for none.

    upper, lower: (blocks,) jumps at the two edges.
    """
    totals = np.concatenate(([0], np.cumsum(lower))) + np.concatenate((np.cumsum(upper[::-1])[::-1], [0]))
    start = int(np.abs(totals).argmax())
    if not _MARGIN <= start <= len(upper) - _MARGIN:
        return 0.0
    tread = np.concatenate((lower[:start], upper[start:]))
    up = np.count_nonzero(tread > 0) / len(tread)
    if max(up, 1 - up) < _ALIKE:  # most pairs end here, before the median, which costs five times as much
        return 0.0
    step, spread = float(np.median(tread)), 1.25 * float(tread.std()) / len(tread) ** 0.5
    if abs(step) < max(LEAST_STEP, _SURE * spread) or (tread * step > 0).mean() < _ALIKE:
        return 0.0
    rests = (np.median(upper[:start]), np.median(lower[start:]))
    return step if max(map(abs, rests)) < _RESTS * abs(step) else 0.0


def _along(grey: Pixels, at: int, block: int) -> _Floats:
    """The jump at one edge, block by block; zeros for an edge beyond the image."""
    columns, edge = grey.shape[1] // block, (at + 1) * block
    if not block <= edge < grey.shape[0] - 1:
        return np.zeros(columns, np.float32)
    lines = grey[edge - 2 : edge + 2, : columns * block].astype(np.float32)
    return _jumps(*np.asarray(cv2.resize(lines, (columns, 4), interpolation=cv2.INTER_AREA), np.float32))
