"""What one session has computed, kept within a budget of bytes: nothing is worked out twice while there is room.

No Streamlit in here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from copy import copy
from typing import Any, TypeVar

from lopore.errors import LoporeError

BUDGET = 192 << 20
SMALL = 1024
"""Bytes that an entry without pixels is counted with."""

T = TypeVar("T")


class Memory:
    """Values by key, the least recently used dropped first. Errors that a user can cause are kept as values are."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._spent = 0
        # Each key belongs to one caller, who knows the type of its value.
        self._held: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, key: Hashable, make: Callable[[], T], size: Callable[[T], int] = lambda value: SMALL) -> T:
        """The value of ``key``, made where it is not held. ``size`` says its bytes; one over the budget is not held.

        Raises the LoporeError that ``make`` raised, now or the first time.
        """
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                value = self._held[key][0]
            else:
                value, spent = _made(make, size)
                self._hold(key, value, spent)
        if isinstance(value, LoporeError):
            raise copy(value)  # a raised error holds its frames, and these hold films
        found: T = value
        return found

    def holds(self, key: Hashable) -> bool:
        """Whether ``get`` would answer without work."""
        with self._lock:
            return key in self._held

    @property
    def spent(self) -> int:
        """Bytes counted now; at most the budget."""
        return self._spent

    def _hold(self, key: Hashable, value: object, spent: int) -> None:
        if spent > self._budget:
            return
        self._held[key] = value, spent
        self._spent += spent
        while self._spent > self._budget:
            _, (_, freed) = self._held.popitem(last=False)
            self._spent -= freed


def _made(make: Callable[[], T], size: Callable[[T], int]) -> tuple[Any, int]:
    """The value, or the error in its place, and its bytes."""
    try:
        value = make()
    except LoporeError as error:
        return error.with_traceback(None), SMALL
    return value, size(value) + SMALL
