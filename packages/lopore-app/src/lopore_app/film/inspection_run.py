"""One film through a model in a thread of its own, while one looks at the film. No Streamlit in here."""

from __future__ import annotations

import tempfile
import threading
import time
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lopore.indications import inspect_film
from lopore.indications.acceptance_profile import Profile
from lopore.indications.film_inspection import FilmInspection
from lopore.indications.options import InspectionOptions
from lopore.inference.cover_film import Cancelled
from lopore.inference.film_map import FilmMap
from lopore.models.opening import OpenModel
from lopore.reading.film_source import FilmSource
from lopore_app.film.background_run import BackgroundRun
from lopore_app.film.judged_parts import JudgedParts, judged_parts, thresholds_of
from lopore_app.inspection.memory import Memory

STAGES = {"map": "tiles", "regions": "strips searched for marks", "measure": "marks measured"}


@dataclass(frozen=True)
class Progress:
    """How far a run is. seconds_left: None before there is anything to go by."""

    stage: str
    done: int
    total: int
    seconds_left: float | None = None

    @property
    def share(self) -> float:
        return min(1.0, self.done / self.total) if self.total else 0.0

    @property
    def text(self) -> str:
        left = "" if self.seconds_left is None else f", about {max(1, round(self.seconds_left))} s left"
        return f"{self.done} of {self.total} {STAGES.get(self.stage, self.stage)}{left}"


class InspectionRun(BackgroundRun):
    """A run of one film. It ends by itself when its visitor's session is gone.

    result, error: None until the run has ended with one of them; both stay None for one that was stopped. parts: what
    is judged so far.
    """

    def __init__(
        self,
        model: OpenModel,
        source: FilmSource,
        options: InspectionOptions,
        profile: Profile | None,
        visitor: Memory,
    ) -> None:
        self.result: FilmInspection | None = None
        self.progress = Progress("map", 0, 0)
        self.parts: JudgedParts | None = None
        self._thresholds, self._known = thresholds_of(model, options), 0
        self._folder = tempfile.TemporaryDirectory(prefix="lopore-film-")
        self._stop = threading.Event()
        self._visitor = weakref.ref(visitor)
        self._began = time.monotonic()
        # The thread alone holds the film: a run that has ended, and is kept for its result, holds no pixels.
        super().__init__("film inspection", self._run, model, source, options, profile)

    def stop(self) -> None:
        """Ask the run to end after its present batch."""
        self._stop.set()

    def _run(self, model: OpenModel, source: FilmSource, options: InspectionOptions, profile: Profile | None) -> None:
        with self._errors_told("the inspection failed unexpectedly"), suppress(Cancelled):
            self.result = inspect_film(
                model,
                source,
                profile=profile,
                options=options,
                work_folder=Path(self._folder.name),
                progress=self._report_progress,
                judged=self._report_parts,
                cancelled=lambda: self._stop.is_set() or self._visitor() is None,
            )

    def _report_progress(self, stage: str, done: int, total: int) -> None:
        spent = time.monotonic() - self._began
        left = spent * (total - done) / done if stage == "map" and done else None
        self.progress = Progress(stage, done, total, left)

    def _report_parts(self, film_map: FilmMap) -> None:
        self.parts = judged_parts(film_map, self._thresholds, self.parts, self._known)
        self._known = film_map.done
