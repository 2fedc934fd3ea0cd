"""The app in a process of its own, at a port of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(port: int) -> None:
    until = time.monotonic() + SECONDS
    while not listens(port):
        if time.monotonic() > until:
            pytest.fail(f"the app did not open its port within {SECONDS} s")
        time.sleep(0.1)


@contextmanager
def serving(place: Path, *words: str, at: int | None = None, **environment: str) -> Iterator[int]:
    """The app standing in ``place``, started with more ``words``, until the block ends; gives its port.

    at: the port, where it has to be that of a server that is gone.
    """
    port = at or free_port()
    command = [sys.executable, "-m", "lopore_app", "--no-browser", f"--port={port}", *words]
    with subprocess.Popen(
        command, cwd=place, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_for(port)
            yield port
        finally:
            server.terminate()
            server.wait(timeout=30)
