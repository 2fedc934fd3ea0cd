"""What all routes share: the models, the films, and the way from an event loop to their threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from lopore.arrays import Pixels
from lopore.audit import Draft, Receipt
from lopore.cores import available_cores
from lopore.errors import LoporeError
from lopore.indications import read_profile
from lopore.indications.acceptance import check_variables
from lopore.inference.feature_distance import Answer

from .batching import ModelWorker
from .film_jobs import FilmJobs
from .inbox import Inbox
from .measures import Measures
from .models import ModelPool
from .recording import Recorder
from .settings import InboxSettings, ServiceSettings

if TYPE_CHECKING:
    from .dicom_listener import DicomListener

T = TypeVar("T")


class TooSlowError(LoporeError):
    """An answer took longer than the settings allow."""


class Service:
    """One service: opened by ``start``, ended by ``stop``, which finishes what runs."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.measures = Measures()
        self.pool = ModelPool(settings, self.measures)
        self.recorder = Recorder(settings.records)
        self.films = FilmJobs(settings.film_jobs, settings.kept_results, self.measures, self.recorder)
        self.inbox = self._inbox(settings.inbox) if settings.inbox is not None else None
        self._listener: DicomListener | None = None
        self._readers = ThreadPoolExecutor(max(2, available_cores()), thread_name_prefix="lopore reader")
        self._stopping = False
        self._opening: threading.Thread | None = None
        self.failure = ""
        self.when_failed: Callable[[], None] = lambda: None
        """Called where no model could be opened, with the reason in ``failure``."""

    def start(self) -> None:
        """Open the models on a thread of its own: the service is live at once, and ready when they have answered."""
        self._opening = threading.Thread(target=self._open, name="lopore models")
        self._opening.start()
        try:
            self._take_films()
        except LoporeError as error:
            self._fail(error)

    def _take_films(self) -> None:
        if self.inbox is not None:
            self.inbox.start()
        if self.settings.inbox is not None and self.settings.inbox.dicom_port is not None:
            from .dicom_listener import DicomListener

            self._listener = DicomListener(self.settings.inbox, self.settings.max_upload_bytes)

    def _inbox(self, asked: InboxSettings) -> Inbox:
        profile = read_profile(asked.profile) if asked.profile is not None else None
        if profile is not None:
            check_variables(profile, {})

        def worker() -> ModelWorker | None:
            return self.pool.worker(asked.model) if self.pool.ready else None

        return Inbox(asked.folder, asked.out, worker, self.films, profile)

    def _open(self) -> None:
        try:
            self.pool.open_all()
            if self.settings.inbox is not None:
                self.pool.worker(self.settings.inbox.model)  # a name that is not served is told at the start
        except LoporeError as error:
            self._fail(error)

    def _fail(self, error: LoporeError) -> None:
        self.failure = str(error)
        self.when_failed()

    @property
    def ready(self) -> bool:
        """Models have answered, and nothing stops."""
        return self.pool.ready and not self._stopping

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Reading and preprocessing, beside the event loop, on as many threads as there are cores."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    async def answer(self, worker: ModelWorker, images: Sequence[Pixels], *, distances: bool = True) -> list[Answer]:
        """The model's answers to images, in order; TooSlowError after the time of the settings.

        distances: see ``ModelWorker.submit``.
        """
        pieces = [images[at : at + worker.at_once] for at in range(0, len(images), worker.at_once)]
        futures = [asyncio.wrap_future(worker.submit(piece, distances=distances)) for piece in pieces]
        try:
            found = await asyncio.wait_for(asyncio.gather(*futures), self.settings.seconds)
        except TimeoutError:
            raise TooSlowError(f"no answer within {self.settings.seconds:g} s; ask again, or raise --seconds") from None
        return [answer for piece in found for answer in piece]

    async def recorded(self, drafts: Sequence[Draft]) -> list[Receipt]:
        """Receipts of what was written down; none where nothing is recorded. NotRecordedError: do not answer."""
        return await asyncio.wrap_future(self.recorder.submit(drafts))

    def stop(self) -> None:
        """Finish what runs, then give everything back."""
        self._stopping = True
        if self._opening is not None:
            self._opening.join()
        if self._listener is not None:
            self._listener.stop()
        if self.inbox is not None:
            self.inbox.stop()
        self.films.stop()
        if self.inbox is not None:
            self.inbox.join()
        self._readers.shutdown(wait=True)
        self.recorder.stop()
        self.pool.stop()
