"""Batches as optimiser steps take them: in groups, and with the time that was spent waiting for them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice

from lopore.contracts import Batch


class DataWaitTimer:
    """Iterates and adds up in ``waited`` the seconds spent waiting for the next batch."""

    def __init__(self, items: Iterable[Batch]) -> None:
        self.items = iter(items)
        self.waited = 0.0

    def __iter__(self) -> DataWaitTimer:
        return self

    def __next__(self) -> Batch:
        begin = time.perf_counter()
        try:
            return next(self.items)
        finally:
            self.waited += time.perf_counter() - begin


def groups(batches: Iterator[Batch], size: int) -> Iterator[list[Batch]]:
    """Lists of ``size`` batches whose gradients are added; the last one may be shorter."""
    while group := list(islice(batches, size)):
        yield group
