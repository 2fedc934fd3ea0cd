"""The losses that lopore-torch and lopore-tf both offer under one name, described once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lopore.contracts import FocalParams, LossTerm, NoParams, Params, Task, TverskyParams

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
