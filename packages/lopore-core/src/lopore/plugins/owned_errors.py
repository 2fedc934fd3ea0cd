"""Errors of a plugin's function that is called many times a second, named after its owner."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lopore.errors import LoporeError, PluginError

from .problems import describe_error, leave_out


@contextmanager
def owned_errors(kind: str, key: str, source: str) -> Iterator[None]:
    """Any error but lopore's own becomes a PluginError that names owner and key; nothing else is watched, unlike
    ``call_entry``. A Ctrl-C and a lack of memory pass through."""
    try:
        yield
    except (LoporeError, GeneratorExit, KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # SystemExit of a plugin must not end lopore
        way_out = f"use another or tell its author; {leave_out(source)}"
        raise PluginError(f"{kind} '{key}' of {source} failed: {describe_error(error)}; {way_out}") from error
