"""Parts of a film enhanced one by one: with the declared reach around them they are the pixels of the whole film."""

from __future__ import annotations

import numpy as np

from lopore.arrays import Pixels
from lopore.contracts import Enhancer, Params
from lopore.errors import LoporeError
from lopore.preprocessing.enhancement_chain import Chain, ChainStep
from lopore.preprocessing.film_chain import enhanced_layer

from .check import require
from .images import DTYPES
from .parameters import variations

SHAPE = (190, 260)
WINDOWS = (
    (0, 0, 64, 260),
    (64, 0, 1, 260),
    (65, 0, 125, 131),
    (65, 131, 125, 129),
    (17, 33, 100, 90),
    (189, 259, 1, 1),
)
"""(top, left, height, width), odd and even, at the film's edges and away from them."""


class _ArrayLayer:
    """A film in memory, read in windows."""

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels
        self.shape, self.dtype = (pixels.shape[0], pixels.shape[1]), pixels.dtype

    def read(self, top: int, left: int, height: int, width: int) -> Pixels:
        return self._pixels[top : top + height, left : left + width].copy()


def tiles_equal_the_film(enhancer: Enhancer) -> None:
    """Windows of a film, each enhanced with the declared reach around it, hold the pixels of the whole film
    enhanced."""
    for dtype in DTYPES:
        top = int(np.iinfo(dtype).max)
        rng = np.random.default_rng(0)
        shading = np.linspace(0.25, 0.55, SHAPE[1])[None, :] + np.linspace(0, 0.2, SHAPE[0])[:, None]
        grain = rng.normal(0, 0.06, SHAPE) * (1 + 2 * shading)
        film = np.rint(np.clip(shading + grain, 0, 1) * top).astype(dtype)
        for said, params in variations(enhancer.params):
            _compare(enhancer, params, said, film)


def _compare(enhancer: Enhancer, params: Params, said: str, film: Pixels) -> None:
    if enhancer.reach is not None:
        reach = enhancer.reach(params)
        require(
            isinstance(reach, int) and reach >= 0,
            f"{said}: reach gave {str(reach)[:40]!r}; it is a whole number of pixels, 0 or more",
        )
    try:
        enhanced = enhancer.apply(film, params)
    except (ValueError, LoporeError):
        return
    chain = Chain((ChainStep(enhancer, params, "lopore"),))
    layer, notes = enhanced_layer(_ArrayLayer(film), chain)
    require(not notes, f"{said}: it still needs the whole film at once")
    for window in WINDOWS:
        y, x, height, width = window
        part, wanted = layer.read(*window), enhanced[y : y + height, x : x + width]
        same = part.shape == wanted.shape and part.dtype == wanted.dtype and bool(np.array_equal(part, wanted))
        require(
            same,
            f"{said}, {film.dtype}: the window {width} x {height} at ({x}, {y}) differs from the same part of the "
            "whole "
            "film; state a larger reach, or leave reach and survey out",
        )
