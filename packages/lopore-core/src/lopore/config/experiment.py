"""One experiment as data: everything that decides what a training run does, read from one YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from lopore.arrays import ANOMALY, Precision, Task
from lopore.atomic_files import atomic_write_text
from lopore.errors import ConfigError
from lopore.record.preprocessing import Preprocessing
from lopore.training_settings import Anomaly, Loss, Optimizer, Schedule, Section
from lopore.validation import explain_validation

from .augmentation import Augmentation
from .one_pass import one_pass, refuse_unfit
from .yaml_loader import load_yaml


class Tiles(Section):
    """How tiles are drawn from the training films of ``preprocessing.resize: tile``; anew in every epoch."""

    per_epoch: int | None = Field(
        None, ge=2, le=1_000_000, description="Tiles an epoch; default: as many as cover the training films once"
    )
    defect_share: float = Field(0.75, ge=0, le=1, description="Share of the tiles that lie around a mark")
    hard_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share taken, from the second epoch on, around parts without a mark that scored highest before it",
    )

    @model_validator(mode="after")
    def _shares_are_parts_of_one(self) -> Tiles:
        if self.defect_share + self.hard_share > 1:
            raise ValueError(
                f"defect_share {self.defect_share:g} and hard_share {self.hard_share:g} make more than 1; lower one"
            )
        return self


class DataConfig(Section):
    """What is learned from."""

    manifest: Path = Field(description="Manifest CSV written by `lopore data index` and `lopore data split`")
    positive: str | None = Field(None, description="Binary task: the class that counts as a detection")
    sound: tuple[str, ...] = Field((), description="Names of the sound class, where lopore does not know them (ND)")
    exclude: tuple[str, ...] = Field((), description="Label sets left out, such as 'lack_of_penetration+pore'")
    cache_mb: int = Field(2048, ge=0, description="Memory for decoded images at training size; 0 decodes every epoch")
    workers: int | None = Field(None, ge=0, le=64, description="Threads that prepare batches; default: the cores")
    balance: Literal["none", "class", "group", "class-group"] = Field(
        "none", description="Oversampling: every class, every film (group), or every film within its class weighs alike"
    )
    tiles: Tiles = Tiles()


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
    start_from: str | None = Field(
        None,
        description="A model of lopore to begin with: NAME, NAME/VERSION, its folder or a weights file inside. What "
        "fits is taken; the head is made anew where classes or task differ",
    )
    pretrained_sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    dropout: float = Field(0.0, ge=0, lt=1)
    grey_input: Literal["folded", "convolution"] = Field(
        "folded",
        description="How one grey channel reaches a network of colour weights: 'folded' sums its first convolution "
        "over the colours, which gives exactly what three equal channels give; 'convolution' learns a 1 x 1 "
        "convolution to three planes before it, which begins as three equal channels. For preprocessing.channels 1",
    )
    freeze: Literal["none", "stem", "half", "backbone"] = Field(
        "none",
        description="What keeps the weights and statistics it came with, so of use with pretrained ones: 'none' trains "
        "all; 'stem' keeps the first convolution and its normalisation; 'half' the earlier half of the backbone's "
        "stages, the stem among them; 'backbone' all but the head, of a U-Net all but the decoder",
    )

    @model_validator(mode="after")
    def _a_sum_belongs_to_a_file(self) -> ModelConfig:
        if self.start_from and self.pretrained != "none":
            raise ValueError(
                f"start_from and pretrained '{self.pretrained}' both give the first weights; set pretrained to none"
            )
        if self.pretrained_sha256 and self.pretrained in ("none", "offline", "hub"):
            raise ValueError(
                f"pretrained_sha256 is checked of a weights file, and pretrained is '{self.pretrained}'; "
                "name the file there, or leave the sum out"
            )
        return self


class ThresholdRule(Section):
    """How the operating point is chosen on validation films."""

    rule: Literal["f1", "recall", "contract", "fixed", "false-alarms"] = "f1"
    recall: float = Field(
        0.9,
        gt=0,
        le=1,
        description="rule 'recall': the highest threshold that keeps this recall on the validation films, without a "
        "bound; rule 'contract': the recall that is proven with `confidence`",
    )
    confidence: float = Field(0.95, ge=0.5, lt=1, description="rule 'contract'")
    value: float = Field(0.5, gt=0, lt=1, description="rule 'fixed'")
    false_alarms: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="rule 'false-alarms', for task anomaly: at most this share of sound films is called, proven by the "
        "sound validation films",
    )

    @model_validator(mode="after")
    def _certainty_is_not_provable(self) -> ThresholdRule:
        if self.rule == "contract" and self.recall >= 1:
            raise ValueError("recall 1 cannot be proven by any number of films; ask for less, such as 0.95")
        return self


class TrainConfig(Section):
    """The run."""

    epochs: int = Field(20, ge=1, le=10_000)
    batch_size: int = Field(16, ge=1, le=4096)
    accumulation_steps: int = Field(1, ge=1, le=1024, description="Batches whose gradients are added before a step")
    loss: Loss = Loss()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    early_stopping: EarlyStopping | None = None
    select_by: str = Field(
        "auto",
        pattern=r"^[a-z0-9]+([-_.][a-z0-9]+)*$",
        max_length=100,
        description="Validation score of the epoch that is kept. 'auto': dice for segmentation, else auc. For "
        "segmentation 'dice' goes by the pixels of the masks and 'hits' by the share of marks found at false_calls; "
        "auc and f1 go by images, and so does any metric that `lopore plugins` lists, by its name. 'last' keeps the "
        "last epoch",
    )
    false_calls: float = Field(
        1.0, ge=0, le=10_000, description="select_by hits: the false calls an image at which hits are compared"
    )
    ema_decay: float = Field(0.0, ge=0, lt=1, description="Exponential averaging of the weights; 0 is off")
    precision: Precision = "auto"
    compile: bool = False
    deterministic: bool = False
    device: str = Field("auto", pattern=r"^(auto|all|cpu|mps|cuda(:\d+)?|cuda:\d+(,cuda:\d+)+)$")
    threads: int | None = Field(None, ge=1, le=1024)
    tta_views: int = Field(1, description="Images averaged per film: 1, 2 (mirror), 4 (flips), 8 (flips and turns)")
    tta_scales: tuple[float, ...] = Field(
        (), max_length=3, description="Models of tiles: how much finer (above 1) or coarser, 0.25 to 4, a film is also "
        "shown; the two surest scales are averaged. A scale costs half of its square in time",
    )  # fmt: skip
    keep_checkpoints: int = Field(2, ge=2, le=1000)
    threshold: ThresholdRule = ThresholdRule()
    abstention: float | None = Field(
        None, gt=0.5, lt=1, description="Share of films whose true class must stay possible, such as 0.95; an image "
        "with no or several possible classes is left to a person. None: the model always answers",
    )  # fmt: skip
    callbacks: tuple[str | dict[str, Any], ...] | None = Field(
        None,
        max_length=16,
        description="What hears of the run, by name or with parameters, such as [tensorboard, {name: csv, path: "
        "runs.csv}]; `lopore plugins` lists them. Default: tensorboard, where it is installed",
    )
    calibration: Literal["auto", "none", "temperature", "platt", "isotonic"] = Field(
        "auto", description="Fitted on the validation films, where they are enough; scores then mean frequencies"
    )

    @model_validator(mode="after")
    def _views_and_scales_are_known(self) -> TrainConfig:
        if self.tta_views not in (1, 2, 4, 8):
            raise ValueError(f"tta_views is {self.tta_views}; allowed are 1, 2, 4, 8")
        if wrong := [scale for scale in self.tta_scales if not 0.25 <= scale <= 4 or scale == 1]:
            raise ValueError(f"tta_scales has {wrong[0]:g}; allowed are 0.25 to 4, but 1, which is always seen")
        return self

    def chosen_on_validation(self, task: Task) -> tuple[str, ...]:
        """What validation images choose, such as ``the epoch`` and ``the threshold``; none where nothing is chosen."""
        epoch = self.select_by != "last" or self.early_stopping is not None
        threshold = self.threshold.rule != "fixed" and task != "multiclass"
        return (*(["the epoch"] if epoch else []), *(["the threshold"] if threshold else []))

    def watched(self, task: Task) -> str:
        """The validation score by which epochs are compared: auc, f1, dice, hits or a metric's name."""
        if self.select_by in ("auto", "last"):
            return "dice" if task == "segmentation" else "auc"
        return self.select_by


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
    anomaly: Anomaly = Anomaly()
    exports: tuple[str, ...] = Field(("onnx",), description="Formats written after training, each through the gate")
    licence: str = Field("not stated", max_length=200, description="Licence of the data and so of the model")

    @model_validator(mode="before")
    @classmethod
    def _anomaly_takes_one_pass(cls, data: Any) -> Any:
        return one_pass(data) if isinstance(data, dict) and data.get("task") == ANOMALY else data

    @model_validator(mode="after")
    def _settings_fit_the_task(self) -> Experiment:
        refuse_unfit(self)
        return self

    @model_validator(mode="after")
    def _tiles_are_drawn_by_their_own_rule(self) -> Experiment:
        tiled = self.preprocessing.resize == "tile"
        if not tiled and self.data.tiles != Tiles():
            raise ValueError("data.tiles belongs to preprocessing.resize 'tile'; set that, or leave data.tiles out")
        if tiled and self.data.balance != "none":
            raise ValueError(
                "data.balance is for whole images; of tiles every class and every mark weighs alike, leave it out"
            )
        return self

    @model_validator(mode="after")
    def _grey_becomes_colour_from_one_channel(self) -> Experiment:
        if self.model.grey_input == "convolution" and self.preprocessing.channels != 1:
            raise ValueError(
                f"model.grey_input 'convolution' makes three planes of one channel, and preprocessing.channels is "
                f"{self.preprocessing.channels}; set that to 1, or leave grey_input out"
            )
        return self

    @model_validator(mode="after")
    def _binary_has_a_positive_class(self) -> Experiment:
        if self.training.select_by in ("dice", "hits") and self.task != "segmentation":
            raise ValueError(
                f"training.select_by '{self.training.select_by}' compares maps with masks, and task '{self.task}' has "
                "none; allowed are auto, auc, f1, last and the metrics that `lopore plugins` lists"
            )
        if self.task == "binary" and not self.data.positive:
            raise ValueError("task 'binary' needs data.positive, the class that counts as a detection")
        return self


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


def dump_experiment(experiment: Experiment, path: Path) -> None:
    """Write the whole experiment, defaults included, as YAML."""
    text = yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    atomic_write_text(path, text)
