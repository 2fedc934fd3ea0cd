"""Answers kept on disk as they come, so that a stopped prediction goes on where it was.

``FILE.part`` beside the table holds a line of settings and then a line for each answer. When every file is answered the
table is written from it, whole or not at all, and it goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lopore.atomic_files import cannot_write, lock_file
from lopore.errors import LoporeError, RunError

from .predict import Prediction, as_text
from .segment import SegmentationPrediction

SUFFIX = ".part"
Stamp = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds."""


class _Line(BaseModel):
    """One answer: its file as it was asked for, and that file's stamp."""

    model_config = ConfigDict(frozen=True)

    file: str
    stamp: Stamp
    answer: SegmentationPrediction | Prediction


class AnswerJournal:
    """The answers of one table while it is made. ``before``: how many were there when it was opened."""

    def __init__(self, stream: IO[bytes], path: Path, settings: Mapping[str, Any]) -> None:
        self.path, self.notes = path, list[str]()
        self._stream = stream
        self._done: dict[str, Stamp] = {}
        self._begin(json.loads(json.dumps(settings, default=str)))
        self.before = len(self._done)

    def _begin(self, settings: dict[str, Any]) -> None:
        self._stream.seek(0)
        heading = _parsed(self._stream.readline())
        if heading is not None and heading.get("settings") == settings:
            end = self._stream.tell()
            for raw in self._stream:
                line = _answer(raw)
                if line is None:
                    break  # a line that a crash cut off; what stands behind it is made again
                self._done[line.file] = line.stamp
                end += len(raw)
            self._stream.truncate(end)
            self._stream.seek(end)
            return
        if heading is not None:
            self.notes.append(f"{self.path} holds answers of another model or other options; they are made anew")
        self._stream.seek(0)
        self._stream.truncate()
        self._stream.write(json.dumps({"settings": settings}).encode() + b"\n")
        self._stream.flush()

    def remaining(self, paths: Sequence[Path]) -> list[Path]:
        """The files that have no answer yet, or were changed since they had one."""
        return [path for path in paths if self._done.get(as_text(path)) != _stamp(path)]

    def add(self, answer: Prediction) -> None:
        """Keep one answer; LoporeError in one line where the disk is full."""
        line = _Line(file=answer.source, stamp=_stamp(Path(answer.source)) or (0, 0), answer=answer)
        try:
            self._stream.write(line.model_dump_json().encode("utf-8") + b"\n")
            self._stream.flush()
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._done[answer.source] = line.stamp

    def answers(self, paths: Sequence[Path]) -> Iterator[Prediction]:
        """The answers to these files, each once, in the order they came."""
        asked = {as_text(path) for path in paths}
        self._stream.seek(0)
        self._stream.readline()
        for raw in self._stream:
            line = _answer(raw)
            if line is not None and line.file in asked and self._done.get(line.file) == line.stamp:
                asked.discard(line.file)
                yield line.answer


@contextmanager
def answer_journal(out: Path, settings: Mapping[str, Any]) -> Iterator[AnswerJournal]:
    """The journal of the table ``out``; it goes when the block ends well and stays otherwise.

    settings: whatever changes an answer. Raises LoporeError in one line where the folder cannot be written to, and
    RunError where another process makes the same table.
    """
    path = out.with_name(out.name + SUFFIX)
    if out.is_dir():
        raise LoporeError(f"{out} is a folder; name a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a+b")
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        try:
            lock_file(stream)
        except OSError:
            raise RunError(f"another process writes {out}; wait for it, or choose another file") from None
        yield _opened(stream, path, settings)
    finally:
        with suppress(OSError):  # of a full disk, which the write before has told
            stream.close()
    path.unlink(missing_ok=True)


def _opened(stream: IO[bytes], path: Path, settings: Mapping[str, Any]) -> AnswerJournal:
    try:
        return AnswerJournal(stream, path, settings)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def _parsed(raw: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _answer(raw: bytes) -> _Line | None:
    """One answer; None where the line is cut off or no answer."""
    if not raw.endswith(b"\n"):
        return None
    try:
        return _Line.model_validate_json(raw)
    except ValidationError:
        return None


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
