"""The losses that lopore-torch offers; the framework wakes when one is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lopore.contracts import FocalParams, LossFunction, LossRequest, LossTerm, NoParams, Params, Task, TverskyParams
from lopore.hookspecs import hookimpl

CLASSIFYING: tuple[Task, ...] = ("binary", "multiclass", "multilabel", "segmentation")
LOSSES: tuple[tuple[str, str, str, type[Params]], ...] = (
    ("cross-entropy", "cross_entropy", "Cross-entropy; of binary and of several labels BCE", NoParams),
    ("focal", "focal", "Cross-entropy that turns to what is hard (Lin et al., ICCV 2017)", FocalParams),
    ("dice", "dice", "Soft Dice of maps (Milletari et al., 3DV 2016)", NoParams),
    ("tversky", "tversky_index", "Tversky index of maps (Salehi et al., MLMI 2017)", TverskyParams),
)


def _loss(function: str) -> Any:
    def build(request: LossRequest) -> LossFunction:
        from . import losses

        return getattr(losses, function)(request)  # type: ignore[no-any-return]

    return build


@hookimpl
def lopore_losses() -> Iterable[LossTerm]:
    for name, function, summary, params in LOSSES:
        of_maps = name in ("dice", "tversky")
        yield LossTerm(
            framework="torch", name=name, summary=summary, tasks=("segmentation",) if of_maps else CLASSIFYING,
            build=_loss(function), params=params, weighs_classes=not of_maps,
        )  # fmt: skip
