"""A model on disk: its record, its folder, how folders are found, checked and opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from .contracts import Task
from .data.manifest import plain
from .errors import ModelError
from .files import atomic_write_text, sha256_of
from .preprocess import Preprocessing
from .wording import did_you_mean

if TYPE_CHECKING:
    from .contracts import Predictor, Session

RECORD_NAME = "lopore.json"
MAX_RECORD_BYTES = 4 << 20
MAX_TEXT = 2000


def _on_one_line(value: Any) -> Any:
    """Text, or texts in a tuple or mapping, without the control characters that would reach a terminal."""
    if isinstance(value, dict):
        return {_on_one_line(key): _on_one_line(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_on_one_line, value))
    return plain(" ".join(value.split()), MAX_TEXT)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Threshold(_Part):
    """The operating point: a detection is a score of the positive class at or above ``value``."""

    value: float = Field(ge=0, le=1)
    rule: str
    chosen_on: str
    per_class: dict[str, float] = Field(default_factory=dict)
    """Multilabel: one threshold a class; ``value`` then serves classes that are not named."""

    _shown = field_validator("rule", "chosen_on")(_on_one_line)


class Interval(_Part):
    """A score with its 95 % bootstrap interval; None where it is not defined (one class only, say)."""

    value: float | None
    low: float | None = None
    high: float | None = None


class LeakReport(_Part):
    """What the split check found at training time; ``allowed`` marks a model trained on a leaky split for ever."""

    split_kind: str
    checked_pairs: int = 0
    leaks: int = 0
    allowed: bool = False
    examples: tuple[str, ...] = ()

    _shown = field_validator("split_kind", "examples")(_on_one_line)

    @property
    def clean(self) -> bool:
        return self.leaks == 0


class ModelFile(_Part):
    """One file of the folder. ``format`` is empty for papers (metrics, logs); path is relative, POSIX."""

    path: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    format: str = ""

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        parts = path.replace("\\", "/").split("/")
        leaves = path.startswith(("/", "\\")) or ":" in path or any(part in ("", ".", "..") for part in parts)
        if leaves or not path.isprintable():
            raise ValueError(f"path {path!r} leaves the model folder")
        return path


class Explanation(_Part):
    """What the network offers for explanations: the layer Grad-CAM reads and whether exports carry it exactly."""

    layer: str = ""
    exact_cam: bool = False
    reason: str = ""

    _shown = field_validator("reason")(_on_one_line)


class ModelRecord(_Part):
    """Everything that must travel with weights (``lopore.json``)."""

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    created: str
    task: Task
    classes: tuple[str, ...] = Field(min_length=1, max_length=1000)
    positive: str | None = None
    preprocessing: Preprocessing
    preprocessing_fingerprint: str
    framework: str
    backbone: str
    architecture: dict[str, Any]
    """What rebuilds the network without config: backbone, outputs, dropout, mean, std, the framework's own facts."""
    threshold: Threshold
    test_views: int = 1
    metrics: dict[str, Interval] = Field(default_factory=dict)
    metrics_split: str = ""
    leaks: LeakReport
    data_fingerprint: str = ""
    split_fingerprint: str = ""
    training_grey: dict[str, float] = Field(default_factory=dict)
    """Grey level, contrast and sharpness of the training pictures at network size, to notice films unlike them.

    A record may lack any of them; see ``likeness.spread``.
    """
    explanation: Explanation = Explanation()
    versions: dict[str, str] = Field(default_factory=dict)
    seed: int = 0
    licence: str = ""
    files: tuple[ModelFile, ...] = ()

    _shown = field_validator("created", "framework", "backbone", "metrics_split", "versions", "licence")(_on_one_line)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ModelRecord:
        if len(self.classes) < 2 and self.task != "segmentation":
            raise ValueError(f"a {self.task} model has {len(self.classes)} class; at least 2 are needed")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes {list(self.classes)} name one class twice")
        unfit = next((name for name in self.classes if not name or plain(name, MAX_TEXT) != name), None)
        if unfit is not None:
            raise ValueError(f"class name {unfit[:60]!r} is empty, too long or holds control characters")
        if self.preprocessing.fingerprint != self.preprocessing_fingerprint:
            raise ValueError(
                f"preprocessing gives fingerprint {self.preprocessing.fingerprint}, the record says "
                f"{self.preprocessing_fingerprint}: the record was edited or written by another version"
            )
        return self

    @property
    def formats(self) -> tuple[str, ...]:
        return tuple(file.format for file in self.files if file.format)

    def threshold_of(self, class_name: str) -> float:
        return self.threshold.per_class.get(class_name, self.threshold.value)

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"


