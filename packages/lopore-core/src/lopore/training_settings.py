"""Settings of a training run that a plugin's learner receives: loss, optimizer, schedule."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .arrays import Task
from .errors import ConfigError


class Section(BaseModel):
    """A part of a config: unknown keys are errors, values cannot be changed afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


LossTerm: TypeAlias = Literal["cross-entropy", "focal", "dice", "tversky"]
_FOR_MAPS: frozenset[LossTerm] = frozenset({"dice", "tversky"})


class Loss(Section):
    """What training makes small: one term, or a sum of several.

    cross-entropy (binary and multilabel: BCE); focal (Lin et al., ICCV 2017); for segmentation also soft dice
    (Milletari et al., 3DV 2016) and tversky (Salehi et al., MLMI 2017).
    """

    name: LossTerm | dict[LossTerm, Annotated[float, Field(gt=0, le=1000)]] | None = Field(
        None,
        description="'cross-entropy', 'focal', 'dice', 'tversky', or several with a weight each, such as {focal: 1, "
        "dice: 0.5}; dice and tversky are for segmentation. Default: cross-entropy, and for segmentation cross-entropy "
        "and dice",
    )
    focal_gamma: float = Field(2.0, ge=0, le=10)
    tversky_alpha: float = Field(0.3, ge=0, le=1, description="What a false pixel costs in the Tversky index")
    tversky_beta: float = Field(0.7, ge=0, le=1, description="What a missed pixel costs in the Tversky index")
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

    def terms_of(self, task: Task) -> dict[LossTerm, float]:
        """Each term with its weight, for a task; ConfigError where a term compares areas and the task has none."""
        if self.name is None:
            return {"cross-entropy": 1.0, "dice": 1.0} if task == "segmentation" else {"cross-entropy": 1.0}
        terms: dict[LossTerm, float] = {self.name: 1.0} if isinstance(self.name, str) else dict(self.name)
        areas = _FOR_MAPS & terms.keys()
        if areas and task != "segmentation":
            raise ConfigError(
                f"training.loss.name '{min(areas)}' compares areas, which task '{task}' has none of; allowed are "
                "cross-entropy and focal, or take task segmentation"
            )
        return terms


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
