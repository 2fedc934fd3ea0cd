"""What a plugin's import costs every command, told apart from what a busy machine or a cold disk adds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SLOW_IMPORT_SECONDS = 2.0
WAITING_SHARE = 5.0
"""How many times the bound an import may wait: a loaded machine lets it wait as well, a server that it calls does."""


@dataclass
class ImportCost:
    """seconds: of processor time. waited: seconds beside them."""

    seconds: float = 0.0
    waited: float = 0.0

    @property
    def complaint(self) -> str:
        """What is slow about the import, on one line; empty for nothing."""
        bound = slow_import_seconds()
        if self.seconds > bound:
            return f"its import took {self.seconds:.1f} s of processor time, {bound:g} s are allowed"
        if self.waited > WAITING_SHARE * bound:
            return f"its import waited {self.waited:.1f} s, {WAITING_SHARE * bound:g} s are allowed"
        return ""


@contextmanager
def measured_import() -> Iterator[ImportCost]:
    """The cost of the block, filled in when it ends."""
    cost = ImportCost()
    began, busy = time.perf_counter(), time.thread_time()
    try:
        yield cost
    finally:
        cost.seconds = time.thread_time() - busy
        cost.waited = max(0.0, time.perf_counter() - began - cost.seconds)


def slow_import_seconds() -> float:
    """From how many seconds of processor time on an import counts as slow: ``LOPORE_SLOW_IMPORT``, else two."""
    try:
        return float(os.environ["LOPORE_SLOW_IMPORT"])
    except (KeyError, ValueError):
        return SLOW_IMPORT_SECONDS
