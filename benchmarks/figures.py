"""What every benchmark takes from the command line and leaves behind: options, a clock, figures as JSON."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def arguments(about: str | None) -> argparse.ArgumentParser:
    """A parser that shows a script's docstring as it stands, with ``--json FILE``."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the figures into this file")
    return parser


def keep(figures: Any, path: Path | None) -> None:
    """Write the figures where ``--json`` named a file."""
    if path is not None:
        path.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def clock_for(threads: int) -> Callable[[], float]:
    """Seconds: CPU time of one thread, which a busy neighbour moves little, and wall time of several."""
    return time.process_time if threads == 1 else time.perf_counter


def timed(work: Callable[[], object]) -> float:
    """Seconds of wall time."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
