"""A model from elsewhere as a session: opened and run in a process of its own, with limits on memory and time.

A graph that came with a file decides how much it takes, also while it is loaded, when constants are folded. What it
takes is taken by the child process, which ends when it takes too much; nothing but numbers comes back from it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import HeatMaps, PixelBatch, Scores, gives_maps
from lopore.contracts import Predictor
from lopore.cores import run_seconds
from lopore.errors import ConfigError, ModelError
from lopore.record.folder import ModelFolder

from .pipe_messages import Message, receive, send
from .process_limits import MIB, Allowance, Usage, limit_space, usage_of

START_SECONDS = 120.0
"""For importing a runtime; on a busy machine TensorFlow takes half a minute."""
_POLL_SECONDS = 0.01
_BASE_MEMORY, _WEIGHTS_FACTOR, _PIXEL_MEMORY = 384 * MIB, 6, 1024
_BASE_SECONDS, _BYTES_A_SECOND, _PIXELS_A_SECOND = 3.5, 10e6, 1e6
_SHARE_OF_START = 0.5
"""Of the processor time that importing the runtime took, before the file was looked at: so a busy machine gets more."""
Arrays = list[NDArray[Any]]


class ChildSession:
    """``lopore.contracts.Session`` over a child process; ``explainers`` names those that fit the model there.

    Raises ModelError from every method where the model takes more than its allowance or its process ends.
    """

    def __init__(
        self, folder: ModelFolder, format: str, predictor: Predictor, device: str, threads: int | None
    ) -> None:
        self.title, self._clock = folder.title, run_seconds()
        self._lock, self._replies = threading.Lock(), queue.SimpleQueue[tuple[Message, Arrays] | None]()
        self._opening = _opening_allowance(folder, format)
        self._process = _start()
        threading.Thread(target=_listen, args=(self._process.stdout, self._replies), daemon=True).start()
        self._end = weakref.finalize(self, _end, self._process)
        self._usage = Usage()
        self._each = 0
        self._gives_features = False
        try:
            self._open(folder, format, predictor.key, device, threads)
        except BaseException:
            self.close()
            raise

    def _open(self, folder: ModelFolder, format: str, predictor: str, device: str, threads: int | None) -> None:
        start = Allowance(1 << 40, float("inf"), START_SECONDS)
        self._ask({"do": "prepare", "predictor": predictor}, [], start)
        request = {
            "do": "open", "path": str(folder.source.resolve()), "format": format, "predictor": predictor,
            "device": device, "threads": threads,
        }  # fmt: skip
        before = self._usage = usage_of(self._process.pid)
        self._opening = _opening_allowance(folder, format, before.seconds)
        reply, _ = self._ask(request, [], self._opening)
        self.explainers = frozenset(map(str, reply["explainers"]))
        self._gives_features = bool(reply["features"])
        self._each = max(0, usage_of(self._process.pid).peak - before.memory)

    def predict(self, batch: PixelBatch) -> Scores:
        """See ``Session.predict``."""
        return self._run({"do": "predict"}, batch)

    @property
    def gives_features(self) -> bool:
        """See ``FeatureSession``."""
        return self._gives_features

    def answer_with_features(self, batch: PixelBatch) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """See ``FeatureSession``."""
        answer, features = self._run_all({"do": "features"}, batch)
        return answer, features

    def explain(self, explainer: str, batch: PixelBatch, class_index: int) -> HeatMaps:
        """What the explainer of this key gives for the model there; see ``Explainer.explain``."""
        return self._run({"do": "explain", "explainer": explainer, "class": class_index}, batch)

    def close(self) -> None:
        """End the process."""
        self._end()

    def _run(self, request: Message, batch: PixelBatch) -> NDArray[np.float32]:
        (found,) = self._run_all(request, batch)
        return found

    def _run_all(self, request: Message, batch: PixelBatch) -> Arrays:
        """One request whose allowance grows with the batch, by what the first image took."""
        memory = self._opening.memory + len(batch) * self._each
        return self._ask(request, [batch], Allowance(memory, float("inf"), self._clock))[1]

    def _ask(self, request: Message, arrays: Sequence[NDArray[Any]], allowance: Allowance) -> tuple[Message, Arrays]:
        with self._lock:
            if self._process.poll() is not None:
                raise ModelError("the session was closed; open the model again")
            before = usage_of(self._process.pid)
            before = replace(before, memory=self._usage.memory or before.memory)
            limit_space(self._process.pid, before, allowance.memory)
            try:
                send(self._process.stdin, request, arrays)  # type: ignore[arg-type]
            except OSError:
                raise self._refusal("ends its process") from None
            reply, found = self._wait(before, allowance)
        if reply.get("memory"):
            raise self._refusal(f"takes more than {allowance.memory // MIB} MiB of memory")
        if "error" in reply:
            raise ModelError(str(reply["error"]))
        return reply, found

    def _wait(self, before: Usage, allowance: Allowance) -> tuple[Message, Arrays]:
        began = time.monotonic()
        while True:
            try:
                reply = self._replies.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                broken = allowance.broken(before, usage_of(self._process.pid), time.monotonic() - began)
                if broken:
                    raise self._refusal(broken) from None
                continue
            if reply is None:
                raise self._refusal("ends its process")
            return reply

    def _refusal(self, what: str) -> ModelError:
        self.close()
        return ModelError(
            f"{self.title} comes from elsewhere and {what}; it was stopped. Use another model, or where you trust it "
            "set LOPORE_MODEL_MEMORY (MiB), LOPORE_OPEN_SECONDS or LOPORE_RUN_SECONDS higher"
        )


class ChildMapSession(ChildSession):
    """``lopore.contracts.MapSession`` over a child process."""

    def segment(self, batch: PixelBatch) -> NDArray[np.float32]:
        """See ``MapSession.segment``."""
        return self._run({"do": "segment"}, batch)


def child_session(
    folder: ModelFolder, format: str, predictor: Predictor, device: str, threads: int | None
) -> ChildSession:
    """The session that a model of the record's task needs, in a process of its own."""
    kind = ChildMapSession if gives_maps(folder.record.task) else ChildSession
    return kind(folder, format, predictor, device, threads)


