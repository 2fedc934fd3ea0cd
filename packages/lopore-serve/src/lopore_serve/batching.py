"""One session a model: what waits is answered in one batch, by one thread that the session belongs to."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lopore.arrays import Pixels
from lopore.errors import LoporeError
from lopore.inference.feature_distance import Answer
from lopore.inference.predict import answer_images, images_at_once, score_images

if TYPE_CHECKING:
    from lopore.models.opening import OpenModel

    from .measures import Measures


SECONDS_TO_TAKE_OVER = 0.05
"""Within which the thread that waits for a lock has it, even on a busy machine."""


class BusyError(LoporeError):
    """The queue of a model is full, or the service stops."""


@dataclass
class _Waiting:
    images: Sequence[Pixels]
    distances: bool
    future: Future[list[Answer]] = field(default_factory=Future)
    began: float = field(default_factory=time.monotonic)


class ModelWorker:
    """Answers images of one model in the order in which they came.

    A batch is what waits when the session is free, up to ``images_at_once``: no image waits for others to come.
    most_waiting: images, not requests.
    """

    def __init__(self, model: OpenModel, most_waiting: int, measures: Measures) -> None:
        self.model = model
        self.ready = False
        self.lock = threading.Lock()
        """Held while the session runs; the inspection of a film takes turns with single images."""
        self._wants = threading.Event()
        self._most = images_at_once(model.record)
        self._most_waiting, self._count, self._counting = most_waiting, 0, threading.Lock()
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._next: _Waiting | None = None
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
        self.submit([blank]).result(timeout=600)
        self.ready = True

    @property
    def at_once(self) -> int:
        """Images that ``submit`` takes at most."""
        return self._most

    def submit(self, images: Sequence[Pixels], *, distances: bool = True) -> Future[list[Answer]]:
        """The future answers to 1 to ``at_once`` preprocessed images (H, W, C), which stay in one batch.

        distances: to the training images, which cost a few hundredths of the network's time, beside the scores.
        BusyError at once where too many wait.
        """
        if self._stopping:
            raise BusyError("the service is stopping; ask again in a moment")
        with self._counting:
            if self._count + len(images) > self._most_waiting:
                raise BusyError(f"{self._count} images wait for {self.name}; ask again in a moment")
            self._count += len(images)
        one = _Waiting(images, distances)
        self._waiting.put(one)
        self._measures.waiting(self.name, self._count)
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
            taken, ended = self._next_batch()
            with self._counting:
                self._count -= sum(len(one.images) for one in taken)
            batch = [one for one in taken if one.future.set_running_or_notify_cancel()]
            if batch:
                self._answer(batch)
            self._measures.waiting(self.name, self._count)

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        """Requests whose images go into one batch; whether they were the last."""
        first, self._next = self._next or self._waiting.get(), None
        if first is None:
            return [], True
        batch, count = [first], len(first.images)
        while count < self._most:
            try:
                one = self._waiting.get_nowait()
            except queue.Empty:
                break
            if one is None:
                return batch, True
            count += len(one.images)
            if count > self._most:
                self._next = one
                break
            batch.append(one)
        return batch, False

    def _answer(self, batch: list[_Waiting]) -> None:
        began = time.monotonic()
        images = [pixels for one in batch for pixels in one.images]
        try:
            self._wants.set()
            with self.lock:
                self._wants.clear()
                if any(one.distances for one in batch):
                    answers = answer_images(self.model, images)
                else:
                    answers = [Answer(row) for row in score_images(self.model, images)]
        except Exception as error:
            for one in batch:
                one.future.set_exception(error)
            return
        at = 0
        for one in batch:
            one.future.set_result(answers[at : at + len(one.images)])
            at += len(one.images)
        self._measures.answered(self.name, len(images), time.monotonic() - began, began - batch[0].began)
