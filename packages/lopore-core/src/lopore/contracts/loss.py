"""What a loss term offers: a function of one framework that says how wrong the scores of each image are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import Field

from lopore.arrays import Framework, Task

from .field_rules import check_fields, check_parameters
from .params import NoParams, Params

LossFunction: TypeAlias = Callable[[Any, Any, Any], Any]
"""``(logits, targets, known) -> losses`` in tensors of the framework; losses (N,), one an image, not their mean.

binary: logits (N, 1), targets (N,) of 0 and 1. multiclass: (N, K), (N,). multilabel: (N, K), (N, K) of 0 and 1.
segmentation: logits (N, K + 1, H, W) with torch and (N, H, W, K + 1) with TensorFlow, background first, and targets
(N, H, W). ``known`` is (N, H, W) bool for segmentation, else None; where it is False, nothing is known of a pixel: its
target reads 0 and must not count.
"""


@dataclass(frozen=True, kw_only=True)
class LossRequest:
    """What a loss term is told once, before a training.

    classes: how many (K). class_weights: K numbers or None, of what an image shows: its true class; of several labels
    each that it has; of segmentation each pixel's class, where the background weighs 1. label_smoothing: share of the
    truth that is spread over all classes. A term that uses neither says so in its summary.
    """

    task: Task
    classes: int
    params: Any
    class_weights: tuple[float, ...] | None = None
    label_smoothing: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LossTerm:
    """One term of a training's loss. ``training.loss.name`` of a config names it, alone or with others and weights.

    name: kebab-case, unique within its framework. tasks: what it is defined for.
    build: ``(request) -> function``; see ``LossFunction``. The function is finite for any finite logits, and images
        count apart from each other, so that shares of a batch add up to the whole.
    params: every field has a default; ``training.loss.parameters`` sets them.
    weighs_classes: whether it takes ``class_weights`` into account.
    """

    framework: Framework
    name: str
    summary: str
    tasks: tuple[Task, ...]
    build: Callable[[LossRequest], LossFunction]
    params: type[Params] = NoParams
    weighs_classes: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        check_parameters(f"LossTerm '{self.name}'", self.params)

    @property
    def key(self) -> str:
        return f"{self.framework}/{self.name}"


class FocalParams(Params):
    """Of the loss ``focal``."""

    gamma: float = Field(2.0, ge=0, le=10, description="How strongly it turns to what is hard; 0 is cross-entropy")


class TverskyParams(Params):
    """Of the loss ``tversky``."""

    alpha: float = Field(0.3, ge=0, le=1, description="What a false pixel costs")
    beta: float = Field(0.7, ge=0, le=1, description="What a missed pixel costs")


@dataclass(frozen=True, kw_only=True)
class WeightedLoss:
    """A loss term as a run uses it: what is added up is ``weight`` times the term's losses."""

    term: LossTerm
    weight: float
    params: Any
