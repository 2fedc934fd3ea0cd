"""What all plugins of a process share, looked at before and after a plugin's code runs and put back where it changed.

A plugin that seeds NumPy, changes the directory or sets OpenCV to one thread would change the results of all others.

Out of reach of one process: ``os._exit`` and crashes of C code, an import that never ends, threads that go on, modules
that replace parts of others, and at a call also the environment, the warning filters and what C code prints.
``LOPORE_BLOCK`` leaves such a plugin out before it is imported.
"""

from __future__ import annotations

import contextlib
import locale
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kept = Mapping[str, Any]
When = Literal["import", "call", "training"]
IMPORT: tuple[When, ...] = ("import",)
ALWAYS: tuple[When, ...] = ("import", "call", "training")


@dataclass(frozen=True)
class Shared:
    """One thing that belongs to the whole process.

    module: looked at only once this module is imported. when: after what it is put back. Frameworks set some of it for
    themselves when they are first used, and a learner draws from the random state through all of its epochs.
    of_thread: each thread has its own.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], None]
    module: str = ""
    when: tuple[When, ...] = ("import", "call")
    of_thread: bool = False


def _directory() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # it was removed
        return None


def _change_directory(path: str | None) -> None:
    if path is not None:
        os.chdir(path)


def _set_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def _filters() -> list[Any]:
    return list(warnings.filters)


def _set_filters(before: list[Any]) -> None:
    warnings.filters[:] = before  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _handlers() -> list[Any]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def _set_handlers(before: list[Any]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


def _numpy_state() -> tuple[Any, ...]:
    import numpy as np
    from numpy import random as numpy_random

    name, keys, *rest = numpy_random.get_state(legacy=True)
    return (name, np.asarray(keys, np.uint32).tobytes(), *rest)  # bytes compare at once, 624 numbers one by one


def _set_numpy_state(state: tuple[Any, ...]) -> None:
    import numpy as np

    name, keys, *rest = state
    np.random.set_state((name, np.frombuffer(keys, np.uint32), *rest))  # that very state is put back


def _set_locale(name: str) -> None:
    locale.setlocale(locale.LC_ALL, name)


def _of(module: str, name: str) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        return getattr(sys.modules[module], name)(*values)

    return call


SHARED = (
    Shared("the working directory", _directory, _change_directory, when=ALWAYS),
    Shared("the environment", lambda: dict(os.environ), _set_environment, when=IMPORT),
    Shared("the locale", lambda: locale.setlocale(locale.LC_ALL), _set_locale, when=ALWAYS),
    Shared("the state of random", random.getstate, random.setstate),
    Shared("NumPy's random state", _numpy_state, _set_numpy_state, "numpy.random"),
    Shared(
        "NumPy's error handling",
        lambda: _of("numpy", "geterr")(),
        lambda s: sys.modules["numpy"].seterr(**s),
        "numpy",
        of_thread=True,
    ),
    Shared("the warning filters", _filters, _set_filters, when=IMPORT),
    Shared("signal handlers", _handlers, _set_handlers, when=IMPORT),
    Shared("OpenCV's threads", _of("cv2", "getNumThreads"), _of("cv2", "setNumThreads"), "cv2"),
    Shared("PyTorch's default type", _of("torch", "get_default_dtype"), _of("torch", "set_default_dtype"), "torch"),
    Shared(
        "PyTorch's gradient mode",
        _of("torch", "is_grad_enabled"),
        _of("torch", "set_grad_enabled"),
        "torch",
        of_thread=True,
    ),
)


def look(when: When) -> Kept:
    """How things stand now, by the name of each."""
    return {item.name: item.read() for item in SHARED if when in item.when and (not item.module or _ready(item.module))}


def _ready(module: str) -> bool:
    loaded = sys.modules.get(module)
    spec = getattr(loaded, "__spec__", None)
    return loaded is not None and not getattr(spec, "_initializing", False)


def put_back(before: Kept) -> list[str]:
    """Put back what is no longer as it was; returns the names of what had changed, in words for a person."""
    changed = []
    for item in SHARED:
        if item.name in before and (now := item.read()) != before[item.name]:
            changed.append(_told(item.name, before[item.name], now))
            item.write(before[item.name])
    return changed


def _told(name: str, before: Any, now: Any) -> str:
    if name != "the environment":
        return name
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return f"the environment ({', '.join(key[:40] for key in changed[:5])}{', ...' * (len(changed) > 5)})"


@dataclass
class Changes:
    """What was put back when the block of ``kept`` ended; threads that it started cannot be."""

    names: list[str] = field(default_factory=list)
    threads: int = 0


@contextlib.contextmanager
def kept(when: When) -> Iterator[Changes]:
    """Run a block and put back whatever it changed of ``SHARED``, also where it raises."""
    changes, before, running = Changes(), look(when), set(threading.enumerate())
    try:
        yield changes
    finally:
        changes.names = put_back(before)
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
        self.before: Kept = {}

    @contextlib.contextmanager
    def kept(self, when: When) -> Iterator[None]:
        with self.lock:
            if self.count == 0:
                self.before = look("call")
            self.count += 1
            now = look(when)
            before = {item.name: now[item.name] for item in SHARED if item.of_thread and item.name in now}
            before |= {name: value for name, value in self.before.items() if name in now and name not in before}
        try:
            yield
        finally:
            with self.lock:
                put_back(before)
                self.count -= 1


_CALLS = _Calls()


@contextlib.contextmanager
def isolate_call(*, training: bool = False) -> Iterator[None]:
    """Run an outsider's code, in any thread: what it changes of ``SHARED`` is put back, what it prints goes to stderr.

    training: it goes on drawing from the random state, and core shows its progress.
    """
    with _CALLS.kept("training" if training else "call"), contextlib.ExitStack() as stack:
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
