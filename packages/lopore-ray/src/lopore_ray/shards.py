"""Shards of a command as tasks of Ray; a lost worker costs its shard alone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lopore.errors import ConfigError, LoporeError

RETRIES = 2
"""How often a shard is begun again whose worker was lost."""
SHARDS_PER_CORE = 4
"""Small shards: the last one to end keeps few cores waiting, and a lost one costs little."""


@dataclass(frozen=True)
class ShardEnd:
    """How one shard ended. status: of its command; None where it was lost, and ``errors`` says how."""

    shard: tuple[int, int]
    status: int | None
    output: str
    errors: str


def connect(where: str) -> int:
    """Join the cluster of ``ray`` or ``ray://HOST:PORT``; its cores. ConfigError where it does not answer."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is told to a third party
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    cluster: Any = ray  # a library without whole types
    address = None if where == "ray" else where
    try:
        cluster.init(address=address, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, ImportError, RuntimeError) as error:
        why = str(error).splitlines()[0][:160]
        raise ConfigError(f"no cluster answers at {where} ({why}); name its head") from None
    return max(1, int(cluster.cluster_resources().get("CPU", 1)))


def leave() -> None:
    """Leave the cluster; one that was started here ends."""
    import ray

    ray.shutdown()


def run_shards(words: Sequence[str], count: int) -> Iterator[ShardEnd]:
    """Run ``lopore WORDS --shard I/COUNT`` for every I, on one core each; in the order of I."""
    import ray

    task: Any = ray.remote(num_cpus=1, max_retries=RETRIES)(run_one)
    here = os.getcwd()  # noqa: PTH109
    roots = os.environ.get("LOPORE_MODELS", "")
    shards = [(number, count) for number in range(1, count + 1)]
    waiting = [task.remote(list(words), shard, here, roots) for shard in shards]
    for shard, one in zip(shards, waiting, strict=True):
        try:
            status, output, errors = ray.get(one)
            yield ShardEnd(shard, status, output, errors)
        except ray.exceptions.RayError as error:
            yield ShardEnd(shard, None, "", f"{type(error).__name__} after {RETRIES + 1} attempts")


def run_one(words: list[str], shard: tuple[int, int], folder: str, roots: str) -> tuple[int, str, str]:
    """One shard, in the worker's own process: status, output and errors of its command."""
    import io
    from contextlib import redirect_stderr, redirect_stdout

    import click

    from lopore.cli import main

    try:
        os.chdir(folder)
    except OSError:
        raise LoporeError(f"this machine has no {folder}; all machines have to see the same files") from None
    os.environ["LOPORE_MODELS"] = roots
    output, errors, status = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            main.main(
                [words[0], "--shard", f"{shard[0]}/{shard[1]}", *words[1:]], prog_name="lopore", standalone_mode=False
            )
        except click.ClickException as error:
            error.show()
            status = error.exit_code
        except SystemExit as end:
            status = int(end.code or 0)
    return status, output.getvalue(), errors.getvalue()
