"""Test-time views."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lopore.errors import ConfigError
from lopore.inference.test_time_augmentation import VIEWS, check_views, predict_views, view_of


def _images(height: int = 6, width: int = 6) -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 65536, (3, height, width, 1), dtype=np.uint16)


def _corner(batch: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Scores that depend on where things lie, so that a missing view shows."""
    value = batch[:, 0, 0, 0].astype(np.float32) / 65535
    return np.stack([1 - value, value], axis=1)


def test_the_eight_views_are_the_eight_symmetries_of_a_square() -> None:
    batch = _images()
    seen = {view_of(batch, view).tobytes() for view in range(8)}
    wanted = set()
    for turns in range(4):
        turned = np.rot90(batch, turns, axes=(1, 2))
        wanted |= {np.ascontiguousarray(turned).tobytes(), np.ascontiguousarray(turned[:, :, ::-1]).tobytes()}
    assert seen == wanted
    assert len(seen) == 8


@pytest.mark.parametrize("views", VIEWS)
def test_scores_are_the_mean_over_the_views(views: int) -> None:
    batch = _images()
    expected = np.mean([_corner(view_of(batch, view)) for view in range(views)], axis=0)
    got = predict_views(_corner, batch, views)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-6)
    np.testing.assert_allclose(got.sum(axis=1), 1, atol=1e-6)


def test_eight_views_give_a_turned_film_the_same_answer() -> None:
    batch = _images()
    for view in range(8):
        np.testing.assert_allclose(
            predict_views(_corner, view_of(batch, view), 8), predict_views(_corner, batch, 8), atol=1e-6
        )


def test_four_views_fit_a_strip_and_eight_are_refused_in_one_line() -> None:
    strip = _images(4, 9)
    assert predict_views(_corner, strip, 4).shape == (3, 2)
    with pytest.raises(ConfigError, match="use 4") as caught:
        predict_views(_corner, strip, 8)
    assert "\n" not in str(caught.value)


def test_other_numbers_of_views_are_refused() -> None:
    with pytest.raises(ConfigError, match="allowed are 1, 2"):
        check_views(3, (8, 8))


def test_the_batch_is_left_as_it_was() -> None:
    batch = _images()
    before = batch.copy()
    predict_views(_corner, batch, 8)
    np.testing.assert_array_equal(batch, before)
