"""Which models were made here: their sums, kept for this user alone, so that files from elsewhere can be told apart.

A model that this list does not know is opened in a process of its own (``models.child_session``). The list is a
convenience: where it cannot be written every model counts as one from elsewhere.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

FILE = "published_models.txt"
MAX_BYTES = 16 << 20


def state_folder() -> Path:
    """Where lopore keeps what it must remember of this user: ``LOPORE_STATE``, else the system's own place."""
    given = os.environ.get("LOPORE_STATE")
    if given:
        return Path(given)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "lopore"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "lopore"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "lopore"


def remember(*sums: str) -> None:
    """Note SHA-256 sums (hex) of records and lone files that were made here; silent where nothing can be written."""
    with contextlib.suppress(OSError, RuntimeError):  # no home, or one that is read-only
        folder = state_folder()
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / FILE).open("a", encoding="ascii") as stream:
            stream.write("".join(f"{one}\n" for one in sums))


def was_made_here(one: str) -> bool:
    """Whether ``remember`` was called with this sum by this user on this machine."""
    try:
        with (state_folder() / FILE).open("rb") as stream:
            return one.encode() in stream.read(MAX_BYTES).split()
    except (OSError, RuntimeError):
        return False
