"""Enhancements that need a film's own statistics: one pass over its parts counts, then any window can be enhanced.

Each gives the very pixels that the enhancement of the whole film in memory gives. Films are grey here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.contracts import FilmParts, Pixels
from lopore.preprocessing.lookup_tables import apply_table, histogram

from . import parameters as p
from .contrast import equalize_table, stretch_line, stretched

Placed = Callable[[Pixels, int, int], Pixels]
"""``(pixels, top, left) -> pixels`` of a window of the film."""


def _counted(parts: FilmParts) -> NDArray[np.int64]:
    return np.asarray(sum(histogram(pixels) for _, _, pixels in parts()), np.int64)


def stretch_survey(parts: FilmParts, shape: tuple[int, int], dtype: np.dtype[Any], params: p.Stretch) -> Placed:
    """Percentiles of the whole film."""
    line = stretch_line(_counted(parts), params.low, params.high)
    return lambda pixels, top, left: stretched(pixels, line)


def equalize_survey(parts: FilmParts, shape: tuple[int, int], dtype: np.dtype[Any], params: Any) -> Placed:
    """The histogram of the whole film."""
    table = equalize_table(_counted(parts), dtype)
    return lambda pixels, top, left: pixels.copy() if table is None else apply_table(pixels, table)
