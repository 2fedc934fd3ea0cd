"""The losses that lopore-torch and lopore-tf both offer under one name, described once; a run's losses built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lopore.contracts import (
    FocalParams,
    LossFunction,
    LossRequest,
    LossTerm,
    NoParams,
    Params,
    Task,
    TverskyParams,
    WeightedLoss,
)

CLASSIFYING: tuple[Task, ...] = ("binary", "multiclass", "multilabel", "segmentation")
LOSSES: tuple[tuple[str, str, str, type[Params]], ...] = (
    ("cross-entropy", "cross_entropy", "Cross-entropy; of binary and of several labels BCE", NoParams),
    ("focal", "focal", "Cross-entropy that turns to what is hard (Lin et al., ICCV 2017)", FocalParams),
    ("dice", "dice", "Soft Dice of maps (Milletari et al., 3DV 2016)", NoParams),
    ("tversky", "tversky_index", "Tversky index of maps (Salehi et al., MLMI 2017)", TverskyParams),
)
"""Name, function that builds it, summary, parameters."""


def standard_losses(framework: str, builder: Callable[[str], Any]) -> Iterator[LossTerm]:
    """The descriptors for a framework. builder: from the name of a function in ``LOSSES`` to ``LossTerm.build``."""
    for name, function, summary, params in LOSSES:
        of_maps = name in ("dice", "tversky")
        yield LossTerm(
            framework=framework, name=name, summary=summary, tasks=("segmentation",) if of_maps else CLASSIFYING,
            build=builder(function), params=params, weighs_classes=not of_maps,
        )  # fmt: skip


def built_losses(
    losses: Sequence[WeightedLoss],
    *,
    task: Task,
    classes: int,
    class_weights: tuple[float, ...] | None,
    label_smoothing: float,
) -> list[tuple[str, float, LossFunction]]:
    """(key, weight, function) of each term of a run, built for its task. Errors as of ``LossTerm.build``."""
    return [
        (one.term.key, one.weight, one.term.build(LossRequest(
            task=task, classes=classes, params=one.params, class_weights=class_weights, label_smoothing=label_smoothing
        )))
        for one in losses
    ]  # fmt: skip
