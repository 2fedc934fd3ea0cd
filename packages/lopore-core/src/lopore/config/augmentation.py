"""Augmentation recipes as data: each step has its own switch, range and probability; ``none`` means none.

Steps of plugins are named in ``others``, with their parameters.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lopore.contracts import StepParams


class Rotate(StepParams):
    """Turn about the centre; corners are filled by reflection, so that no black wedge can be learned."""

    degrees: float = Field(15.0, gt=0, le=180, description="Largest turn to either side")


class HorizontalFlip(StepParams):
    """Left and right exchanged."""


class VerticalFlip(StepParams):
    """Top and bottom exchanged."""


class QuarterTurns(StepParams):
    """Turns by 0, 90, 180 or 270 degrees, each alike; square inputs only."""

    probability: float = Field(1.0, gt=0, le=1)


class RandomCrop(StepParams):
    """A part of the image at a random place, brought back to full size; the proportions of sides are kept."""

    smallest_area: float = Field(0.8, gt=0, lt=1, description="Smallest part that is kept, as a share of the area")


class Scale(StepParams):
    """Zoom in or out about the centre; borders are filled by reflection."""

    by: float = Field(0.1, gt=0, lt=0.9, description="Largest change of the scale to either side; 0.1 is 0.9 to 1.1")


class GaussianBlur(StepParams):
    """Unsharpness."""

    probability: float = Field(0.2, gt=0, le=1)
    sigma: tuple[float, float] = Field((0.2, 1.0), description="Standard deviation in pixels of the network's input")


class MotionBlur(StepParams):
    """Smear along a straight line in a random direction."""

    probability: float = Field(0.2, gt=0, le=1)
    length: int = Field(5, ge=3, le=31, description="Longest smear in pixels, odd")


class BrightnessContrast(StepParams):
    """Another exposure: grey values shifted and spread."""

    brightness: float = Field(0.1, ge=0, le=1, description="Largest shift to either side, as a share of full range")
    contrast: float = Field(0.1, ge=0, lt=1, description="Largest change of the spread to either side")


class Gamma(StepParams):
    """Another film curve: grey values raised to a power."""

    probability: float = Field(0.3, gt=0, le=1)
    exponent: tuple[float, float] = Field((0.8, 1.25), description="Smallest and largest exponent")


class Signal(StepParams):
    """Stronger and weaker marks: the distance from mid-grey multiplied, for images made by ``local-contrast``."""

    factor: tuple[float, float] = Field((0.5, 1.5), description="Smallest and largest factor, drawn log-uniformly")


class Elastic(StepParams):
    """Small smooth warps."""

    probability: float = Field(0.2, gt=0, le=1)
    displacement: float = Field(1.0, gt=0, le=50, description="Root mean square shift along each axis, in pixels")
    smoothness: float = Field(12.0, ge=1, le=100, description="Standard deviation of the shifts' smoothing, in pixels")


class Noise(StepParams):
    """Gaussian grain."""

    probability: float = Field(0.3, gt=0, le=1)
    sigma: tuple[float, float] = Field((0.005, 0.02), description="Standard deviation as a share of full range")


class Augmentation(BaseModel):
    """A recipe. A step that is absent is off; ``true`` switches one on with its defaults, ``false`` off."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    horizontal_flip: HorizontalFlip | None = None
    vertical_flip: VerticalFlip | None = None
    quarter_turns: QuarterTurns | None = None
    random_crop: RandomCrop | None = None
    scale: Scale | None = None
    rotate: Rotate | None = None
    elastic: Elastic | None = None
    gaussian_blur: GaussianBlur | None = None
    motion_blur: MotionBlur | None = None
    brightness_contrast: BrightnessContrast | None = None
    gamma: Gamma | None = None
    signal: Signal | None = None
    noise: Noise | None = None
    others: tuple[str | dict[str, Any], ...] = Field(
        (),
        max_length=32,
        description="Steps of plugins, after those above and in this order, by name or with parameters, such as "
        "[{name: scratches, probability: 0.2}]; `lopore plugins` lists them",
    )

    @model_validator(mode="before")
    @classmethod
    def _switches(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: ({} if value is True else None if value is False else value) for key, value in data.items()}

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> Augmentation:
        for name, (low, high), least in (
            ("gaussian_blur.sigma", self.gaussian_blur.sigma if self.gaussian_blur else (1, 1), 0.0),
            ("gamma.exponent", self.gamma.exponent if self.gamma else (1, 1), 0.01),
            ("signal.factor", self.signal.factor if self.signal else (1, 1), 0.01),
            ("noise.sigma", self.noise.sigma if self.noise else (1, 1), 0.0),
        ):
            if not least <= low <= high:
                raise ValueError(f"{name} is [{low}, {high}]; give the smaller value first, {least} or more")
        if self.motion_blur and self.motion_blur.length % 2 == 0:
            raise ValueError(f"motion_blur.length is {self.motion_blur.length}; it must be odd")
        return self

    @property
    def steps(self) -> dict[str, StepParams]:
        """The steps of lopore that are on, in the order in which they are applied."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: step for name, step in found.items() if isinstance(step, StepParams)}


Recipe = Literal["none"] | Augmentation
