"""The preprocessing record: how an image becomes a network's input, with its fingerprint."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

Step = dict[str, Any]
"""One step of an enhancement chain: ``{"name": ..., **parameters}``."""
ResizeMode: TypeAlias = Literal["stretch", "letterbox", "crop", "tile"]
"""How an image meets the network's input size; see ``preprocessing.geometry.fit_to_input``."""


class Window(BaseModel):
    """Which grey values of a deep image fill the network's range.

    full: the whole range of the type. percentile: of the image's own values. fixed: ``low`` and ``high`` as grey
    values of the file. tags: the DICOM window where the file has one, else percentile.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mode: Literal["full", "percentile", "fixed", "tags"] = "full"
    low: float = Field(0.5, description="Percentile, or grey value for 'fixed'")
    high: float = Field(99.5, description="Percentile, or grey value for 'fixed'")

    @model_validator(mode="after")
    def _low_is_under_high(self) -> Window:
        if self.low >= self.high:
            raise ValueError(f"window low {self.low} is not under high {self.high}")
        if self.mode in ("percentile", "tags") and not 0 <= self.low < self.high <= 100:
            raise ValueError(f"percentiles {self.low} and {self.high} are outside 0..100")
        return self


class Preprocessing(BaseModel):
    """The record that turns any radiograph into a network's input; it travels with the weights.

    The order is: read as ``channels``, window to ``depth`` bits, enhance, fit (``resize``) to ``size``. Of tiles
    (``resize: tile``): read, rescale to ``mm_per_pixel`` (None: the film's own pixels), window, enhance the film, cut.
    mean, std: per channel of pixels scaled to 0..1, as the network's own graph applies them; None until a network
    with pretrained weights fills them in (then those of the weights, else 0.5 and 0.25).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    channels: Literal[1, 3] = 1
    depth: Literal[8, 16] = 8
    window: Window = Window()
    enhance: tuple[Step, ...] = ()
    resize: ResizeMode = "stretch"
    size: tuple[int, int] = Field((224, 224), description="Pixels a side, or [height, width]")
    mm_per_pixel: float | None = Field(
        None, ge=1e-4, le=100, description="resize 'tile' only: size of the network's pixels on the film, in mm"
    )
    decoder_scaling: bool = Field(
        False, description="JPEG only: let the decoder halve the image while it stays larger than the network's input"
    )
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        size, steps = data.get("size"), data.get("enhance")
        if isinstance(size, int):
            data = {**data, "size": (size, size)}
        elif isinstance(size, (str, float)):
            raise ValueError(f"size is a number of pixels, or [height, width] (got {size!r:.60})")
        if isinstance(steps, list | tuple):
            data = {**data, "enhance": tuple({"name": step} if isinstance(step, str) else step for step in steps)}
        return data

    @model_validator(mode="after")
    def _is_possible(self) -> Preprocessing:
        if not all(8 <= side <= 4096 for side in self.size):
            raise ValueError(f"size {self.size} is outside 8..4096 px")
        if self.resize != "tile" and self.mm_per_pixel is not None:
            raise ValueError(
                f"mm_per_pixel is the scale of tiles; set resize to 'tile' (got '{self.resize}') or leave it out"
            )
        if self.decoder_scaling and (self.enhance or self.resize == "tile"):
            raise ValueError("decoder_scaling changes what an enhancement or a tile sees; leave it out")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if values is not None and len(values) != self.channels:
                raise ValueError(f"{name} has {len(values)} values for {self.channels} channels")
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f"std {self.std} must be positive")
        return self

    @property
    def fingerprint(self) -> str:
        """16 hex digits over everything that changes pixels on their way into the network."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
