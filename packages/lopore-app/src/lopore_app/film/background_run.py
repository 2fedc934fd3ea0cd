"""Work in a thread of its own, which ends with the server and says what went wrong. No Streamlit in here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

from lopore.errors import LoporeError


class BackgroundRun:
    """A thread that runs ``work`` once. error: why there is no result, on one line."""

    def __init__(self, name: str, work: Callable[..., None], *arguments: Any) -> None:
        self.error: str | None = None
        self._thread = threading.Thread(target=work, args=arguments, daemon=True, name=name)

    def start(self) -> Self:
        """Begin; returns itself."""
        self._thread.start()
        return self

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def wait(self, seconds: float | None = None) -> None:
        """Until the run has ended."""
        self._thread.join(seconds)

    @contextmanager
    def _errors_told(self, failed: str) -> Iterator[None]:
        """Keep what is raised as ``error``: a thread's error would be lost, and the page wait for ever."""
        try:
            yield
        except LoporeError as error:
            self.error = str(error)
        except Exception as error:
            self.error = f"{failed} ({type(error).__name__}); please report it"
