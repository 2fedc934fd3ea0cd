"""Augmentation steps with one promise broken."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ConfigDict

from lopore.contracts import AugmentationStep, StepParams

from .sound import SHADE, shaded


class LooseStep(StepParams):
    model_config = ConfigDict(frozen=True, extra="allow")


class UnboundedStep(StepParams):
    gain: float = 1.0


def _with(changes: Any) -> AugmentationStep:
    return replace(SHADE, changes=changes)


def _eight_bits(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
    found, mask = shaded(pixels, mask, params, rng)
    return (found // 256 * 256 if found.dtype == np.uint16 else found), mask


def _floats(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
    found, mask = shaded(pixels, mask, params, rng)
    return (found.astype(np.float32) if found.dtype == np.uint16 and found.shape[2] == 3 else found), mask


def _nothing(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
    return pixels.copy(), mask


def _own_generator(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
    return shaded(pixels, mask, params, np.random.default_rng())


def _in_place(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
    pixels[:2] = 0
    return shaded(pixels, mask, params, rng)


def _mirror_alone(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
    return np.ascontiguousarray(pixels[:, ::-1]), mask


def _smooth_mask(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
    found, _ = shaded(pixels, None, params, rng)
    return found, None if mask is None else ((mask.astype(np.uint16) + np.roll(mask, 1, 1)) // 2).astype(mask.dtype)


def _by_mask(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
    return shaded(pixels, mask, params, rng) if mask is None else (pixels.copy(), mask)


def _wants_room(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
    if min(pixels.shape[:2]) < 32:
        raise ValueError("too small")
    return shaded(pixels, mask, params, rng)


def _seeds(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
    np.random.seed(0)
    return shaded(pixels, mask, params, rng)


def _moves(pixels: Any, mask: Any, params: Any, rng: Any) -> Any:
    os.chdir(Path.cwd().parent)
    return shaded(pixels, mask, params, rng)


AUGMENTATION_FAULTS: dict[str, tuple[AugmentationStep, set[str]]] = {
    "unknown parameters are accepted": (
        replace(SHADE, params=LooseStep, changes=lambda p, m, _, r: shaded(p, m, SHADE.params(), r)),
        {"defaults_are_valid"},
    ),
    "a number has no bounds": (
        replace(SHADE, params=UnboundedStep, changes=lambda p, m, _, r: shaded(p, m, SHADE.params(), r)),
        {"bounds_are_stated_and_hold"},
    ),
    "float32 of 16-bit colour": (_with(_floats), {"keeps_shape_and_depth"}),
    "nothing is changed": (_with(_nothing), {"changes_something"}),
    "a generator of its own": (_with(_own_generator), {"same_seed_same_image", "takes_images_without_a_mask"}),
    "the input is changed": (_with(_in_place), {"leaves_input_untouched"}),
    "the mask stays behind": (_with(_mirror_alone), {"mask_moves_with_the_image"}),
    "labels are mixed": (_with(_smooth_mask), {"mask_keeps_its_labels"}),
    "the mask changes the image": (_with(_by_mask), {"takes_images_without_a_mask"}),
    "8 bits inside": (_with(_eight_bits), {"keeps_grey_levels_16_bit"}),
    "a crash when tiny": (_with(_wants_room), {"tiny_and_constant_images"}),
    "NumPy is seeded for all": (_with(_seeds), {"leaves_the_process_as_it_was"}),
    "the directory is changed": (_with(_moves), {"leaves_the_process_as_it_was"}),
}  # fmt: skip
