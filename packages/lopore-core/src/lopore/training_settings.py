"""Settings of a training run that a plugin's learner receives: loss, optimizer, schedule."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .arrays import Task


class Section(BaseModel):
    """A part of a config: unknown keys are errors, values cannot be changed afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Loss(Section):
    """What training makes small: one term, or a sum of several.

    cross-entropy (binary and multilabel: BCE); focal (Lin et al., ICCV 2017); for segmentation also soft dice
    (Milletari et al., 3DV 2016) and tversky (Salehi et al., MLMI 2017); and what plugins offer.
    """

    name: str | dict[str, Annotated[float, Field(gt=0, le=1000)]] | None = Field(
        None,
        description="'cross-entropy', 'focal', 'dice', 'tversky' or a loss of a plugin, or several with a weight each, "
        "such as {focal: 1, dice: 0.5}; `lopore plugins` lists them. Dice and tversky are for segmentation. Default: "
        "cross-entropy, and for segmentation cross-entropy and dice",
    )
    parameters: dict[str, dict[str, Any]] = Field(
        {},
        description="Parameters of the losses named above, by name: {focal: {gamma: 2}}; {tversky: {alpha: 0.3, beta: "
        "0.7}}, what a false and a missed pixel cost in the Tversky index",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(gt=0)]] = Field(
        "none",
        description="How much an image of a class counts. 'balanced': N / (K * count of the class), of several labels "
        "(N - count) / count, for images that have the label; a mapping gives them by name",
    )

    @model_validator(mode="after")
    def _has_a_term(self) -> Loss:
        if self.name == {}:
            raise ValueError("name is an empty mapping; name at least one term, such as {cross-entropy: 1, dice: 1}")
        return self

    def weights(self, task: Task) -> dict[str, float]:
        """Each named term with its weight, or those of a task by default."""
        if self.name is None:
            return {"cross-entropy": 1.0, "dice": 1.0} if task == "segmentation" else {"cross-entropy": 1.0}
        return {self.name: 1.0} if isinstance(self.name, str) else dict(self.name)


class Anomaly(Section):
    """How sound images are learned (task anomaly): features of a trained backbone at places on an even grid.

    gaussian: one Gaussian for all places, its covariance shrunk (Ledoit and Wolf, J. Multivariate Analysis 88, 2004),
    after PaDiM (Defard et al., ICPR Workshops 2021), which has one for each place. memory-bank: places that cover all
    others, chosen greedily, after PatchCore (Roth et al., CVPR 2022).
    """

    method: Literal["gaussian", "memory-bank"] = Field(
        "memory-bank",
        description="What a place is compared with: 'memory-bank' the nearest of many kept places; 'gaussian' their "
        "mean and covariance: smaller and faster, for films that look alike",
    )
    strides: tuple[Literal[4, 8, 16, 32], ...] = Field(
        (8, 16),
        min_length=1,
        max_length=4,
        description="Stages of the backbone, by pixels from one of their places to the next; the map has the grid of "
        "the smallest. 4 sees smaller marks, and takes four times the time and memory of 8",
    )
    dimensions: int = Field(
        128, ge=8, le=1024, description="Numbers that describe a place, by a random projection of the stages"
    )
    bank: int = Field(2000, ge=1, le=20_000, description="method 'memory-bank': most places that are kept")
    places: int = Field(
        20_000, ge=1000, le=500_000, description="Most places held while learning; of more, random ones are held"
    )
    sound_regions: bool = Field(
        False, description="Learn also from what the masks of images with a defect leave unmarked"
    )

    @model_validator(mode="after")
    def _strides_rise(self) -> Anomaly:
        if list(self.strides) != sorted(set(self.strides)):
            raise ValueError(f"strides are {list(self.strides)}; give each once, the smallest first, such as [8, 16]")
        return self


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
