"""Whether a KeyboardInterrupt was the user's Ctrl-C or raised by a plugin."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def noted_interrupts() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether the user pressed Ctrl-C in the block; a plugin may raise the same error.

    Only the main thread gets the signal, so that elsewhere the answer is no. A plugin that itself waits for Ctrl-C by
    a handler of its own is not told apart.
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield lambda: False
        return
    pressed: list[int] = []

    def note(number: int, frame: Any) -> None:
        pressed.append(number)
        handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, handler)
