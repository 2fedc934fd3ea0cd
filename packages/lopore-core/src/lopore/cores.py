"""How many cores this process may use, and how long a model may run on them."""

from __future__ import annotations

import math
import os

from .errors import ConfigError

RUN_SECONDS = 120.0


def available_cores() -> int:
    """Cores this process may use (its affinity), not those that exist."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_seconds() -> float:
    """``LOPORE_RUN_SECONDS``, how long a file from elsewhere may run on one batch; ConfigError for no such number."""
    text = os.environ.get("LOPORE_RUN_SECONDS") or str(RUN_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.001 <= seconds <= 1_000_000:
        raise ConfigError(
            f"LOPORE_RUN_SECONDS={text[:40]!r} is no number of seconds from 0.001 to 1000000; set it to such as "
            f"{RUN_SECONDS:g}"
        )
    return seconds
