"""The augmentation steps of core; OpenCV is imported when one is first used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lopore.config import augmentation as steps
from lopore.contracts import LOPORE_API as LOPORE_API
from lopore.contracts import AugmentationStep, StepParams
from lopore.hookspecs import hookimpl

MOVES: tuple[tuple[str, type[StepParams], str, str], ...] = (
    ("horizontal_flip", steps.HorizontalFlip, "mirror_sideways", "Left and right exchanged"),
    ("vertical_flip", steps.VerticalFlip, "mirror_upright", "Top and bottom exchanged"),
    ("quarter_turns", steps.QuarterTurns, "quarter_turns", "Turns by quarters, of square inputs"),
    ("random_crop", steps.RandomCrop, "random_crop", "A part of the image at full size"),
    ("scale", steps.Scale, "scale", "Zoom about the centre"),
    ("rotate", steps.Rotate, "rotate", "Turn about the centre"),
)
CHANGES: tuple[tuple[str, type[StepParams], str, str], ...] = (
    ("elastic", steps.Elastic, "geometric_steps.elastic", "Small smooth warps"),
    ("gaussian_blur", steps.GaussianBlur, "grey_steps.gaussian_blur", "Unsharpness"),
    ("motion_blur", steps.MotionBlur, "grey_steps.motion_blur", "Smear along a straight line"),
    ("brightness_contrast", steps.BrightnessContrast, "grey_steps.brightness_contrast", "Another exposure"),
    ("gamma", steps.Gamma, "grey_steps.gamma", "Another film curve"),
    ("signal", steps.Signal, "grey_steps.signal", "Stronger and weaker marks about mid-grey"),
    ("noise", steps.Noise, "grey_steps.noise", "Gaussian grain"),
)


def _move(name: str) -> Any:
    def moves(size: Any, params: Any, rng: Any) -> Any:
        from . import geometric_steps

        return getattr(geometric_steps, name)(size, params, rng)

    return moves


def _change(function: str) -> Any:
    module, _, name = function.partition(".")

    def changes(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
        from . import geometric_steps, grey_steps

        return getattr({"geometric_steps": geometric_steps, "grey_steps": grey_steps}[module], name)(
            pixels, mask, params, rng
        )

    return changes


@hookimpl
def lopore_augmentations() -> Iterable[AugmentationStep]:
    for name, params, function, summary in MOVES:
        yield AugmentationStep(name=name, summary=summary, params=params, moves=_move(function))
    for name, params, function, summary in CHANGES:
        yield AugmentationStep(name=name, summary=summary, params=params, changes=_change(function))
