"""One named promise that can be called, how it fails, and how it says that it cannot be judged here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
from unittest import SkipTest

from lopore.plugins.problems import one_line

Work = Callable[[], None]


@dataclass(frozen=True)
class Check:
    """A promise of one entry of a plugin.

    id: ``kind/key/promise``, such as ``enhancer/clahe/keeps_depth_16_bit``. promise: the same in one sentence.
    Calling it returns None where the promise is kept, raises AssertionError where it is broken, ``unittest.SkipTest``
    where something it needs is not installed (pytest and unittest both show that as skipped), and lets any other
    error of the plugin pass through.
    """

    id: str
    promise: str
    work: Work

    def __call__(self) -> None:
        self.work()


@dataclass(frozen=True)
class Outcome:
    """How one check ended; ``reason`` is one line, empty where it passed."""

    id: str
    promise: str
    status: Literal["passed", "failed", "skipped"]
    reason: str
    seconds: float


def run_check(check: Check) -> Outcome:
    """Call a check and tell how it ended, whatever the plugin raises (KeyboardInterrupt passes through)."""
    began = time.perf_counter()
    status: Literal["passed", "failed", "skipped"] = "passed"
    reason = ""
    try:
        check()
    except KeyboardInterrupt:
        raise
    except SkipTest as skipped:
        status, reason = "skipped", one_line(str(skipped))
    except AssertionError as broken:
        status, reason = "failed", one_line(str(broken))
    except BaseException as error:  # SystemExit of a plugin must not end the list
        status, reason = "failed", one_line(f"{type(error).__name__}: {error}")
    return Outcome(check.id, check.promise, status, reason, time.perf_counter() - began)


def require(holds: bool, text: str) -> None:
    """AssertionError with ``text`` unless ``kept``; an assert statement would vanish under ``python -O``."""
    if not holds:
        raise AssertionError(text)


class NotJudged(SkipTest):
    """Something that a check needs is not installed; ``raise NotJudged(reason)``."""


def promise_of(function: Callable[..., None]) -> str:
    """The first line of a check function's docstring."""
    return (function.__doc__ or function.__name__).strip().splitlines()[0].rstrip(".")
