"""Augmentation recipes as data: each step has its own switch, range and probability; ``none`` means none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from .contracts import Pixels


class Step(BaseModel):
    """One kind of change, with the share of pictures that it meets."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    probability: float = Field(0.5, gt=0, le=1, description="Share of the pictures that are changed so")


class Rotate(Step):
    """Turn about the centre; corners are filled by reflection, so that no black wedge can be learned."""

    degrees: float = Field(15.0, gt=0, le=180, description="Largest turn to either side")


class HorizontalFlip(Step):
    """Left and right exchanged."""


class VerticalFlip(Step):
    """Top and bottom exchanged."""


class QuarterTurns(Step):
    """Turns by 0, 90, 180 or 270 degrees, each alike; square inputs only."""

    probability: float = Field(1.0, gt=0, le=1)


class RandomCrop(Step):
    """A part of the picture at a random place, brought back to full size; the proportions of sides are kept."""

    smallest_area: float = Field(0.8, gt=0, lt=1, description="Smallest part that is kept, as a share of the area")


class Scale(Step):
    """Zoom in or out about the centre; borders are filled by reflection."""

    by: float = Field(0.1, gt=0, lt=0.9, description="Largest change of the scale to either side; 0.1 is 0.9 to 1.1")


class GaussianBlur(Step):
    """Unsharpness."""

    probability: float = Field(0.2, gt=0, le=1)
    sigma: tuple[float, float] = Field((0.2, 1.0), description="Standard deviation in pixels of the network's input")


class MotionBlur(Step):
    """Smear along a straight line in a random direction."""

    probability: float = Field(0.2, gt=0, le=1)
    length: int = Field(5, ge=3, le=31, description="Longest smear in pixels, odd")


class BrightnessContrast(Step):
    """Another exposure: grey values shifted and spread."""

    brightness: float = Field(0.1, ge=0, le=1, description="Largest shift to either side, as a share of full range")
    contrast: float = Field(0.1, ge=0, lt=1, description="Largest change of the spread to either side")


class Gamma(Step):
    """Another film curve: grey values raised to a power."""

    probability: float = Field(0.3, gt=0, le=1)
    exponent: tuple[float, float] = Field((0.8, 1.25), description="Smallest and largest exponent")


class Elastic(Step):
    """Small smooth warps."""

    probability: float = Field(0.2, gt=0, le=1)
    displacement: float = Field(1.0, gt=0, le=50, description="Root mean square shift along each axis, in pixels")
    smoothness: float = Field(12.0, ge=1, le=100, description="Standard deviation of the shifts' smoothing, in pixels")


