"""The folder that keeps the work on films, where one was named, and whether films are kept in it too.

No Streamlit in here.
"""

from __future__ import annotations

import os
from pathlib import Path


def work_folder() -> Path | None:
    """The folder that was named with ``lopore app --work FOLDER``; None where nothing is kept."""
    named = os.environ.get("LOPORE_WORK", "")
    return Path(named) if named else None


def films_may_be_kept() -> bool:
    """Whether the server was started with ``--keep-films``: then a visitor may ask for their films to be kept."""
    return work_folder() is not None and os.environ.get("LOPORE_KEEP_FILMS", "") == "1"
