"""The model record: everything that must travel with the weights."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from lopore.arrays import Task, gives_maps, outputs_of
from lopore.errors import ModelError
from lopore.messages import plain

from .abstention import Abstention
from .contract import RecallContract
from .interval import Interval, RecordPart
from .likeness import FeatureLikeness, TrainingLikeness, TrainingRelief
from .preprocessing import Preprocessing
from .score_calibration import ScoreCalibration
from .seal import seal_json, unseal_json

MAX_RECORD_BYTES = 4 << 20
MAX_TEXT = 2000
OF_IMAGES = ("roc_auc", "f1", "balanced_accuracy", "accuracy", "pr_auc", "precision", "recall")
"""Scores that count whole images, in the order in which one of them stands for all."""


def on_one_line(value: Any) -> Any:
    """Text, or texts however deep in data, without the control characters that would reach a terminal."""
    if isinstance(value, dict):
        return {on_one_line(key): on_one_line(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(map(on_one_line, value))
    return plain(" ".join(value.split()), MAX_TEXT) if isinstance(value, str) else value


class Threshold(RecordPart):
    """The operating point: a detection is a score of the positive class at or above ``value``."""

    value: float = Field(ge=0, le=1)
    rule: str
    chosen_on: str
    per_class: dict[str, float] = Field(default_factory=dict)
    """Multilabel: one threshold a class; ``value`` then serves classes that are not named."""
    contracts: dict[str, RecallContract] = Field(default_factory=dict)
    """By class what its threshold proves, where it was chosen by contract."""

    _shown = field_validator("rule", "chosen_on")(on_one_line)


class LeakReport(RecordPart):
    """What the split check found at training time; ``allowed`` marks a model trained on a leaky split for ever."""

    split_kind: str
    checked_pairs: int = 0
    leaks: int = 0
    allowed: bool = False
    examples: tuple[str, ...] = ()

    _shown = field_validator("split_kind", "examples")(on_one_line)

    @property
    def clean(self) -> bool:
        return self.leaks == 0


class ModelFile(RecordPart):
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


class Explanation(RecordPart):
    """What the network offers for explanations: the layer Grad-CAM reads and whether exports carry it exactly."""

    layer: str = ""
    exact_cam: bool = False
    reason: str = ""

    _shown = field_validator("layer", "reason")(on_one_line)


class ModelRecord(RecordPart):
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
    abstention: Abstention | None = None
    """When an image is left to a person; None: the model always answers."""
    calibration: ScoreCalibration | None = None
    """Inside every score that the model gives, in every runtime and exported file."""
    tta_views: int = 1
    tta_scales: tuple[float, ...] = ()
    """How much finer (above 1) or coarser whole films are also shown; see ``inference.film_scales``."""
    metrics: dict[str, Interval] = Field(default_factory=dict)
    metrics_split: str = ""
    leaks: LeakReport
    data_fingerprint: str = ""
    split_fingerprint: str = ""
    training_grey: dict[str, float] = Field(default_factory=dict)
    """Grey level, contrast, sharpness, grey range and contrast to noise of the training images at network size, to
    notice films unlike them. A record may lack any of them; see ``data.likeness``."""
    likeness: TrainingLikeness | None = None
    """The distance of all of them together, and how often films like those of training are marked."""
    feature_likeness: FeatureLikeness | None = None
    """The distance of the network's features; see ``data.feature_likeness``."""
    training_relief: TrainingRelief | None = None
    """Whether what stands out on the training films is bright or dark, to notice inverted ones; see ``data.relief``."""
    training_depths: dict[str, int] = Field(default_factory=dict)
    """How many training images have 8 bits a value and how many 16, under "8" and "16"; empty where it is not known."""
    training_polarities: dict[str, int] = Field(default_factory=dict)
    """How many training images are of each polarity (film, detector, unknown); empty where it is not known."""
    explanation: Explanation = Explanation()
    versions: dict[str, str] = Field(default_factory=dict)
    seed: int = 0
    licence: str = ""
    files: tuple[ModelFile, ...] = ()

    _shown = field_validator(
        "created", "framework", "backbone", "architecture", "metrics", "metrics_split", "data_fingerprint",
        "split_fingerprint", "training_grey", "versions", "licence",
    )(on_one_line)  # fmt: skip

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ModelRecord:
        self._check_classes()
        expected = outputs_of(self.task, len(self.classes))
        outputs = self.architecture.get("outputs", expected)
        if outputs != expected:
            raise ValueError(
                f"its network has {str(outputs)[:20]} outputs, {expected} belong to {len(self.classes)} classes of a "
                f"{self.task} model"
            )
        if self.preprocessing.fingerprint != self.preprocessing_fingerprint:
            raise ValueError(
                f"preprocessing gives fingerprint {self.preprocessing.fingerprint}, the record says "
                f"{self.preprocessing_fingerprint}: the record was edited or written by another version"
            )
        return self

    def _check_classes(self) -> None:
        if len(self.classes) < 2 and not gives_maps(self.task):
            raise ValueError(f"a {self.task} model has {len(self.classes)} class; at least 2 are needed")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes {list(self.classes)} name one class twice")
        unfit = next((name for name in self.classes if not name or plain(name, MAX_TEXT) != name), None)
        if unfit is not None:
            raise ValueError(f"class name {unfit[:60]!r} is empty, too long or holds control characters")
        named = {*self.threshold.per_class, *((self.positive,) if self.positive is not None else ())}
        for name in sorted(named - set(self.classes)):
            raise ValueError(f"threshold or positive class {name[:60]!r} is no class of the model")
        curves, outputs = self.calibration, 1 if self.task == "binary" else len(self.classes)
        if curves is not None and (gives_maps(self.task) or len(curves.curves) != outputs):
            raise ValueError(
                f"calibration has {len(curves.curves)} curves for {outputs} logits; export the model again"
            )

    @property
    def main_score(self) -> tuple[str, Interval] | None:
        """Name and value of the score that tells most of the model; None where it has none.

        Of segmentation the first that counts pixels or marks; else, and for other tasks, one of whole images, ROC AUC
        before all.
        """
        found = {name: one for name, one in self.metrics.items() if "/" not in name and one.value is not None}
        own = [name for name in found if name not in OF_IMAGES] if self.task == "segmentation" else []
        return next(((name, found[name]) for name in (*own, *OF_IMAGES) if name in found), None)

    @property
    def formats(self) -> tuple[str, ...]:
        return tuple(file.format for file in self.files if file.format)

    @property
    def false_alarms(self) -> float | None:
        """Largest share of films like those of training that is marked as unlike them: by image statistics and, where
        they are compared, by features. None where it is not known."""
        by_features = self.feature_likeness
        if self.likeness is None or self.likeness.false_alarms is None:
            return None
        return self.likeness.false_alarms + (by_features.false_alarms or 0.0 if by_features is not None else 0.0)

    def threshold_of(self, class_name: str) -> float:
        return self.threshold.per_class.get(class_name, self.threshold.value)

    def to_json(self) -> str:
        """The record as ``lopore.json`` holds it: sealed by the sum of its own bytes (``record.seal``)."""
        return seal_json(self.model_dump_json(indent=2))


def parse_record(text: str | bytes, *, source: str, sealed: bool = True) -> ModelRecord:
    """A record from JSON; ModelError in one line naming ``source`` where it is no valid record.

    sealed: it ends with the sum that ``to_json`` writes; one inside an ONNX file is covered by the sum of that file.
    """
    from lopore.validation import explain_validation

    if len(text) > MAX_RECORD_BYTES:
        raise ModelError(f"{source}: the record is too large; at most {MAX_RECORD_BYTES} bytes are read, copy it anew")
    content = text.encode() if isinstance(text, str) else text
    if sealed:
        content, seal = unseal_json(content)
        if not seal:
            what = "holds no checksum" if seal is None else "does not have its own checksum"
            raise ModelError(
                f"{source} {what}: the record was edited, damaged, or written by an older lopore; copy the model "
                "folder anew, or train and export again"
            )
    try:
        return ModelRecord.model_validate_json(content)
    except ValidationError as error:
        raise ModelError(f"{source}: {explain_validation(error, ModelRecord)}") from None
