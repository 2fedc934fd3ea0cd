"""Records of what the service answers, written before the answer goes out; many at a time in one transaction."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from lopore.audit import AuditTrail, Draft, Receipt, open_trail
from lopore.errors import LoporeError

MOST_AT_ONCE = 256
BY = "service"
HEADER = "Lopore-Records"
"""Of an answer: its receipts, NUMBER:HASH, with blanks between them."""


class NotRecordedError(LoporeError):
    """An answer that could not be recorded does not go out."""


@dataclass
class _Waiting:
    drafts: Sequence[Draft]
    future: Future[list[Receipt]] = field(default_factory=Future)


class Recorder:
    """One thread that appends what waits. Without a place it records nothing, and nothing waits for it."""

    def __init__(self, location: str | None) -> None:
        self._trail: AuditTrail | None = open_trail(location, create=True) if location else None
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="lopore records", daemon=True)
        self._thread.start()

    @property
    def records(self) -> bool:
        """Whether anything is recorded."""
        return self._trail is not None

    def submit(self, drafts: Sequence[Draft]) -> Future[list[Receipt]]:
        """The receipts, once the records are on the disk of the database; NotRecordedError where they are not."""
        one = _Waiting(drafts)
        if self._trail is None:
            one.future.set_result([])
        else:
            self._waiting.put(one)
        return one.future

    def stop(self) -> None:
        """Write what waits, then give the connections back."""
        self._waiting.put(None)
        self._thread.join()
        if self._trail is not None:
            self._trail.close()

    def _work(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._next()
            if batch:
                self._append(batch)

    def _next(self) -> tuple[list[_Waiting], bool]:
        batch: list[_Waiting] = []
        one = self._waiting.get()
        while one is not None:
            batch.append(one)
            if len(batch) == MOST_AT_ONCE:
                return batch, False
            try:
                one = self._waiting.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _append(self, batch: Sequence[_Waiting]) -> None:
        assert self._trail is not None
        try:
            receipts = iter(self._trail.append([draft for one in batch for draft in one.drafts]))
            for one in batch:
                one.future.set_result([next(receipts) for _ in one.drafts])
        except Exception as error:  # the thread lives on: the database may come back
            refused = NotRecordedError(f"the answer could not be recorded and is withheld: {error}")
            for one in batch:
                if not one.future.done():
                    one.future.set_exception(refused)


def receipts_header(receipts: Sequence[Receipt]) -> dict[str, str]:
    """The header of an answer with records; empty without."""
    return {HEADER: " ".join(map(str, receipts))} if receipts else {}
