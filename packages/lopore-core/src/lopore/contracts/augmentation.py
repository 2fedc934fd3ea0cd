"""What an augmentation step offers: a random change of a training image, and of its mask alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.errors import PluginError

from .field_rules import check_fields, check_parameters
from .params import Params


class StepParams(Params):
    """Base of an augmentation step's parameters; a step may give ``probability`` another default."""

    probability: float = Field(0.5, gt=0, le=1, description="Share of the images that are changed so")


@dataclass(frozen=True, kw_only=True)
class AugmentationStep:
    """One kind of random change. ``augmentation.others`` of a config names a plugin's step, with its parameters.

    Exactly one of the two functions is given. Both draw from ``rng`` alone, so that a seed gives the same images again;
    whether an image is changed at all is drawn by core, from ``params.probability``.
    moves: ``((height, width), params, rng) -> Affine`` from the unchanged to the changed image. Core moves image and
        mask; moves that follow each other become one, so pixels are interpolated once.
    changes: ``(pixels, mask, params, rng) -> (pixels, mask)`` for all else. pixels: (H, W, C) uint8 or uint16; mask:
        (H, W) of whole numbers, or None. Same shapes and types come out, and what came in is untouched. A step that
        moves pixels moves the mask alike, by nearest neighbours; one that does not gives it back.
    """

    name: str
    summary: str
    params: type[StepParams]
    moves: Callable[[tuple[int, int], Any, np.random.Generator], Affine] | None = None
    changes: (
        Callable[[Pixels, NDArray[Any] | None, Any, np.random.Generator], tuple[Pixels, NDArray[Any] | None]] | None
    ) = None

    def __post_init__(self) -> None:
        check_fields(self)
        check_parameters(f"AugmentationStep '{self.name}'", self.params)
        if not issubclass(self.params, StepParams):
            raise PluginError(f"params of AugmentationStep '{self.name}' is not a subclass of StepParams")
        if (self.moves is None) == (self.changes is None):
            raise PluginError(f"AugmentationStep '{self.name}' needs one of moves and changes; give exactly one")

    @property
    def key(self) -> str:
        return self.name
