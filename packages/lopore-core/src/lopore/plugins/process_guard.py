"""What all plugins of a process share, looked at before and after a plugin's code runs and put back where it changed.

A plugin that seeds NumPy, changes the directory or sets OpenCV to one thread would change the results of all others.

Out of reach of one process: ``os._exit`` and crashes of C code, an import that never ends, threads that go on, modules
that replace parts of others, and at a call also the environment, the warning filters and what C code prints.
``LOPORE_BLOCK`` leaves such a plugin out before it is imported.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .process_state import SHARED, SharedState, When, read_state, restore_state


@dataclass
class Changes:
    """What was put back when the block of ``kept`` ended; threads that it started cannot be."""

    names: list[str] = field(default_factory=list)
    threads: int = 0


@contextlib.contextmanager
def preserve_state(when: When) -> Iterator[Changes]:
    """Run a block and put back whatever it changed of ``SHARED``, also where it raises."""
    changes, before, running = Changes(), read_state(when), set(threading.enumerate())
    try:
        yield changes
    finally:
        changes.names = restore_state(before)
        changes.threads = _still_running(set(threading.enumerate()) - running)


def _still_running(started: set[threading.Thread]) -> int:
    """How many of these threads go on; one that is about to end gets a moment for it.

    Threads of a library's C code that once called Python appear as dummies: they are its own affair. One that has no
    identity yet is being started at this moment, by somebody else: the block has ended.
    """
    end = time.monotonic() + 0.2
    known = [thread for thread in started if thread.ident is not None and not thread.name.startswith("Dummy-")]
    for thread in known:
        thread.join(max(0.0, end - time.monotonic()))
    return sum(thread.is_alive() for thread in known)


class _Calls:
    """Calls of outsiders under way in all threads: they share the state from before the first of them began.

    With a state of its own each, one would take another's change for how things were and leave it behind.
    """

    def __init__(self) -> None:
        self.lock, self.count = threading.Lock(), 0
        self.before: SharedState = {}

    @contextlib.contextmanager
    def preserve_state(self, when: When) -> Iterator[None]:
        with self.lock:
            if self.count == 0:
                self.before = read_state("call")
            self.count += 1
            now = read_state(when)
            before = {item.name: now[item.name] for item in SHARED if item.of_thread and item.name in now}
            before |= {name: value for name, value in self.before.items() if name in now and name not in before}
        try:
            yield
        finally:
            with self.lock:
                restore_state(before)
                self.count -= 1


_CALLS = _Calls()


@contextlib.contextmanager
def isolate_call(*, training: bool = False) -> Iterator[None]:
    """Run an outsider's code, in any thread: what it changes of ``SHARED`` is put back, what it prints goes to stderr.

    training: it goes on drawing from the random state, and core shows its progress.
    """
    with _CALLS.preserve_state("training" if training else "call"), contextlib.ExitStack() as stack:
        if not training:
            stack.enter_context(stdout_spared())
        yield


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Nothing that the block prints is shown or kept, in the main thread not even what C code prints."""
    with (
        Path(os.devnull).open("w", encoding="utf-8", errors="replace") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        _descriptors_to(nowhere),
    ):
        yield


@contextlib.contextmanager
def _descriptors_to(nowhere: Any) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # others may be printing
        yield
        return
    saved: list[tuple[int, int]] = []
    for stream in (sys.__stdout__, sys.__stderr__):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a service may have no terminal
            stream.flush()  # type: ignore[union-attr]
    for number in (1, 2):
        with contextlib.suppress(OSError):
            saved.append((number, os.dup(number)))
            os.dup2(nowhere.fileno(), number)
    try:
        yield
    finally:
        for number, copy in saved:
            os.dup2(copy, number)
            os.close(copy)


class _ByThread:
    """Standard output that is standard error for threads in which an outsider's code runs."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.users = stream, 0
        self.here = threading.local()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr if getattr(self.here, "spared", 0) else self.stream, name)


_STREAM_LOCK = threading.Lock()


@contextlib.contextmanager
def stdout_spared() -> Iterator[None]:
    """What the block prints in its thread goes to standard error, so that ``--json`` stays one."""
    with _STREAM_LOCK:
        if not isinstance(sys.stdout, _ByThread):
            sys.stdout = _ByThread(sys.stdout)
        stream: Any = sys.stdout
        stream.users += 1
    stream.here.spared = getattr(stream.here, "spared", 0) + 1
    try:
        yield
    finally:
        stream.here.spared -= 1
        with _STREAM_LOCK:
            stream.users -= 1
            if stream.users == 0 and sys.stdout is stream:
                sys.stdout = stream.stream
