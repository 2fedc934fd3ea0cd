"""The losses that lopore-tf offers; the framework wakes when one is built."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lopore.contracts import LossFunction, LossRequest, LossTerm
from lopore.hookspecs import hookimpl
from lopore.training.standard_losses import standard_losses


def _loss(function: str) -> Any:
    def build(request: LossRequest) -> LossFunction:
        from . import losses

        return getattr(losses, function)(request)  # type: ignore[no-any-return]

    return build


@hookimpl
def lopore_losses() -> Iterable[LossTerm]:
    return standard_losses("tf", _loss)
