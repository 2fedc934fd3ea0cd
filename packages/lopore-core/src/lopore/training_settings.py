"""Settings of a training run that a plugin's learner receives: loss, optimizer, schedule."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of a config: unknown keys are errors, values cannot be changed afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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