def parse_record(text: str | bytes, *, source: str) -> ModelRecord:
    """A record from JSON; ModelError in one line naming ``source`` where it is no valid record."""
    from .config import explain_validation

    if len(text) > MAX_RECORD_BYTES:
        raise ModelError(f"{source}: the record is too large; at most {MAX_RECORD_BYTES} bytes are read, copy it anew")
    try:
        return ModelRecord.model_validate_json(text)
    except ValidationError as error:
        raise ModelError(f"{source}: {explain_validation(error, ModelRecord)}") from None


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
            from .onnxfile import record_in_onnx

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


def model_roots() -> list[Path]:
    """Where models are looked for: ``./models/final``, then the folders of the path list ``LOPORE_MODELS``."""
    listed = [Path(part) for part in os.environ.get("LOPORE_MODELS", "").split(os.pathsep) if part]
    return [Path("models") / "final", *listed]


def find_models(roots: list[Path] | None = None) -> Iterator[ModelFolder | BrokenModel]:
    """Every model folder under the roots (a root, ``NAME/VERSION`` below it, or ``VERSION``), sorted by path."""
    seen: set[Path] = set()
    for root in roots if roots is not None else model_roots():
        for depth in ("", "*/", "*/*/"):
            for record in sorted(root.glob(f"{depth}{RECORD_NAME}")):
                folder = record.parent
                if folder.resolve() in seen or any(part.startswith(".") for part in folder.relative_to(root).parts):
                    continue
                seen.add(folder.resolve())
                try:
                    yield ModelFolder.read(folder)
                except ModelError as error:
                    yield BrokenModel(folder, str(error))


def locate_model(text: str) -> ModelFolder:
    """A model by path, by ``NAME/VERSION`` or by ``NAME`` (its newest version); ModelError lists what there is."""
    path = Path(text)
    try:
        there = path.exists()
    except OSError:  # longer than a path can be
        there, text = False, f"{text[:80]}..."
    if there and (not path.is_dir() or (path / RECORD_NAME).exists()):
        return ModelFolder.read(path)
    found = [model for model in find_models() if isinstance(model, ModelFolder)]
    exact = [model for model in found if model.title == text]
    named = sorted((model for model in found if model.record.name == text), key=lambda model: model.record.created)
    if exact or named:
        return (exact or named)[-1]
    if there:
        return ModelFolder.read(path)  # says what the folder lacks
    have = ", ".join(model.title for model in found[:10]) or "none"
    roots = ", ".join(str(root.absolute()) for root in model_roots())
    no = f"{text} is not there" if path.suffix == ".onnx" else f"no model '{text}'"
    near = did_you_mean(text, [name for model in found for name in (model.record.name, model.title)], most=1)
    raise ModelError(f"{no}; found {have} in {roots}{near or '; name a folder or set LOPORE_MODELS'}")


def choose_predictor(folder: ModelFolder, runtime: str | None = None) -> tuple[str, Predictor]:
    """The (format, predictor) that opens this model: ``runtime`` by predictor name or format, else the preferred one.

    ModelError says which formats the folder has and which predictors are installed.
    """
    from .registry import discover

    predictors = discover().predictors
    able = [
        (format, predictor)
        for format in folder.record.formats
        for predictor in predictors.values()
        if format in predictor.formats
    ]
    fitting = [(format, predictor) for format, predictor in able if runtime in (None, predictor.name, format)]
    if runtime and able and not fitting:
        known = sorted({name for format, predictor in able for name in (predictor.name, format)})
        near = did_you_mean(runtime, known)
        raise ModelError(f"'{runtime}' opens no file of {folder.title}; choose {' or '.join(known)}{near}")
    if not fitting:
        raise ModelError(
            f"nothing installed opens {folder.title}: it has {', '.join(folder.record.formats) or 'no weights'}, "
            f"installed are {', '.join(sorted(predictors)) or 'no predictors'}; "
            "install lopore-onnx for onnx, lopore-torch for pth and pt, lopore-tf for keras, h5 and saved_model"
        )
    return max(fitting, key=lambda pair: pair[1].preference)


@dataclass(frozen=True)
class OpenModel:
    """A model ready to predict."""

    folder: ModelFolder
    format: str
    predictor: Predictor
    session: Session

    @property
    def record(self) -> ModelRecord:
        return self.folder.record


def open_model(
    folder: ModelFolder, *, runtime: str | None = None, device: str = "auto", threads: int | None = None
) -> OpenModel:
    """Check the weights' sha256 and open them with the predictor that ``choose_predictor`` picks."""
    format, predictor = choose_predictor(folder, runtime)
    folder.verify(format)
    return OpenModel(folder, format, predictor, open_session(folder, predictor, device, threads))


def open_session(folder: ModelFolder, predictor: Predictor, device: str, threads: int | None = None) -> Session:
    """The predictor's session for a folder; any error of an outsider's becomes a PluginError."""
    from .registry import call_entry, discover

    owner = discover().predictors.sources.get(predictor.key, "lopore")
    return call_entry("predictor", predictor.key, owner, partial(predictor.opens, folder, device, threads))
