"""Where tiles lie on a film, and with which weight each answers for a pixel.

Every length is covered exactly once over: the last tile ends at the film's end, or less than one ``stride`` behind it
where the network needs its tiles on a grid. A tile that is larger than the film reaches over its end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TiledLine:
    """Tiles along one side of a film.

    length: of the film. tile: of a tile. step: from one start to the next. halo: pixels at a tile's inner ends that are
    not used. stride: every start is a multiple of it. All in network pixels.
    """

    length: int
    tile: int
    step: int
    halo: int = 0
    stride: int = 1

    def __post_init__(self) -> None:
        if min(self.length, self.tile, self.step, self.stride) < 1 or self.halo < 0:
            raise ValueError(f"{self} has a part that is not positive")
        if self.step > self.tile - 2 * self.halo:
            raise ValueError(f"step {self.step} leaves gaps between tiles of {self.tile} px with halo {self.halo} px")
        if self.step % self.stride or self.tile % self.stride:
            raise ValueError(f"tile {self.tile} and step {self.step} are no multiples of the stride {self.stride}")

    @property
    def covered(self) -> int:
        """Length of film and what the last tile needs beyond it."""
        return max(-(-self.length // self.stride) * self.stride, self.tile)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The first pixel of each tile, ascending; the last tile ends at ``covered``."""
        last = self.covered - self.tile
        return (*range(0, last, self.step), last)

    def weights(self, number: int) -> NDArray[np.float32]:
        """(tile,) how much each pixel of a tile counts: none in the halo, most in the middle.

        At the film's own ends nothing is taken off: there is no other tile.
        """
        position = np.arange(self.tile, dtype=np.float32) + 0.5
        begin = position - self.halo if number > 0 else np.full_like(position, np.inf)
        end = self.tile - self.halo - position if number < len(self.starts) - 1 else np.full_like(position, np.inf)
        weight = np.minimum(begin, end)
        return np.clip(weight, 0.0, max((self.tile - 2 * self.halo) / 2, 1.0))

    @cached_property
    def total(self) -> NDArray[np.float32]:
        """(covered,) the sum of all weights at each pixel; positive everywhere."""
        total = np.zeros(self.covered, np.float32)
        for number, start in enumerate(self.starts):
            total[start : start + self.tile] += self.weights(number)
        return total

    def first_over(self, position: int) -> int:
        """The number of the first tile that counts at a pixel or after it."""
        return next(number for number, start in enumerate(self.starts) if start + self.tile > position)


def step_for(tile: int, overlap: float, halo: int = 0, stride: int = 1) -> int:
    """The step between tiles of which neighbours share ``overlap`` (0 to 0.9) of what their halo leaves."""
    step = int((tile - 2 * halo) * (1.0 - overlap)) // stride * stride
    return max(step, stride)
