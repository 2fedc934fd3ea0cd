"""One experiment as data: everything that decides what a training run does, read from one YAML file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from yaml.composer import ComposerError

from .augment import Augmentation
from .contracts import Precision, Task
from .data.manifest import plain
from .errors import ConfigError
from .files import atomic_write_text
from .preprocess import Preprocessing

MAX_YAML_BYTES = 1 << 20
MAX_YAML_NODES = 50_000
# How pydantic names the branch of a union within the location of an error.
_UNION_TAG = re.compile(r"[a-z-]+\[.*\]$|[A-Z]\w*$")
# What a pattern allows, in words, by the key that has it.
_IN_WORDS = {
    "name": "1 to 64 letters a to z, digits, '.', '_' and '-' are allowed, no sign first",
    "device": "choose auto, cpu, mps, cuda, cuda:1, all, or several such as cuda:0,cuda:1",
    "pretrained_sha256": "a SHA-256 is 64 digits and letters a to f",
}
_MAPPING = re.compile(r"a valid dictionary( or instance of \w+)?")


class Section(BaseModel):
    """A part of a config: unknown keys are errors, values cannot be changed afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataConfig(Section):
    """What is learned from."""

    manifest: Path = Field(description="Manifest CSV written by `lopore data index` and `lopore data split`")
    positive: str | None = Field(None, description="Binary task: the class that counts as a detection")
    exclude: tuple[str, ...] = Field((), description="Label sets left out, such as 'lack_of_penetration+pore'")
    cache_mb: int = Field(2048, ge=0, description="Memory for decoded pictures at training size; 0 decodes every epoch")
    workers: int | None = Field(None, ge=0, le=64, description="Threads that prepare batches; default: the cores")
    balance: Literal["none", "class", "group", "class-group"] = Field(
        "none", description="Oversampling: every class, every film (group), or every film within its class weighs alike"
    )


class Loss(Section):
    """Cross-entropy (binary: BCE) or focal loss (Lin et al., ICCV 2017)."""

    name: Literal["cross-entropy", "focal"] = "cross-entropy"
    focal_gamma: float = Field(2.0, ge=0, le=10)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0)]] = Field(
        "none",
        description="How much an image of a class counts. 'balanced': N / (K * count of the class), of several labels "
        "(N - count) / count, for images that have the label; a mapping gives them by name",
    )


class Optimizer(Section):
    """AdamW or SGD with momentum."""

    name: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0, le=10)
    weight_decay: float = Field(0.01, ge=0, le=1)
    momentum: float = Field(0.9, ge=0, lt=1)
    head_factor: float = Field(1.0, gt=0, le=1000, description="Learning rate of the head over that of the backbone")
    clip_norm: float | None = Field(None, gt=0)


class Schedule(Section):
    """How the learning rate moves; warm-up counts in epochs."""

    name: Literal["constant", "cosine", "one-cycle", "plateau"] = "cosine"
    warmup_epochs: float = Field(0.0, ge=0)
    final_factor: float = Field(0.01, ge=0, le=1, description="Last learning rate over the first")
    plateau_patience: int = Field(3, ge=1)
    plateau_factor: float = Field(0.3, gt=0, lt=1)


class EarlyStopping(Section):
    """Stop when the best validation score is this old."""

    patience: int = Field(10, ge=1)
    min_delta: float = Field(0.0, ge=0)


class ModelConfig(Section):
    """The network."""

    backbone: str = Field(
        "resnet18", description="A name that `lopore plugins` lists, or any timm name with lopore-torch"
    )
    pretrained: str = Field("none", description="'none', 'offline', 'hub', or the path of a weights file")
    pretrained_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    dropout: float = Field(0.0, ge=0, lt=1)
    freeze: Literal["none", "stem", "half", "backbone"] = Field(
        "none",
        description="What keeps the weights and statistics it came with, so of use with pretrained ones: 'none' trains "
        "all; 'stem' keeps the first convolution and its normalisation; 'half' the earlier half of the backbone's "
        "stages, the stem among them; 'backbone' all but the head, of a U-Net all but the decoder",
    )

    @model_validator(mode="after")
    def _a_sum_belongs_to_a_file(self) -> ModelConfig:
        if self.pretrained_sha256 and self.pretrained in ("none", "offline", "hub"):
            raise ValueError(
                f"pretrained_sha256 is checked of a weights file, and pretrained is '{self.pretrained}'; "
                "name the file there, or leave the sum out"
            )
        return self


class ThresholdRule(Section):
    """How the operating point is chosen on validation films."""

    rule: Literal["f1", "recall", "fixed"] = "f1"
    recall: float = Field(0.9, gt=0, le=1, description="rule 'recall': the highest threshold that keeps this recall")
    value: float = Field(0.5, gt=0, lt=1, description="rule 'fixed'")


