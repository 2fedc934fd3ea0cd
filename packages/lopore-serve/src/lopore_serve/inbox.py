"""A watched folder: each film in it is inspected once, and its report appears in another folder."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lopore.atomic_files import atomic_write_text
from lopore.errors import LoporeError
from lopore.indications import InspectionOptions, Profile
from lopore.indications.inspection_folder import RECORD, write_summary
from lopore.reading.regular_files import left_by_machines

from .batching import BusyError, ModelWorker
from .film_jobs import FilmJob, FilmJobs

if TYPE_CHECKING:
    from collections.abc import Mapping

FAILED = ".failed"
"""Folder below the reports with one JSON file a film that could not be inspected."""
SECONDS_BETWEEN_LOOKS = 0.5
Stamp = tuple[int, int]


class Inbox:
    """Films of ``folder``, one after the other, to ``out``. A film is taken when it has not grown for one look.

    What is done is known by its report, so a service that was killed goes on where it was. A film that failed is tried
    again when it changes. worker: called once a film, so that films wait until the models are open.
    """

    def __init__(
        self,
        folder: Path,
        out: Path,
        worker: Callable[[], ModelWorker | None],
        films: FilmJobs,
        profile: Profile | None,
    ) -> None:
        self.folder, self.out = folder, out
        self._worker, self._films, self._profile = worker, films, profile
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="lopore inbox", daemon=True)

    def start(self) -> None:
        """Make the folders and begin. LoporeError where they cannot be made."""
        try:
            for folder in (self.folder, self.out):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LoporeError(f"{error.filename} cannot be made ({error.strerror}); name another folder") from None
        self._thread.start()

    def stop(self) -> None:
        """Begin no other film."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until the film that runs is written."""
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        seen: Mapping[Path, Stamp] = {}
        while not self._stopping.wait(SECONDS_BETWEEN_LOOKS):
            worker = self._worker()
            now = dict(self._waiting()) if worker is not None else {}
            for path in sorted(path for path, stamp in now.items() if seen.get(path) == stamp):
                if worker is None or self._stopping.is_set():
                    break
                self._inspect(path, now[path], worker)
            seen = now

    def _waiting(self) -> Iterator[tuple[Path, Stamp]]:
        """Files without a report, with size and time of the last change."""
        for path in self.folder.rglob("*"):
            relative = path.relative_to(self.folder)
            if any(part.startswith(".") or left_by_machines(part) for part in relative.parts):
                continue
            try:
                facts = path.lstat()
                stamp = (facts.st_size, facts.st_mtime_ns)
                if path.is_file() and not path.is_symlink() and not self._is_done(folder_name(relative), stamp):
                    yield path, stamp
            except OSError:  # it went between two looks
                continue

    def _is_done(self, name: str, stamp: Stamp) -> bool:
        if (self.out / name / RECORD).is_file():
            return True
        try:
            return bool(json.loads((self.out / FAILED / f"{name}.json").read_bytes())["stamp"] == list(stamp))
        except (OSError, ValueError, TypeError, KeyError):
            return False

    def _inspect(self, path: Path, stamp: Stamp, worker: ModelWorker) -> None:
        name = folder_name(path.relative_to(self.folder))
        try:
            stream = path.open("rb")
        except OSError:
            return
        job = FilmJob(worker, stream, path.name, InspectionOptions(), self._profile, None, out=self.out / name)
        try:
            self._films.submit(job)
        except BusyError:  # the next look comes to it
            stream.close()
            return
        job.ended.wait()
        if job.state == "failed":
            failure = {"film": path.name, "stamp": stamp, "error": job.error}
            atomic_write_text(self.out / FAILED / f"{name}.json", json.dumps(failure, indent=1) + "\n")
        elif job.state == "done":
            write_summary(self.out)


def folder_name(relative: Path) -> str:
    """One folder name for a file below the inbox: its path with its suffix, of letters that every disk takes."""
    return re.sub(r"[^\w.+-]+", "_", "__".join(relative.parts), flags=re.UNICODE).strip(".")[:160] or "film"
