"""``lopore serve`` in a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOKEN = "a-token-of-the-tests-0123456789"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(models: Path, *words: str, wait: float = 60.0) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The service over a folder of models: (address, process)."""
    import httpx

    port = free_port()
    environment = {**os.environ, "LOPORE_MODELS": str(models)}
    process = subprocess.Popen(
        [sys.executable, "-m", "lopore", "serve", "--port", str(port), *words],
        env=environment, cwd=models.parent, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + wait
        while time.monotonic() < until and process.poll() is None:
            try:
                if httpx.get(f"{address}/v2/health/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address, process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)
