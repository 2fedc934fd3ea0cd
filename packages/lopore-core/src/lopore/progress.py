"""What a person sees while a model trains: lines on standard error, and a bar where that is a terminal."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")


class Progress:
    """Lines and one bar. ``quiet`` says nothing at all; a stream that is no terminal gets the lines only."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.quiet = quiet
        self._bar = not quiet and self.stream.isatty()
        self._drawn = 0.0
        self._told: set[str] = set()

    def line(self, text: str) -> None:
        """One line that stays."""
        if not self.quiet:
            self.wipe()
            print(text, file=self.stream, flush=True)

    def news(self, text: str, about: str) -> None:
        """``line``, unless one ``about`` the same was said before, such as in the fold before."""
        if about not in self._told:
            self._told.add(about)
            self.line(text)

    def track(self, items: Iterable[T], total: int, title: str) -> Iterator[T]:
        """The items, with a bar of how many were taken."""
        began = time.perf_counter()
        for number, item in enumerate(items):
            self._draw(title, number, total, began)
            yield item
        self.wipe()

    def wipe(self) -> None:
        """Take the bar away: what is written next, by whomever, then begins a line."""
        if self._bar and self._drawn:
            self.stream.write("\r\x1b[2K")
            self.stream.flush()
            self._drawn = 0.0

    def stage(self, name: str) -> _Stage:
        """A counter ``(done, total)`` for work of core that tells how far it is."""
        return _Stage(self, name)

    def _draw(self, title: str, done: int, total: int, began: float) -> None:
        now = time.perf_counter()
        if not self._bar or (now - self._drawn < 0.1 and done):
            return
        self._drawn = now
        left = f" {(now - began) / done * (total - done):.0f} s left" if done else ""
        room = max(10, min(40, shutil.get_terminal_size().columns - len(title) - 30))
        full = round(room * done / max(1, total))
        self.stream.write(f"\r\x1b[2K{title} [{'#' * full}{'.' * (room - full)}] {done}/{total}{left}")
        self.stream.flush()


class _Stage:
    def __init__(self, progress: Progress, name: str) -> None:
        self.progress, self.name, self.began = progress, name, time.perf_counter()

    def __call__(self, done: int, total: int) -> None:
        self.progress._draw(self.name, done, total, self.began)
        if done >= total:
            self.progress.wipe()
