"""What one session has computed, kept within a budget of bytes: nothing is worked out twice while there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
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
                return _given(self._held[key][0])
            try:
                made = make()
            except LoporeError as error:
                self._hold(key, error.with_traceback(None), SMALL)
                raise
            self._hold(key, made, size(made) + SMALL)
            return made

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


def _given(value: Any) -> Any:
    if isinstance(value, LoporeError):
        raise value
    return value
