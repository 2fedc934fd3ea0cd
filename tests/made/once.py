"""What takes too long to make in each process of a test run: the first that needs it makes it, the others wait."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

from lopore.atomic_files import atomic_folder

_PLACES: list[Path] = []


def settle(place: Path) -> None:
    """Say where this test run keeps such things, the same for all its processes."""
    _PLACES[:] = [place]


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """The folder ``name`` of this test run, which ``make`` fills; one that could not be filled is not kept."""
    folder = _PLACES[0] / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with atomic_folder(folder) as part:
                make(part)
    return folder
