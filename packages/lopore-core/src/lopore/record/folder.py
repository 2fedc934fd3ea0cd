"""A model folder: its record, its files, their checksums."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lopore.atomic_files import atomic_write_text, sha256_of
from lopore.errors import ModelError

from .model import MAX_RECORD_BYTES, ModelFile, ModelRecord, parse_record

RECORD_NAME = "lopore.json"


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
    """A model folder whose record was read. ``verify`` has to be called before a weight file is opened."""

    path: Path
    record: ModelRecord

    @classmethod
    def read(cls, path: Path) -> ModelFolder:
        """Read the record of a model folder, or of a single ``.onnx`` file that carries it."""
        if path.is_file() and path.suffix == ".onnx":
            from .onnx_file import record_in_onnx

            return cls(path.parent, record_in_onnx(path))
        return cls(path, parse_record(_record_bytes(path), source=str(path / RECORD_NAME)))

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
        """``file_for`` after its sha256 was compared with the record; ModelError where it differs or lies elsewhere."""
        path = self.file_for(format)
        for file in self.record.files:
            member = self.path / file.path
            # A format that is a folder (saved_model) stands or falls with every file in it.
            if file.format != format and (path.parent == self.path or path.parent not in member.parents):
                continue
            if member.is_symlink() or not member.resolve().is_relative_to(self.path.resolve()):
                raise ModelError(f"{member} is a link or lies outside the model folder; copy the real file there")
            if not member.is_file():
                raise ModelError(f"{member} is missing; copy the whole model folder")
            if sha256_of(member) != file.sha256:
                raise ModelError(
                    f"{member} is not the file that was published (sha256 differs); copy it anew or retrain"
                )
        return path

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
        kept = tuple(file for file in record.files if file.path not in names)
        record = record.model_copy(update={"files": (*kept, *files)})
        atomic_write_text(self.path / RECORD_NAME, record.to_json())
        return ModelFolder(self.path, record)


@dataclass(frozen=True)
class BrokenModel:
    """A folder that looks like a model but cannot be used, with the reason in one line."""

    path: Path
    reason: str