class TrainConfig(Section):
    """The run."""

    epochs: int = Field(20, ge=1, le=10_000)
    batch_size: int = Field(16, ge=1, le=4096)
    accumulate: int = Field(1, ge=1, le=1024, description="Batches whose gradients are added before a step")
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    early_stopping: EarlyStopping | None = None
    select_by: Literal["auc", "f1", "last"] = Field("auc", description="Validation score of the epoch that is kept")
    average: float = Field(0.0, ge=0, lt=1, description="Exponential averaging of the weights; 0 is off")
    precision: Precision = "auto"
    compile: bool = False
    deterministic: bool = False
    device: str = Field("auto", pattern=r"^(auto|all|cpu|mps|cuda(:\d+)?|cuda:\d+(,cuda:\d+)+)$")
    threads: int | None = Field(None, ge=1, le=1024)
    test_views: int = Field(1, description="Pictures averaged per film: 1, 2 (mirror), 4 (flips), 8 (flips and turns)")
    keep_checkpoints: int = Field(2, ge=2, le=1000)
    threshold: ThresholdRule = ThresholdRule()

    @model_validator(mode="after")
    def _views_are_flips_or_turns(self) -> TrainConfig:
        if self.test_views not in (1, 2, 4, 8):
            raise ValueError(f"test_views is {self.test_views}; allowed are 1, 2, 4, 8")
        return self


class Experiment(Section):
    """One experiment. ``name`` names the model folder."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    trainer: str = Field("torch", description="Framework, as `lopore plugins` lists it")
    task: Task = "multiclass"
    seed: int = Field(0, ge=0, lt=2**32)
    data: DataConfig
    preprocessing: Preprocessing = Preprocessing()
    augmentation: Literal["none"] | Augmentation = "none"
    model: ModelConfig = ModelConfig()
    training: TrainConfig = TrainConfig()
    exports: tuple[str, ...] = Field(("onnx",), description="Formats written after training, each through the gate")
    licence: str = Field("not stated", max_length=200, description="Licence of the data and so of the model")

    @model_validator(mode="after")
    def _binary_has_a_positive_class(self) -> Experiment:
        if self.task == "binary" and not self.data.positive:
            raise ValueError("task 'binary' needs data.positive, the class that counts as a detection")
        return self


def load_yaml(path: Path) -> Any:
    """Plain data from a YAML file of at most 1 MiB; aliases count in full towards a limit of 50 000 values.

    Raises ConfigError for a file that is absent, too large, no YAML, or blown up by aliases.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} is no regular file; name an existing YAML file")
        size = path.stat().st_size
        if size > MAX_YAML_BYTES:
            raise ConfigError(f"{path} has {size} bytes; a config has at most {MAX_YAML_BYTES}")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); name an existing YAML file") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}; save it as UTF-8") from None
    return parse_yaml(text, source=str(path))


class _PlainLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which builds no objects, and stops where merge keys (``<<``) double their pairs."""

    merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        self.merged += len(node.value)
        if self.merged > MAX_YAML_NODES:
            raise _TooManyValuesError

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """YAML forbids a key that stands twice in one mapping; PyYAML would keep the last without a word."""
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise ComposerError(None, None, f"key '{plain(key.value, 60)}' stands twice; keep one", key.start_mark)
            seen.update([key.value] if isinstance(key, yaml.ScalarNode) else [])
        return node


class _TooManyValuesError(Exception):
    pass


def parse_yaml(text: str, *, source: str) -> Any:
    """Plain data from YAML; ConfigError in one line that names ``source`` for no YAML and over 50 000 values."""
    try:
        data = yaml.load(text, _PlainLoader)
        if _count_values(data, MAX_YAML_NODES) >= MAX_YAML_NODES:
            raise _TooManyValuesError
    except _TooManyValuesError:
        raise ConfigError(
            f"{source} holds more than {MAX_YAML_NODES} values, aliases counted in full; shorten it"
        ) from None
    except Exception as error:  # a scalar that only looks like a date or number raises what its constructor raises
        raise ConfigError(f"{source} is not valid YAML: {_why_no_yaml(error)}") from None
    return data


def _why_no_yaml(error: Exception) -> str:
    """One line from PyYAML's several; a tab, which a text editor shows as spaces, is called by its name."""
    mark = getattr(error, "problem_mark", None)
    if mark is not None and "'\\t'" in str(error):
        return f"line {mark.line + 1} has a tab where YAML wants spaces; put spaces in its place"
    if mark is not None and getattr(error, "context", None) is None and getattr(error, "problem", None):
        return f"line {mark.line + 1}: {error.problem}"  # type: ignore[attr-defined]
    return " ".join(str(error).split()).replace(' in "<unicode string>", line', " in line")[:300]


