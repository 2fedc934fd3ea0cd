"""What tells whether a film is like those of training: grey level, contrast, sharpness."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lopore.contracts import Pixels
from lopore.data.appearance import Appearance, sharpness, spread
from lopore.synthesis.sampling import sample_film


def grain(seed: int, side: int = 48, top: int = 120) -> Pixels:
    """An image of grain with some structure, (side, side, 1) uint8 up to twice ``top``."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, top, (6, 6)).astype(np.float32), (side, side))
    return np.rint(coarse + rng.integers(0, top, (side, side))).astype(np.uint8)[..., None]


def blurred(pixels: Pixels, sigma: float) -> Pixels:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), sigma)).reshape(pixels.shape)


@given(st.integers(0, 2**32), st.sampled_from((2, 64, 257)))
@settings(max_examples=30, deadline=None)
def test_sharpness_knows_neither_depth_nor_contrast(seed: int, gain: int) -> None:
    pixels = grain(seed)
    deep = (pixels.astype(np.uint16) * gain + 100).astype(np.uint16)
    assert sharpness(deep) == pytest.approx(sharpness(pixels), abs=1e-4)


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_a_blur_lowers_sharpness_and_more_blur_lowers_it_further(seed: int) -> None:
    pixels = grain(seed)
    steps = [sharpness(pixels), *(sharpness(blurred(pixels, sigma)) for sigma in (0.8, 1.6, 3.2))]
    assert steps == sorted(steps, reverse=True)
    assert 1 >= steps[0] > 2 * steps[-1] > 0


def test_motion_along_one_side_alone_is_seen() -> None:
    pixels = grain(1)
    moved = np.asarray(cv2.blur(pixels, (7, 1))).reshape(pixels.shape)
    assert sharpness(moved) < 0.8 * sharpness(pixels)
    assert sharpness(moved) == pytest.approx(sharpness(moved.transpose(1, 0, 2)))


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 200, 3)])
def test_a_flat_picture_has_no_sharpness_and_no_contrast(shape: tuple[int, int, int]) -> None:
    assert Appearance.of(np.full(shape, 255, np.uint8)) == Appearance(1.0, 0.0, 0.0)


def test_the_picture_is_not_modified() -> None:
    pixels = grain(2)
    before = pixels.copy()
    Appearance.of(pixels)
    np.testing.assert_array_equal(pixels, before)


def test_the_bounds_hold_made_films_and_not_their_unsharp_copies() -> None:
    films = [cv2.resize(sample_film("pore", seed, size=(256, 256)).pixels, (128, 128)) for seed in range(12)]
    known = spread([Appearance.of(film[..., None]) for film in films])
    inside = [known["sharpness_low"] <= sharpness(film[..., None]) <= known["sharpness_high"] for film in films]
    assert sum(inside) >= len(films) - 2
    assert all(sharpness(blurred(film[..., None], 4)) < known["sharpness_low"] for film in films)


def test_the_spread_is_that_of_all_pixels_together() -> None:
    films = [grain(seed) for seed in range(4)]
    known, pixels = spread([Appearance.of(film) for film in films]), np.stack(films) / 255
    assert known["mean"] == pytest.approx(pixels.mean())
    assert known["std"] == pytest.approx(pixels.std())
    for name in ("mean", "std", "sharpness"):
        assert known[f"{name}_low"] <= known[f"{name}_high"]