def _listen(stream: IO[bytes], replies: queue.SimpleQueue[tuple[Message, Arrays] | None]) -> None:
    """Hand on what the child says; None at the end. It knows no session, which could not be let go otherwise."""
    with stream:
        try:
            while True:
                replies.put(receive(stream))
        except (EOFError, OSError, ValueError):
            replies.put(None)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    with contextlib.suppress(OSError):  # what was not sent yet
        process.stdin.close()  # type: ignore[union-attr]


def _start() -> subprocess.Popen[bytes]:
    paths = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "lopore.models.child_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": paths},
    )


def _opening_allowance(folder: ModelFolder, format: str, started_in: float = 0.0) -> Allowance:
    """For loading the file and one blank image: by the sizes of its weights and of its input.

    started_in: processor seconds that the runtime's import took here and now.
    """
    height, width = folder.record.preprocessing.size
    weights = folder.file_for(format).stat().st_size
    memory = _BASE_MEMORY + _WEIGHTS_FACTOR * weights + _PIXEL_MEMORY * height * width
    seconds = (
        _BASE_SECONDS + _SHARE_OF_START * started_in + weights / _BYTES_A_SECOND + height * width / _PIXELS_A_SECOND
    )
    return Allowance(
        int(_stated("LOPORE_MODEL_MEMORY", "MiB", memory / MIB) * MIB),
        _stated("LOPORE_OPEN_SECONDS", "seconds", seconds),
        START_SECONDS,
    )


def _stated(name: str, unit: str, otherwise: float) -> float:
    """A limit that the user sets; ConfigError where it is no number above 0."""
    text = os.environ.get(name)
    if not text:
        return otherwise
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise ConfigError(f"{name}={text[:40]!r} is no number of {unit} above 0; set it to such as {otherwise:.0f}")
    return value