def _count_values(data: Any, limit: int) -> int:
    count, stack = 0, [data]
    while stack and count < limit:
        item = stack.pop()
        count += 1
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list | tuple):
            stack.extend(item)
    return count


def load_experiment(path: Path, overrides: dict[str, Any] | None = None) -> Experiment:
    """The experiment in ``path``; ``overrides`` are dotted keys such as ``training.epochs``.

    A relative ``data.manifest`` counts from the working directory. Raises ConfigError naming the nearest known key.
    """
    data = load_yaml(path)
    if not isinstance(data, dict):
        what = "is empty" if data is None else "holds a list" if isinstance(data, list) else "holds no keys"
        raise ConfigError(f"{path} {what}; a config is a mapping that starts with 'name:'")
    for dotted, value in (overrides or {}).items():
        _override(data, dotted, value)
    return parse_experiment(data, source=str(path))


def _override(data: dict[str, Any], dotted: str, value: Any) -> None:
    """Set one dotted key; a part of the path that is absent or no mapping, such as ``none``, becomes one."""
    *parents, last = dotted.split(".")
    for parent in parents:
        if not isinstance(data.get(parent), dict):
            data[parent] = {}
        data = data[parent]
    data[last] = value


def parse_experiment(data: dict[str, Any], *, source: str) -> Experiment:
    """An experiment from plain data; ConfigError in one line that names ``source`` and every wrong value."""
    try:
        return Experiment.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{source}: {explain_validation(error, Experiment)}") from None


def explain_validation(error: ValidationError, model: type[BaseModel]) -> str:
    """pydantic's findings in one line: where, what was got, what is allowed, the nearest key for a misspelt one."""
    found: dict[tuple[str, ...], str] = {}
    for item in error.errors():
        path = _path_of(item)
        if path in found and item["type"] in ("dict_type", "model_type"):
            found[path] += ", or a mapping"  # the other branch of a union
            continue
        found.setdefault(path, _explain_one(item, path, model))
    # A union tells of every branch: the one that was meant is the one that was understood deepest.
    deepest = [path for path in found if not any(path == other[: len(path)] != other for other in found)]
    return "; ".join(found[path] for path in deepest[:5])


def _path_of(item: Any) -> tuple[str, ...]:
    """Where a finding lies as the user wrote it, without the branches of unions that pydantic names."""
    if not item["loc"]:
        return ()
    *inner, last = map(str, item["loc"])
    branch = item["type"] != "extra_forbidden" and last.endswith("]") and _UNION_TAG.match(last)
    return (*(part for part in inner if not _UNION_TAG.match(part)), *([] if branch else [last]))


def _explain_one(item: Any, path: tuple[str, ...], model: type[BaseModel]) -> str:
    where = plain(".".join(path), 120)
    if item["type"] == "extra_forbidden":
        known = list(_fields_at(model, path[:-1]))
        near = difflib.get_close_matches(path[-1], known, n=1, cutoff=0.5)
        place = next(_places(model, path[-1]), "")
        hint = f"did you mean '{near[0]}'?" if near else f"allowed: {', '.join(known)}"
        return f"unknown key '{where}', {f'it belongs under {place}' if place else hint}"
    value = item["input"]
    got = f" (got {plain(repr(value), 60)})" if isinstance(value, (str, int, float)) else ""
    if value is None or isinstance(value, date):
        got = f" (got {'nothing' if value is None else value})"
    if item["type"] == "string_type" and isinstance(value, (int, float, date)):
        got += "; put it in quotes"
    if item["type"] == "missing":
        got = ""
    message = item["msg"].removeprefix("Value error, ").replace("valid tuple", "list")
    message = _MAPPING.sub("a mapping", message)
    if item["type"] == "path_type":
        message = "a path is needed"
    if item["type"] == "string_pattern_mismatch":
        message = _IN_WORDS.get(path[-1], message)
    return f"{where}: {message}{got}" if where else f"{message}{got}"


def _sections(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Fields of a model that are models themselves, unions with other things included."""
    found = {}
    for name, field in model.model_fields.items():
        candidates = [field.annotation, *getattr(field.annotation, "__args__", ())]
        nested = [kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)]
        if nested:
            found[name] = nested[0]
    return found


def _fields_at(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    for name in path:
        model = _sections(model).get(name, model)
    return list(model.model_fields)


def _places(model: type[BaseModel], key: str, path: str = "") -> Iterator[str]:
    for name, section in _sections(model).items():
        here = f"{path}.{name}" if path else name
        if key in section.model_fields:
            yield here
        yield from _places(section, key, here)


def dump_experiment(experiment: Experiment, path: Path) -> None:
    """Write the whole experiment, defaults included, as YAML."""
    text = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    atomic_write_text(path, text)