class Noise(Step):
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
    noise: Noise | None = None

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
            ("noise.sigma", self.noise.sigma if self.noise else (1, 1), 0.0),
        ):
            if not least <= low <= high:
                raise ValueError(f"{name} is [{low}, {high}]; give the smaller value first, {least} or more")
        if self.motion_blur and self.motion_blur.length % 2 == 0:
            raise ValueError(f"motion_blur.length is {self.motion_blur.length}; it must be odd")
        return self

    @property
    def steps(self) -> dict[str, Step]:
        """The steps that are on, in the order in which they are applied."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: step for name, step in found.items() if step is not None}


Recipe = Literal["none"] | Augmentation


def _albumentations() -> Any:
    """The library, without the look for a newer version that its import makes over the network."""
    import os

    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        import albumentations
    except ImportError as error:
        from .errors import ConfigError

        way_out = "pip install 'lopore-core[train]', or set augmentation to none"
        raise ConfigError(f"augmentation needs albumentations; {way_out}") from error
    return albumentations


def _transform(step: Step, size: tuple[int, int]) -> Any:
    """The albumentations transform of one step for inputs of ``size`` (height, width)."""
    import math

    import cv2

    a, edge, p = _albumentations(), {"border_mode": cv2.BORDER_REFLECT_101}, step.probability
    made: Any = None
    match step:
        case HorizontalFlip():
            made = a.HorizontalFlip(p=p)
        case VerticalFlip():
            made = a.VerticalFlip(p=p)
        case QuarterTurns():
            made = a.RandomRotate90(p=p)
        case RandomCrop():
            shape = size[1] / size[0]
            made = a.RandomResizedCrop(size, scale=(step.smallest_area, 1.0), ratio=(shape, shape), p=p)
        case Scale():
            made = a.Affine(scale=(1 - step.by, 1 + step.by), keep_ratio=True, p=p, **edge)
        case Rotate():
            made = a.Rotate(limit=step.degrees, p=p, **edge)
        case Elastic():
            # uniform shifts in -1..1 smoothed by a Gaussian of s px keep a deviation of 1 / (sqrt(3) * 2 s sqrt(pi))
            alpha = step.displacement * math.sqrt(3) * 2 * step.smoothness * math.sqrt(math.pi)
            made = a.ElasticTransform(alpha=alpha, sigma=step.smoothness, noise_distribution="uniform", p=p, **edge)
        case GaussianBlur():
            made = a.GaussianBlur(blur_limit=0, sigma_limit=step.sigma, p=p)
        case MotionBlur():
            made = a.MotionBlur(blur_limit=(3, step.length), allow_shifted=False, p=p)
        case BrightnessContrast():
            made = a.RandomBrightnessContrast(brightness_limit=step.brightness, contrast_limit=step.contrast, p=p)
        case Gamma():
            made = a.RandomGamma(gamma_limit=(step.exponent[0] * 100, step.exponent[1] * 100), p=p)
        case Noise():
            made = a.GaussNoise(std_range=step.sigma, p=p)
    return made


class Augmenter:
    """A recipe at work: the same (seed, epoch, index) gives the same picture in any thread, order or process."""

    def __init__(self, recipe: Recipe, size: tuple[int, int], seed: int = 0) -> None:
        """size: (height, width) of the pictures. Raises ConfigError for quarter turns of inputs that are not square."""
        import threading

        if recipe != "none" and recipe.quarter_turns and size[0] != size[1]:
            from .errors import ConfigError

            raise ConfigError(f"quarter_turns need a square input, this one is {size[0]} x {size[1]}; switch them off")
        self.recipe, self.size, self.seed = recipe, size, seed
        self._own: threading.local = threading.local()

    @property
    def changes(self) -> bool:
        return self.recipe != "none" and bool(self.recipe.steps)

    def __call__(
        self, pixels: Pixels, *, epoch: int, index: int, mask: NDArray[Any] | None = None
    ) -> tuple[Pixels, NDArray[Any] | None]:
        """One changed picture, and its mask moved alike.

        pixels: (H, W, C) uint8 or uint16; same shape and depth out, the input untouched. mask: (H, W) integers or None.
        """
        if not self.changes:
            return pixels, mask
        return _apply(self._compose(epoch, index), pixels, mask)

    def _compose(self, epoch: int, index: int) -> Any:
        import random

        import numpy as np

        if not hasattr(self._own, "compose"):
            assert self.recipe != "none"
            steps = [_transform(step, self.size) for step in self.recipe.steps.values()]
            self._own.compose = _albumentations().Compose(steps)
        words = np.random.SeedSequence([self.seed, epoch, index]).generate_state(2, np.uint64)
        # Not Compose.set_random_seed: it hands every step the same stream, so that two flips always fall together.
        generator = np.random.Generator(np.random.PCG64(int(words[0])))
        self._own.compose.set_random_state(generator, random.Random(int(words[1])))
        return self._own.compose


def _apply(compose: Any, pixels: Pixels, mask: NDArray[Any] | None) -> tuple[Pixels, NDArray[Any] | None]:
    """albumentations has no 16-bit arithmetic, so deep pictures go through float32 in 0..1 (16 bits fit its 24)."""
    import numpy as np

    deep = pixels.dtype == np.uint16
    image = pixels.astype(np.float32) / np.float32(65535) if deep else pixels
    given = {"image": image} if mask is None else {"image": image, "mask": mask}
    out = compose(**given)
    changed = out["image"].reshape(pixels.shape)
    if deep:
        changed = np.rint(np.clip(changed, 0, 1) * np.float32(65535)).astype(np.uint16)
    return np.ascontiguousarray(changed), None if mask is None else np.ascontiguousarray(out["mask"])


def preview_sheet(
    path: Path,
    pictures: Sequence[Pixels],
    titles: Sequence[str],
    recipe: Recipe,
    *,
    seed: int = 0,
    versions: int = 5,
    heading: str = "",
) -> Path:
    """Write a PNG of what the network sees: a row a picture, the unchanged one first, then ``versions`` changed ones.

    pictures: (H, W, C) uint8 or uint16, all of one size. titles: a class name for each. Returns ``path``.
    """
    import io

    from .files import atomic_write_bytes
    from .run.preview import draw_sheet

    augmenter = Augmenter(recipe, (pictures[0].shape[0], pictures[0].shape[1]), seed)
    shown = versions if augmenter.changes else 0
    rows = [
        [picture, *(augmenter(picture, epoch=version, index=index)[0] for version in range(shown))]
        for index, picture in enumerate(pictures)
    ]
    stream = io.BytesIO()
    draw_sheet(rows, list(titles), heading).save(stream, format="PNG")
    atomic_write_bytes(path, stream.getvalue())
    return path


def destroys_small_defects(
    recipe: Recipe, size: tuple[int, int], *, defect_px: float = 4.0, draws: int = 32, seed: int = 0
) -> list[str]:
    """One warning line for each step of a recipe that wipes out small defects; empty where all is well.

    Plants pores (discs of ``defect_px``) and gaps (lines of a third of it) in made film textures, sends them with and
    without the defect through each step alone, and compares contrast-to-noise before and after.
    A step is named when more than a quarter of the defects lose over half of it, or leave the picture.
    """
    from .run.defects import lost_share

    if recipe == "none":
        return []
    shrink = max(1.0, max(size) / 192)  # a defect counts in pixels, so a small film tells as much as a large one
    film = round(size[0] / shrink), round(size[1] / shrink)
    defect = min(defect_px, min(film) / 8)
    warnings = []
    for name, step in recipe.steps.items():
        alone = Augmentation.model_validate({name: {**step.model_dump(), "probability": 1.0}})
        lost = lost_share(Augmenter(alone, film, seed), film, defect, draws, seed)
        if lost > 0.25:
            warnings.append(
                f"{name}: {lost:.0%} of planted {defect_px:g} px defects lose over half of their contrast-to-noise "
                f"when it is applied (to {step.probability:.0%} of the pictures); narrow its range or switch it off"
            )
    return warnings


__all__ = ["Augmentation", "Augmenter", "Recipe", "destroys_small_defects", "preview_sheet"]
