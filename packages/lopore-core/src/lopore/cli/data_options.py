"""What the commands of ``lopore data`` share: options, and progress on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

PATH = click.Path(path_type=Path)
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 64),
    metavar="N",
    show_default="the cores allowed",
    help="Threads that read files.",
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    metavar="N",
    default=0,
    show_default=True,
    help="Equal seeds give equal results.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def stage(name: str) -> Callable[[int, int], None]:
    """Progress on a terminal; silence elsewhere."""
    if not sys.stderr.isatty():
        from lopore.data.scan import silent

        return silent(name)
    bars: list[Any] = []

    def advance(done: int, total: int) -> None:
        if not bars:
            bars.append(click.progressbar(length=total, label=name, file=sys.stderr))
            bars[0].render_progress()
        bars[0].update(done - bars[0].pos)
        if done >= total:
            bars[0].render_finish()

    return advance


def plain_text(text: str, limit: int = 160) -> str:
    from lopore.messages import plain

    return plain(text, limit)
