"""An augmentation recipe applied to images and masks; the same seed gives the same images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lopore.config.augmentation import (
    BrightnessContrast,
    Elastic,
    Gamma,
    GaussianBlur,
    HorizontalFlip,
    MotionBlur,
    Noise,
    QuarterTurns,
    RandomCrop,
    Recipe,
    Rotate,
    Scale,
    Signal,
    Step,
    VerticalFlip,
)

from .signal import signal_transform

if TYPE_CHECKING:
    import threading

    from numpy.typing import NDArray

    from lopore.arrays import Pixels


def _albumentations() -> Any:
    """The library, without the look for a newer version that its import makes over the network."""
    import os

    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        import albumentations
    except ImportError as error:
        from lopore.errors import ConfigError

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
        case Signal():
            made = signal_transform(a, step.factor, p)
        case Noise():
            made = a.GaussNoise(std_range=step.sigma, p=p)
    return made


class Augmenter:
    """A recipe at work: the same (seed, epoch, index) gives the same image in any thread, order or process."""

    def __init__(self, recipe: Recipe, size: tuple[int, int], seed: int = 0) -> None:
        """size: (height, width) of the images. Raises ConfigError for quarter turns of inputs that are not square."""
        import threading

        if recipe != "none" and recipe.quarter_turns and size[0] != size[1]:
            from lopore.errors import ConfigError

            raise ConfigError(f"quarter_turns need a square input, this one is {size[0]} x {size[1]}; switch them off")
        self.recipe, self.size, self.seed = recipe, size, seed
        self._own: threading.local = threading.local()

    @property
    def changes(self) -> bool:
        return self.recipe != "none" and bool(self.recipe.steps)

    def __call__(
        self, pixels: Pixels, *, epoch: int, index: int, mask: NDArray[Any] | None = None
    ) -> tuple[Pixels, NDArray[Any] | None]:
        """One changed image, and its mask moved alike.

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
    """albumentations has no 16-bit arithmetic, so deep images go through float32 in 0..1 (16 bits fit its 24)."""
    import numpy as np

    deep = pixels.dtype == np.uint16
    image = pixels.astype(np.float32) / np.float32(65535) if deep else pixels
    given = {"image": image} if mask is None else {"image": image, "mask": mask}
    out = compose(**given)
    changed = out["image"].reshape(pixels.shape)
    if deep:
        changed = np.rint(np.clip(changed, 0, 1) * np.float32(65535)).astype(np.uint16)
    return np.ascontiguousarray(changed), None if mask is None else np.ascontiguousarray(out["mask"])
