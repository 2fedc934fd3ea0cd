"""Which process of a group on several machines this is, by the variable ``TF_CONFIG`` of TensorFlow's launchers."""

from __future__ import annotations

import json
import os

from lopore.errors import ConfigError

VARIABLE = "TF_CONFIG"
FORM = '{"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'


def process_rank() -> tuple[int, int]:
    """(rank, world); (0, 1) without the variable. ConfigError where it names no workers, or anything but workers."""
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return 0, 1
    try:
        stated = json.loads(text)
        cluster, task = stated["cluster"], stated["task"]
        workers, index = cluster["worker"], task["index"]
        fits = set(cluster) == {"worker"} and task["type"] == "worker" and 0 <= index < len(workers)
    except (ValueError, KeyError, TypeError):
        fits = False
    if not fits:
        raise ConfigError(f"{VARIABLE} is {text[:120]!r}; {FORM} is understood, or unset it")
    return int(index), len(workers)
