"""Local contrast: what is seen does not depend on the film's density, and tiles give the very pixels of the film."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lopore_enhance.local_contrast import local_contrast, local_contrast_reach

DIALS: dict[str, Any] = {"radius": 5, "spread_radius": 9, "gain": 8.0, "floor": 0.4}
REACH = local_contrast_reach(**DIALS)


def film(dtype: type = np.uint8, height: int = 150, width: int = 180) -> NDArray[Any]:
    """A seam that is bright across the middle, grain, and a dark pore at (75, 90)."""
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[:height, :width]
    grey = 90 + 60 * np.exp(-(((rows - height / 2) / 40.0) ** 2)) + rng.normal(0, 2, (height, width))
    grey[(rows - 75) ** 2 + (columns - 90) ** 2 <= 9] -= 20
    return np.rint(grey * (1 if dtype is np.uint8 else 257)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("corner", [(REACH, REACH), (REACH + 1, REACH + 3), (0, 0), (0, 60)])
def test_a_part_with_the_stated_reach_around_it_gives_the_pixels_of_the_whole(
    dtype: type, corner: tuple[int, int]
) -> None:
    whole, (top, left) = film(dtype), corner
    part = whole[max(0, top - REACH) : top + 40 + REACH, max(0, left - REACH) : left + 50 + REACH]
    inner = local_contrast(part, **DIALS)[top - max(0, top - REACH) :, left - max(0, left - REACH) :][:40, :50]
    np.testing.assert_array_equal(inner, local_contrast(whole, **DIALS)[top : top + 40, left : left + 50])


def test_a_pixel_further_away_than_the_reach_changes_nothing_and_one_within_does() -> None:
    whole = film(np.uint16)
    before = local_contrast(whole, **DIALS)[75, 90]
    far, near = whole.copy(), whole.copy()
    far[75, 90 + REACH + 1 :] = 0
    near[60:90, 90 + REACH - 8 : 90 + REACH] = 0
    assert local_contrast(far, **DIALS)[75, 90] == before != local_contrast(near, **DIALS)[75, 90]


def test_density_and_gain_of_the_scanner_fall_out_and_the_pore_stays_dark() -> None:
    deep = film(np.uint16)
    other = (deep // 2 + 20000).astype(np.uint16)
    dials = DIALS | {"floor": 0.01}
    seen, again = local_contrast(deep, **dials), local_contrast(other, **dials)
    assert np.abs(seen.astype(int) - again.astype(int)).max() < 65535 * 0.02
    assert seen[75, 90] < 65535 * 0.3
    assert abs(float(seen.mean()) / 65535 - 0.5) < 0.01


def test_colour_channels_are_taken_by_themselves_and_a_flat_image_stays_mid_grey() -> None:
    planes = [film(), film()[::-1], film()[:, ::-1]]
    seen = local_contrast(np.dstack(planes), **DIALS)
    np.testing.assert_array_equal(seen, np.dstack([local_contrast(plane, **DIALS) for plane in planes]))
    assert (local_contrast(np.full((7, 4), 200, np.uint8), **DIALS) == 128).all()
