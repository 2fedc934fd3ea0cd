"""What shows which part of an image drove a prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lopore.arrays import HeatMaps, PixelBatch

from .field_rules import check_fields


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """Shows what drove a prediction. ``explain(session, batch, class_index)`` returns raw maps, non-negative.

    name: such as ``grad-cam``. formats: the formats whose sessions it can read, ("*",) for any session.
    needs: "gradients", "features" or "nothing" (then it works on any session).
    fits: says whether this very session can be explained (an ONNX file without feature outputs cannot).
    scale: what the map's values are, for the colour bar, such as "logit"; "probability" is drawn from 0 to 1.
    source: where the method is published.
    """

    name: str
    summary: str
    formats: tuple[str, ...]
    needs: Literal["gradients", "features", "nothing"]
    explain: Callable[[Any, PixelBatch, int], HeatMaps]
    fits: Callable[[Any], bool] = lambda session: True
    scale: str = "raw"
    source: str = ""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def key(self) -> str:
        return f"{'+'.join(self.formats)}/{self.name}" if self.formats != ("*",) else self.name
