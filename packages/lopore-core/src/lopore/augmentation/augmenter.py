"""An augmentation recipe applied to images and masks; the same seed gives the same images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.config.augmentation import Recipe
from lopore.errors import ConfigError, PluginError
from lopore.plugins.owned_errors import owned_errors
from lopore.plugins.problems import leave_out

from .moving import moved
from .recipe import ChosenStep, chosen_steps


class Augmenter:
    """A recipe at work: the same (seed, epoch, index) gives the same image in any thread, order or process."""

    def __init__(self, recipe: Recipe | Sequence[ChosenStep], size: tuple[int, int], seed: int = 0) -> None:
        """size: (height, width) of the images. ConfigError for quarter turns of inputs that are not square; see
        ``chosen_steps`` for what it says of steps."""
        self.steps = chosen_steps(recipe) if isinstance(recipe, str) or not isinstance(recipe, Sequence) else (*recipe,)
        if size[0] != size[1] and any(one.step.key == "quarter_turns" for one in self.steps):
            raise ConfigError(f"quarter_turns need a square input, this one is {size[0]} x {size[1]}; switch them off")
        self.size, self.seed = size, seed
        self._probabilities = np.array([one.params.probability for one in self.steps])

    @property
    def changes(self) -> bool:
        return bool(self.steps)

    def __call__(
        self, pixels: Pixels, *, epoch: int, index: int, mask: NDArray[Any] | None = None
    ) -> tuple[Pixels, NDArray[Any] | None]:
        """One changed image, and its mask moved alike.

        pixels: (H, W, C) uint8 or uint16; same shape and depth out, the input untouched. mask: (H, W) integers or None.
        Moves that follow each other are joined, so that pixels are interpolated once. PluginError, naming the owner,
        for a step that fails or gives another shape or depth.
        """
        if not self.changes:
            return pixels, mask
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self.seed, epoch, index])))
        met = rng.random(len(self.steps)) < self._probabilities
        move: Affine | None = None
        for one in (step for step, meets in zip(self.steps, met, strict=True) if meets):
            with owned_errors("augmentation", one.step.key, one.source):
                if one.step.moves is not None:
                    found = one.step.moves((pixels.shape[0], pixels.shape[1]), one.params, rng)
                    move = found if move is None else move.then(found)
                    continue
                pixels, mask = (pixels, mask) if move is None else moved(pixels, mask, move)
                move = None
                pixels, mask = _changed(one, pixels, mask, rng)
        return (pixels, mask) if move is None else moved(pixels, mask, move)


def _changed(
    one: ChosenStep, pixels: Pixels, mask: NDArray[Any] | None, rng: np.random.Generator
) -> tuple[Pixels, NDArray[Any] | None]:
    assert one.step.changes is not None  # a step has one of the two
    image, drawn = one.step.changes(pixels, mask, one.params, rng)
    for what, before, after in (("image", pixels, image), ("mask", mask, drawn)):
        forms = [None if array is None else (array.shape, array.dtype.name) for array in (before, after)]
        if forms[0] != forms[1]:
            raise PluginError(
                f"augmentation '{one.step.key}' of {one.source} turned the {what} {forms[0]} into {forms[1]}; "
                f"tell its author; {leave_out(one.source)}"
            )
    return image, drawn
