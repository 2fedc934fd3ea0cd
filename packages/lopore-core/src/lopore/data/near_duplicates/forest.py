"""Which images are of one family so far: joined one pair after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Forest:
    """Families of ``count`` images, at first one each."""

    def __init__(self, count: int) -> None:
        self._home = list(range(count))
        self._members = {number: [number] for number in range(count)}

    def root(self, number: int) -> int:
        """The number that stands for the family of an image."""
        return self._home[number]

    def same(self, first: int, second: int) -> bool:
        return self._home[first] == self._home[second]

    def members(self, number: int) -> list[int]:
        """All images of the family of an image."""
        return self._members[self._home[number]]

    def size(self, number: int) -> int:
        return len(self.members(number))

    def join(self, first: int, second: int) -> None:
        """Make one family of two; the smaller goes into the larger."""
        small, large = sorted((self._home[first], self._home[second]), key=lambda root: len(self._members[root]))
        if small == large:
            return
        for number in self._members[small]:
            self._home[number] = large
        self._members[large] += self._members.pop(small)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(count,) int64, numbers from 0 in the order in which families first appear."""
        numbers: dict[int, int] = {}
        return np.array([numbers.setdefault(root, len(numbers)) for root in self._home], dtype=np.int64)
