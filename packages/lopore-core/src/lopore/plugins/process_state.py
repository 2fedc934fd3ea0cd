"""What a process shares with its plugins: the state that is noted before one runs and put back after."""

from __future__ import annotations

import locale
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

SharedState = Mapping[str, Any]
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


def read_state(when: When) -> SharedState:
    """How things stand now, by the name of each."""
    return {item.name: item.read() for item in SHARED if when in item.when and (not item.module or _ready(item.module))}


def _ready(module: str) -> bool:
    loaded = sys.modules.get(module)
    spec = getattr(loaded, "__spec__", None)
    return loaded is not None and not getattr(spec, "_initializing", False)


def restore_state(before: SharedState) -> list[str]:
    """Put back what is no longer as it was; returns the names of what had changed, in words for a person."""
    changed = []
    for item in SHARED:
        if item.name in before and (now := item.read()) != before[item.name]:
            changed.append(_describe_change(item.name, before[item.name], now))
            item.write(before[item.name])
    return changed


def _describe_change(name: str, before: Any, now: Any) -> str:
    if name != "the environment":
        return name
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    return f"the environment ({', '.join(key[:40] for key in changed[:5])}{', ...' * (len(changed) > 5)})"
