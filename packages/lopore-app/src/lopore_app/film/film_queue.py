"""Several films through a model, one after the other, while one looks at any of them. No Streamlit in here."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence

from lopore.errors import LoporeError
from lopore_app.film.background_run import BackgroundRun
from lopore_app.film.film_work import FilmWork
from lopore_app.film.inspection_run import InspectionRun
from lopore_app.inspection.memory import Memory

Begin = Callable[[], InspectionRun]
"""Reads a film and begins its run. Raises LoporeError for one that cannot be read."""


class FilmQueue(BackgroundRun):
    """Runs of films in order. It ends by itself when its visitor's session is gone.

    films: the work of each film, and what begins its run; work that has a result by then is passed over.
    """

    def __init__(self, films: Sequence[tuple[FilmWork, Begin]], visitor: Memory) -> None:
        self.total, self.done = len(films), 0
        self._films, self._visitor = list(films), weakref.ref(visitor)
        self._stop = threading.Event()
        self._now: InspectionRun | None = None
        super().__init__("film queue", self._work)

    @property
    def text(self) -> str:
        """How far it is, in words."""
        return f"film {min(self.done + 1, self.total)} of {self.total}"

    def stop(self) -> None:
        """Ask the present run and those that follow to end."""
        self._stop.set()
        if self._now is not None:
            self._now.stop()

    def _work(self) -> None:
        for work, begin in self._films:
            if self._stop.is_set() or self._visitor() is None:
                return
            if work.found is None and (work.run is None or not work.run.running):
                try:
                    work.run = self._now = begin()
                    self._now.wait()
                except LoporeError as error:
                    work.problem = str(error)
            self.done += 1
