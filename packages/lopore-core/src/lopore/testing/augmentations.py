"""What every augmentation step promises, one function a promise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import IGNORE, Pixels
from lopore.augmentation.augmenter import Augmenter
from lopore.augmentation.recipe import ChosenStep
from lopore.contracts import AugmentationStep, Params, StepParams

from .check import require
from .images import DTYPES, flat, full_scale
from .parameters import bounds_are_stated_and_hold, defaults_are_valid, variations
from .process import leaves_all

SIDE = 96
DRAWS = 12
OVERLAP = 0.6
"""Least intersection over union of a moved mark and its moved mask: both are some 20 pixels wide."""


def checks_for(step: AugmentationStep) -> Iterator[Callable[[AugmentationStep], None]]:
    """The promises that this descriptor makes."""
    yield from (
        defaults_are_valid,
        bounds_are_stated_and_hold,
        keeps_shape_and_depth,
        changes_something,
        same_seed_same_image,
        leaves_input_untouched,
        mask_moves_with_the_image,
        mask_keeps_its_labels,
        takes_images_without_a_mask,
        keeps_grey_levels_16_bit,
        tiny_and_constant_images,
        leaves_the_process_as_it_was,
    )


def _film(dtype: np.dtype[Any], channels: int = 1, mark: bool = False) -> Pixels:
    """(H, W, C): a slope with grain, and where asked a bright mark off the middle."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    values = 0.25 + 0.2 * columns / SIDE + 0.1 * rows / SIDE + rng.normal(0, 0.01, (SIDE, SIDE))
    values += 0.3 * _mark() if mark else 0.0
    grey = np.rint(np.clip(values, 0, 1) * full_scale(dtype)).astype(dtype)
    return np.repeat(grey[:, :, None], channels, axis=2)


def _mark() -> NDArray[np.bool_]:
    """An upright bar off the middle, which no mirror and no turn maps onto itself."""
    mask = np.zeros((SIDE, SIDE), bool)
    mask[26:54, 30:48] = True
    return mask


def _augmenter(step: AugmentationStep, params: Params | None = None, size: tuple[int, int] = (SIDE, SIDE)) -> Augmenter:
    given = step.params() if params is None else params
    assert isinstance(given, StepParams)  # a descriptor is refused without
    return Augmenter([ChosenStep(step, given, "this plugin").always()], size, seed=3)


def keeps_shape_and_depth(step: AugmentationStep) -> None:
    """Grey and colour images of 8 and 16 bit keep shape and type, for defaults, bounds and choices."""
    for dtype in DTYPES:
        for channels in (1, 3):
            for said, params in variations(step.params):
                film = _film(dtype, channels)
                found, _ = _augmenter(step, params)(film, epoch=0, index=0)
                same = found.shape == film.shape and found.dtype == dtype
                require(same, f"{dtype}, {channels} channels at {said}: {found.shape} {found.dtype}")


def changes_something(step: AugmentationStep) -> None:
    """Of a dozen draws with default parameters at least one changes the image."""
    film, augmenter = _film(DTYPES[0]), _augmenter(step)
    changed = any((augmenter(film, epoch=0, index=draw)[0] != film).any() for draw in range(DRAWS))
    require(changed, "a dozen draws leave the image as it was")


def same_seed_same_image(step: AugmentationStep) -> None:
    """It draws from the generator that it is given and from nothing else: a resumed run sees the same images."""
    film, first, again = _film(DTYPES[0]), _augmenter(step), _augmenter(step)
    for draw in range(DRAWS):
        one = first(film, epoch=1, index=draw)[0]
        again(film, epoch=7, index=draw)
        require(bool((one == again(film, epoch=1, index=draw)[0]).all()), f"draw {draw} differs when it is made again")


def leaves_input_untouched(step: AugmentationStep) -> None:
    """Image and mask that it was given are the same afterwards: other epochs get them again."""
    augmenter = _augmenter(step)
    for dtype in DTYPES:
        film, mask = _film(dtype), _mark().astype(np.uint8)
        for draw in range(DRAWS):
            augmenter(film, epoch=0, index=draw, mask=mask)
        require(bool((film == _film(dtype)).all()), f"{dtype}: it changes the image that it is given")
        require(bool((mask == _mark()).all()), "it changes the mask that it is given")


def mask_moves_with_the_image(step: AugmentationStep) -> None:
    """A mark that is planted in the image lies where its mask lies afterwards."""
    augmenter, mask = _augmenter(step), _mark().astype(np.uint8)
    for draw in range(DRAWS):
        plain, _ = augmenter(_film(DTYPES[0]), epoch=0, index=draw)
        planted, moved = augmenter(_film(DTYPES[0], mark=True), epoch=0, index=draw, mask=mask)
        change = np.abs(planted.astype(np.int64) - plain.astype(np.int64))[:, :, 0]
        if moved is None or change.max() < 8:  # nothing of it is to be seen
            require(moved is not None, "it returns no mask")
            continue
        seen, drawn = change > change.max() / 2, moved > 0
        overlap = (seen & drawn).sum() / max(1, (seen | drawn).sum())
        require(bool(overlap >= OVERLAP), f"draw {draw}: mark and mask share {overlap:.2f} of their area")


def mask_keeps_its_labels(step: AugmentationStep) -> None:
    """A mask of several classes holds no number that it did not hold, except for what is not known; its type stays."""
    mask = np.where(_mark(), 2, 0).astype(np.uint8)
    mask[60:80, 60:80] = 5
    for draw in range(DRAWS):
        _, moved = _augmenter(step)(_film(DTYPES[0]), epoch=0, index=draw, mask=mask)
        assert moved is not None  # the augmenter refuses a step that loses it
        odd = sorted(set(np.unique(moved).tolist()) - {0, 2, 5, IGNORE})
        require(not odd, f"the mask holds {odd}; move it by nearest neighbours")


def takes_images_without_a_mask(step: AugmentationStep) -> None:
    """The image comes out the same with a mask and without."""
    film, augmenter = _film(DTYPES[0]), _augmenter(step)
    for draw in range(DRAWS):
        with_mask, _ = augmenter(film, epoch=0, index=draw, mask=_mark().astype(np.uint8))
        alone, none = augmenter(film, epoch=0, index=draw)
        require(none is None, "it gives a mask where it got none")
        require(bool((alone == with_mask).all()), "a mask changes the image")


def keeps_grey_levels_16_bit(step: AugmentationStep) -> None:
    """A slope of 16 bits keeps more than 256 grey values: nothing is cut to 8 bits inside."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    film = np.asarray(20_000 + 2 * (SIDE * rows + columns), np.uint16)[:, :, None]
    found = [len(np.unique(_augmenter(step)(film, epoch=0, index=draw)[0])) for draw in range(3)]
    require(max(found) > 256, f"{max(found)} grey values of {SIDE * SIDE} are left")


def tiny_and_constant_images(step: AugmentationStep) -> None:
    """An image of 8 x 8 pixels, and one of a single grey value, come out with their shape."""
    for dtype in DTYPES:
        for image in (_film(dtype)[:8, :8].copy(), flat(dtype, 0.5, (SIDE, SIDE, 1))):
            size = image.shape[0], image.shape[1]
            found, _ = _augmenter(step, size=size)(image, epoch=0, index=1)
            require(found.shape == image.shape, f"{image.shape} comes out as {found.shape}")


def leaves_the_process_as_it_was(step: AugmentationStep) -> None:
    """Random states, directory, locale, library settings and threads are the same afterwards."""
    leaves_all(lambda: _augmenter(step)(_film(DTYPES[0]), epoch=0, index=0, mask=_mark().astype(np.uint8)))
