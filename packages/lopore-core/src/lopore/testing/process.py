"""What a plugin's code leaves behind in the process that it shares with all others."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from lopore.plugins.process_guard import Changes, preserve_state

from .check import require


def awake(work: Callable[..., None], *arguments: Any) -> None:
    """Run one check and put back what it changed, so that the next finds the process as it was."""
    if find_spec("cv2"):
        import cv2  # noqa: F401  # its threads can only be watched once it is there
    with preserve_state("import"):
        work(*arguments)


def leaves_all(work: Callable[[], object]) -> None:
    """AssertionError where the second of two runs of ``work`` changes the process; the first may import frameworks."""
    with preserve_state("import"):
        work()
    with preserve_state("import"):
        _stir()
        with preserve_state("import") as changes:
            work()
    require_none(changes)


def _stir() -> None:
    """Move the random states and OpenCV's threads: who sets them to what they are already is seen then."""
    import random

    import numpy as np

    random.random()
    np.random.random()
    if "cv2" in sys.modules:
        import cv2

        cv2.setNumThreads(cv2.getNumThreads() + 2)


def require_none(changes: Changes) -> None:
    """AssertionError that names what was changed, and threads that still run."""
    require(not changes.names, f"it changed {', '.join(changes.names)}; these belong to the whole process")
    require(not changes.threads, f"it left {changes.threads} thread(s) running; end them before you return")
