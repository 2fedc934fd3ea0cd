"""A model folder: its record, its files, their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lopore.atomic_files import atomic_write_text, sha256_of
from lopore.errors import ModelError

from .model import MAX_RECORD_BYTES, ModelFile, ModelRecord, parse_record
from .published import remember, was_made_here

RECORD_NAME = "lopore.json"
CONFIG_NAME, LOG_NAME = "config.yaml", "training_log.csv"
"""What a run leaves beside the weights: the experiment, and a row an epoch."""


def _record_bytes(folder: Path) -> bytes:
    """The record of a folder, cut off after a byte more than is allowed."""
    path = folder / RECORD_NAME
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise ModelError(f"{path} is no regular file; copy the model folder again")
        with path.open("rb") as stream:
            return stream.read(MAX_RECORD_BYTES + 1)
    except PermissionError:
        raise ModelError(f"{path} may not be read; change its permissions") from None
    except OSError:
        raise ModelError(
            f"{folder} holds no {RECORD_NAME}; name a folder such as models/final/NAME/VERSION, or a lopore ONNX file"
        ) from None


@dataclass(frozen=True)
class ModelFolder:
    """A model folder whose record was read. ``verify`` has to be called before a weight file is opened.

    digest: SHA-256 of the record, or of the lone file, as it lies on the disk; empty for a folder in the making.
    """

    path: Path
    record: ModelRecord
    digest: str = ""

    @classmethod
    def read(cls, path: Path) -> ModelFolder:
        """Read the record of a model folder, or of a single ``.onnx`` file that carries it."""
        if path.is_file() and path.suffix == ".onnx":
            from .onnx_file import record_in_onnx

            record = record_in_onnx(path)
            return cls(path.parent, record, record.files[0].sha256)
        content = _record_bytes(path)
        return cls(path, parse_record(content, source=str(path / RECORD_NAME)), hashlib.sha256(content).hexdigest())

    @property
    def made_here(self) -> bool:
        """Whether this user's lopore wrote the model; files from elsewhere are opened in a process of their own."""
        return not self.digest or was_made_here(self.digest)

    @property
    def source(self) -> Path:
        """What ``read`` was given: the folder, or the one file that carries its record."""
        alone = [file.path for file in self.record.files if file.sha256 == self.digest]
        return self.path / alone[0] if alone else self.path

    @property
    def title(self) -> str:
        return f"{self.record.name}/{self.record.version}"

    def file_for(self, format: str) -> Path:
        """The weight file of one format; ModelError listing the formats there are."""
        for file in self.record.files:
            if file.format == format:
                return self.path / file.path
        have = ", ".join(self.record.formats) or "none"
        raise ModelError(
            f"{self.title} has no {format} file; it has {have}; write one with `lopore export --to {format}`"
        )

    def verify(self, format: str) -> Path:
        """``file_for`` after all files of the folder were compared with the record.

        ModelError names the first that differs or lies elsewhere. A file that is missing matters only where the format
        needs it: formats may be left out of a copy to save room.
        """
        path = self.file_for(format)
        problems = dict(self.damaged_files())
        for name, problem in problems.items():
            member = self.path / name
            # A format that is a folder (saved_model) stands or falls with every file in it.
            needed = member == path or (path.parent != self.path and path.parent in member.parents)
            if needed or member.exists() or member.is_symlink():
                raise ModelError(problem)
        return path

    def damaged_files(self) -> Iterator[tuple[str, str]]:
        """(path in the folder, what is wrong in one line) of each recorded file that is missing or not as published."""
        with ThreadPoolExecutor(4) as pool:
            for file, problem in zip(self.record.files, pool.map(self._problem_of, self.record.files), strict=True):
                if problem:
                    yield file.path, problem

    def _problem_of(self, file: ModelFile) -> str:
        member = self.path / file.path
        try:
            if member.is_symlink() or not member.resolve().is_relative_to(self.path.resolve()):
                return f"{member} is a link or lies outside the model folder; copy the real file there"
            if not member.is_file():
                return f"{member} is missing; copy the whole model folder"
            if sha256_of(member) != file.sha256:
                return f"{member} is not the file that was published (sha256 differs); copy it anew or retrain"
        except OSError as error:
            return f"{member} cannot be read ({error.strerror}); check its permissions"
        return ""

    def with_files(self, files: list[ModelFile]) -> ModelFolder:
        """The folder after ``files`` joined its record (same paths replaced), written atomically.

        What other exports put into the record since this one was read stays there.
        """
        names, record = {file.path for file in files}, self.record
        if (self.path / RECORD_NAME).is_file():
            there = ModelFolder.read(self.path)
            if there.title != self.title:
                raise ModelError(
                    f"{self.path} holds {there.title}, not {self.title}; copy the file into a folder of its own"
                )
            record = there.record
        others = tuple(file for file in record.files if file.path not in names)
        record = record.model_copy(update={"files": (*others, *files)})
        return write_model_record(self.path, record, made_here=self.made_here)


def write_model_record(folder: Path, record: ModelRecord, *, made_here: bool = True) -> ModelFolder:
    """Write ``lopore.json`` atomically. made_here: remember the record and its ONNX file as this user's own."""
    text = record.to_json()
    atomic_write_text(folder / RECORD_NAME, text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if made_here:
        remember(digest, *(file.sha256 for file in record.files if file.path.endswith(".onnx")))
    return ModelFolder(folder, record, digest)


@dataclass(frozen=True)
class BrokenModel:
    """A folder that looks like a model but cannot be used, with the reason in one line."""

    path: Path
    reason: str
