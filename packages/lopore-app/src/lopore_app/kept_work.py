"""The folder that keeps the work on films, where one was named. No Streamlit in here."""

from __future__ import annotations

import os
from pathlib import Path


def work_folder() -> Path | None:
    """The folder that was named with ``lopore app --work FOLDER``; None where nothing is kept."""
    named = os.environ.get("LOPORE_WORK", "")
    return Path(named) if named else None
