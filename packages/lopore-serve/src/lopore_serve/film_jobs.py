"""Whole films as jobs: submit, progress, result, cancel; one film at a time, the rest waits."""

from __future__ import annotations

import contextlib
import queue
import shutil
import threading
import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from lopore.audit.facts import inspection_drafts
from lopore.errors import LoporeError
from lopore.indications import FilmInspection, InspectionOptions, Profile, inspect_film
from lopore.indications.inspection_folder import write_inspection
from lopore.inference.cover_film import Cancelled
from lopore.reading.windows import open_film

from .batching import BusyError, ModelWorker
from .measures import Measures
from .recording import BY, Recorder

WORK = ".work"
"""Folder beside reports that holds the maps of films in work."""
State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass
class FilmJob:
    """One film. error: why it failed, in one line. out: folder that gets its report; None for none."""

    worker: ModelWorker
    upload: IO[bytes]
    name: str
    options: InspectionOptions
    profile: Profile | None
    page: int | None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: State = "waiting"
    stage: str = ""
    done: int = 0
    total: int = 0
    error: str = ""
    result: FilmInspection | None = None
    out: Path | None = None
    receipts: tuple[str, ...] = ()
    cancel: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def as_data(self) -> dict[str, Any]:
        """What a client may know of it."""
        return {
            "id": self.id, "film": self.name, "model": self.worker.model.folder.title, "state": self.state,
            "stage": self.stage, "done": self.done, "total": self.total, "error": self.error,
            "records": list(self.receipts),
        }  # fmt: skip


class FilmJobs:
    """The queue of films. A film lies in an unnamed temporary file while it waits and is worked on, no longer."""

    def __init__(self, most: int, most_finished: int, measures: Measures, recorder: Recorder) -> None:
        self._jobs: OrderedDict[str, FilmJob] = OrderedDict()
        self._waiting: queue.Queue[FilmJob | None] = queue.Queue()
        self._most, self._most_finished, self._measures, self._recorder = most, most_finished, measures, recorder
        self._lock = threading.Lock()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="lopore films", daemon=True)
        self._thread.start()

    def submit(self, job: FilmJob) -> FilmJob:
        """Put a film into the queue; BusyError where too many wait."""
        with self._lock:
            open_jobs = sum(not one.ended.is_set() for one in self._jobs.values())
            if self._stopping or open_jobs >= self._most:
                raise BusyError(f"{open_jobs} films wait or run; ask again when one is done")
            self._jobs[job.id] = job
            self._forget()
        self._waiting.put(job)
        return job

    def find(self, number: str) -> FilmJob | None:
        """A job by its id."""
        return self._jobs.get(number)

    def cancel(self, job: FilmJob) -> None:
        """Stop a film at its next batch; one that waits never begins."""
        job.cancel.set()

    def stop(self) -> None:
        """Finish the film that runs, cancel those that wait."""
        with self._lock:
            self._stopping = True
            for job in self._jobs.values():
                if job.state == "waiting":
                    job.cancel.set()
        self._waiting.put(None)
        self._thread.join()

    def _forget(self) -> None:
        finished = [number for number, job in self._jobs.items() if job.ended.is_set()]
        for number in finished[: max(0, len(finished) - self._most_finished)]:
            del self._jobs[number]

    def _work(self) -> None:
        while (job := self._waiting.get()) is not None:
            job.state = "cancelled" if job.cancel.is_set() else "running"
            if job.state == "running":
                self._run(job)
            with contextlib.suppress(OSError):
                job.upload.close()
            self._measures.film(job.state)
            job.ended.set()

    def _run(self, job: FilmJob) -> None:
        def progress(stage: str, done: int, total: int) -> None:
            job.stage, job.done, job.total = stage, done, total
            job.worker.let_others()

        try:
            with open_film(Path(job.upload.name), page=job.page) as film:
                work = job.out.parent / WORK / job.out.name if job.out is not None else None
                with job.worker.lock:
                    found = inspect_film(
                        job.worker.model, film, profile=job.profile, options=job.options, progress=progress,
                        cancelled=job.cancel.is_set, work_folder=work,
                    )  # fmt: skip
                job.result = _named(found, job.name)
                self._record(job, job.result)
                if job.out is not None and work is not None:
                    write_inspection(job.out, job.result, film, found.map, pdf=False)
                    shutil.rmtree(work, ignore_errors=True)
            job.state = "done"
        except Cancelled:
            job.state = "cancelled"
        except LoporeError as error:
            job.state, job.error = "failed", str(error).replace(Path(job.upload.name).name, job.name)
        except Exception as error:  # a fault of ours must not end the thread that all films need
            job.state, job.error = "failed", f"unexpected {type(error).__name__}; please report it"

    def _record(self, job: FilmJob, found: FilmInspection) -> None:
        if self._recorder.records:
            drafts = inspection_drafts(job.worker.model, found, job.profile, by=BY)
            job.receipts = tuple(map(str, self._recorder.submit(drafts).result()))


def _named(found: FilmInspection, name: str) -> FilmInspection:
    """The film under its own name, not under that of a temporary file."""
    return found.model_copy(update={"film": found.film.model_copy(update={"name": name, "path": None})})
