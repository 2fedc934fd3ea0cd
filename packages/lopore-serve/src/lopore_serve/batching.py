"""One session a model: what waits is answered in one batch, by one thread that the session belongs to."""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lopore.arrays import Pixels
from lopore.errors import LoporeError
from lopore.inference.feature_distance import Answer
from lopore.inference.predict import answer_images, images_at_once

if TYPE_CHECKING:
    from lopore.models.opening import OpenModel

    from .measures import Measures


SECONDS_TO_TAKE_OVER = 0.05
"""Within which the thread that waits for a lock has it, even on a busy machine."""


class BusyError(LoporeError):
    """The queue of a model is full, or the service stops."""


@dataclass
class _Waiting:
    pixels: Pixels
    future: Future[Answer] = field(default_factory=Future)
    began: float = field(default_factory=time.monotonic)


class ModelWorker:
    """Answers images of one model in the order in which they came.

    A batch is what waits when the session is free, up to ``images_at_once``: no image waits for others to come.
    """

    def __init__(self, model: OpenModel, most_waiting: int, measures: Measures) -> None:
        self.model = model
        self.ready = False
        self.lock = threading.Lock()
        """Held while the session runs; the inspection of a film takes turns with single images."""
        self._wants = threading.Event()
        self._most = images_at_once(model.record)
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(most_waiting)
        self._measures = measures
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name=f"lopore {model.folder.title}", daemon=True)
        self._thread.start()

    @property
    def name(self) -> str:
        """The model's name, without its version."""
        return self.model.record.name

    def warm(self) -> None:
        """Answer one made image; from then on the worker is ready. Raises what the model raises."""
        record = self.model.record.preprocessing
        blank = np.zeros((*record.size, record.channels), np.uint16 if record.depth == 16 else np.uint8)
        self.submit(blank).result(timeout=600)
        self.ready = True

    def submit(self, pixels: Pixels) -> Future[Answer]:
        """The future answer to one preprocessed image (H, W, C); BusyError at once where too many wait."""
        if self._stopping:
            raise BusyError("the service is stopping; ask again in a moment")
        one = _Waiting(pixels)
        try:
            self._waiting.put_nowait(one)
        except queue.Full:
            raise BusyError(f"{self._waiting.maxsize} images wait for {self.name}; ask again in a moment") from None
        self._measures.waiting(self.name, self._waiting.qsize())
        return one.future

    def let_others(self) -> None:
        """Of who holds the lock, between two batches of a film: one batch of images that wait goes first."""
        if not self._wants.is_set():
            return
        self.lock.release()
        until = time.monotonic() + SECONDS_TO_TAKE_OVER
        while self._wants.is_set() and time.monotonic() < until:
            time.sleep(0.0005)
        self.lock.acquire()

    def stop(self) -> None:
        """Answer what waits, take nothing new, and give the session back."""
        self._stopping = True
        self._waiting.put(None)
        self._thread.join()
        self.model.session.close()

    def _work(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._next_batch()
            batch = [one for one in batch if one.future.set_running_or_notify_cancel()]
            if batch:
                self._answer(batch)
                self._measures.waiting(self.name, self._waiting.qsize())

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        first = self._waiting.get()
        if first is None:
            return [], True
        batch = [first]
        while len(batch) < self._most:
            try:
                one = self._waiting.get_nowait()
            except queue.Empty:
                break
            if one is None:
                return batch, True
            batch.append(one)
        return batch, False

    def _answer(self, batch: list[_Waiting]) -> None:
        began = time.monotonic()
        try:
            self._wants.set()
            with self.lock:
                self._wants.clear()
                answers = answer_images(self.model, [one.pixels for one in batch])
        except Exception as error:
            for one in batch:
                one.future.set_exception(error)
            return
        for one, answer in zip(batch, answers, strict=True):
            one.future.set_result(answer)
        self._measures.answered(self.name, len(batch), time.monotonic() - began, began - batch[0].began)
