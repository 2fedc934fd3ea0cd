"""A SQLite file that several tabs and servers write at once: opened for one change, which is whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def opened_for_a_change(path: Path, table: str, *, alone: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection within a transaction, closed afterwards. Raises what sqlite3 raises.

    table: the statement that makes the table where there is none. alone: nobody else writes until the end.
    """
    link = sqlite3.connect(path, timeout=10)
    try:
        link.execute("PRAGMA journal_mode=WAL")
        link.execute(table)
        with link:
            if alone:
                link.execute("BEGIN IMMEDIATE")
            yield link
    finally:
        link.close()
