"""Candidates of a benchmark, each in a process of its own, that take turns while the others wait.

Allocator, threads and the processor's caches are then each one's own, as in use: in one process two copies of a network
push each other's weights out of the cache.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any, Self


class Turns:
    """``serve(*arguments[name], pipe)`` in a process for each name.

    serve: sends one message when it is warm, then an answer to each message it receives, and ends at a false one.
    ready: the first messages by name.
    """

    def __init__(self, serve: Callable[..., None], arguments: Mapping[str, tuple[Any, ...]]) -> None:
        context = multiprocessing.get_context("spawn")
        self.ready: dict[str, Any] = {}
        self._pipes: dict[str, Connection] = {}
        self._processes: list[SpawnProcess] = []
        try:
            for name, own in arguments.items():
                self._pipes[name], theirs = context.Pipe()
                self._processes.append(context.Process(target=serve, args=(*own, theirs)))
                self._processes[-1].start()
                theirs.close()  # so that a candidate that dies ends the wait
                self.ready[name] = self._pipes[name].recv()
        except BaseException:  # the others would keep this process from ending
            self.__exit__()
            raise

    def ask(self, name: str, job: Any = True) -> Any:
        """One candidate's answer."""
        self._pipes[name].send(job)
        return self._pipes[name].recv()

    def round(self, job: Any = True) -> dict[str, Any]:
        """The answer of each candidate, one after another."""
        return {name: self.ask(name, job) for name in self._pipes}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes.values():
            with suppress(OSError):  # this one died
                pipe.send(False)
        for process in self._processes:
            process.join(5)
            process.kill()  # the workers of a loader may hold it
