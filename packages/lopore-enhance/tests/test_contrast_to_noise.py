"""Contrast to noise: density, gain and noise of a film fall out, and tiles give the very pixels of the film."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lopore_enhance.contrast_to_noise import contrast_to_noise, contrast_to_noise_reach

DIALS: dict[str, Any] = {"radius": 5, "noise_radius": 9, "knee": 8.0, "floor": 0.05}
REACH = contrast_to_noise_reach(**DIALS)


def film(noise: float = 300.0, pore: float = 3000.0, seam: float = 14000.0) -> NDArray[np.uint16]:
    """A bright seam across the middle, grain, and a dark pore at (75, 90)."""
    rows, columns = np.mgrid[:150, :180]
    grey = 22000 + seam * np.exp(-(((rows - 75) / 40.0) ** 2))
    grey += np.random.default_rng(3).normal(0, noise, grey.shape)
    grey[(rows - 75) ** 2 + (columns - 90) ** 2 <= 9] -= pore
    return np.rint(grey).astype(np.uint16)


@pytest.mark.parametrize("corner", [(REACH, REACH), (REACH + 1, REACH + 3), (0, 0), (0, 60)])
def test_a_part_with_the_stated_reach_around_it_gives_the_pixels_of_the_whole(corner: tuple[int, int]) -> None:
    whole, (top, left) = film(), corner
    part = whole[max(0, top - REACH) : top + 40 + REACH, max(0, left - REACH) : left + 50 + REACH]
    inner = contrast_to_noise(part, **DIALS)[top - max(0, top - REACH) :, left - max(0, left - REACH) :][:40, :50]
    np.testing.assert_array_equal(inner, contrast_to_noise(whole, **DIALS)[top : top + 40, left : left + 50])


def test_grey_is_the_ratio_of_contrast_and_noise_bent_at_the_knee() -> None:
    dials = DIALS | {"radius": 20, "noise_radius": 45}
    seen = contrast_to_noise(film(noise=300, pore=3000, seam=0), **dials)
    share = (float(seen[73:78, 88:93].mean()) - 32768) / 32768
    ratio = -dials["knee"] * share / (1 + share) if share < 0 else dials["knee"] * share / (1 - share)
    assert abs(ratio) == pytest.approx(10, rel=0.2)
    assert share < 0


def test_twice_the_contrast_at_twice_the_noise_looks_the_same() -> None:
    one, twice = (contrast_to_noise(film(noise, 10 * noise), **DIALS).astype(float) for noise in (200, 400))
    assert abs(one[75, 90] - twice[75, 90]) < 0.06 * 65535
    assert one[60:90, 20:60].std() == pytest.approx(twice[60:90, 20:60].std(), rel=0.05)


def test_a_flat_image_stays_mid_grey_in_every_channel_and_depth() -> None:
    assert (contrast_to_noise(np.full((7, 4), 200, np.uint8), **DIALS) == 128).all()
    assert (contrast_to_noise(np.full((9, 9, 3), 4000, np.uint16), **DIALS) == 32768).all()
