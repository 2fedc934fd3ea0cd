"""How far long work is: a bar on a terminal, else a line on standard error every few seconds.

By hand: the bar is a third of it. rich brings 6 MB and 250 ms of imports (this file 16 ms) and writes nothing while a
job runs without a terminal; tqdm is under the MPL.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")
LINE_EVERY = 10.0
"""Seconds between lines where there is no terminal."""


class Progress:
    """Lines and one bar. ``quiet`` says nothing at all; a stream that is no terminal gets lines in place of the bar."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.stream = stream if stream is not None else sys.stderr
        self.quiet = quiet
        self._bar = not quiet and self.stream.isatty()
        self._drawn = 0.0
        self._lined = time.perf_counter()
        self._announced: set[str] = set()

    def line(self, text: str) -> None:
        """One line that stays."""
        if not self.quiet:
            self.wipe()
            print(text, file=self.stream, flush=True)

    def news(self, text: str, about: str) -> None:
        """``line``, unless one ``about`` the same was said before, such as in the fold before."""
        if about not in self._announced:
            self._announced.add(about)
            self.line(text)

    def track(
        self, items: Iterable[T], total: int, title: str, *, before: int = 0, every: float = LINE_EVERY
    ) -> Iterator[T]:
        """The items, with a bar of how many were taken. before: how many of the total were done earlier.

        every: seconds between lines where there is no terminal.
        """
        began = self._lined = time.perf_counter()
        for number, item in enumerate(items):
            self._draw(title, number, total, began, before, every)
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

    def _draw(
        self, title: str, done: int, total: int, began: float, before: int = 0, every: float = LINE_EVERY
    ) -> None:
        """done: of the ``total - before`` that are left."""
        now = time.perf_counter()
        seconds = (now - began) / done * (total - before - done) if done else 0.0
        if not self._bar:
            if not self.quiet and done and now - self._lined >= every:
                self._lined = now
                self.line(f"{title}: {before + done} of {total}, {done / (now - began):.3g} a second, {_left(seconds)}")
            return
        if now - self._drawn < 0.1 and done:
            return
        self._drawn = now
        left = f" {_left(seconds)}" if done else ""
        room = max(10, min(40, shutil.get_terminal_size().columns - len(title) - 30))
        full = round(room * (before + done) / max(1, total))
        self.stream.write(f"\r\x1b[2K{title} [{'#' * full}{'.' * (room - full)}] {before + done}/{total}{left}")
        self.stream.flush()


def _left(seconds: float) -> str:
    return f"{seconds:.0f} s left" if seconds < 120 else f"{seconds / 60:.0f} min left"


class _Stage:
    def __init__(self, progress: Progress, name: str) -> None:
        self.progress, self.name, self.began = progress, name, time.perf_counter()

    def __call__(self, done: int, total: int) -> None:
        self.progress._draw(self.name, done, total, self.began)
        if done >= total:
            self.progress.wipe()
