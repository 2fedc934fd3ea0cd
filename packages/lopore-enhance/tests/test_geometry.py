"""Where pixels go: the motion that an enhancer declares is the one that it makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lopore.errors import ConfigError
from lopore_enhance import parameters as p
from lopore_enhance import plugin

ENHANCERS = {enhancer.name: enhancer for enhancer in plugin.lopore_enhancers()}
MOVES: list[tuple[str, dict[str, Any]]] = [
    ("flip-horizontal", {}),
    ("flip-vertical", {}),
    ("rotate", {"quarters": 1}),
    ("rotate", {"quarters": 2}),
    ("rotate", {"quarters": 3}),
    ("crop", {"left": 3, "top": 2, "width": 20, "height": 15}),
    ("crop", {"left": 5}),
    ("crop-margins", {"left": 10, "right": 5, "top": 20, "bottom": 3}),
    ("resize", {"width": 120, "height": 96, "fit": "force", "resampling": "nearest"}),
    ("resize", {"width": 90, "height": 200, "fit": "keep", "resampling": "nearest"}),
]


@pytest.mark.parametrize(("name", "values"), MOVES)
@given(x=st.integers(8, 22), y=st.integers(8, 16), dtype=st.sampled_from([np.uint8, np.uint16]))
@settings(max_examples=10, deadline=None)
def test_a_planted_mark_lands_where_the_motion_says(name: str, values: Any, x: int, y: int, dtype: Any) -> None:
    enhancer = ENHANCERS[name]
    params = enhancer.params.model_validate(values)
    image = np.zeros((24, 30), dtype)
    image[y, x] = np.iinfo(dtype).max
    moved = enhancer.apply(image, params)
    assert enhancer.motion is not None
    to_x, to_y = enhancer.motion(image.shape, params)(x + 0.5, y + 0.5)
    inside = 0 <= to_x < moved.shape[1] and 0 <= to_y < moved.shape[0]
    assert inside == bool(moved.any())
    if inside:
        rows, columns = np.nonzero(moved)
        assert abs(columns.mean() + 0.5 - to_x) <= 0.01
        assert abs(rows.mean() + 0.5 - to_y) <= 0.01


@pytest.mark.parametrize("resampling", ["antialias", "nearest", "bilinear", "cubic", "area", "lanczos"])
@pytest.mark.parametrize(("width", "height"), [(37, 90), (200, 150), (33, 17)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_resampling_keeps_a_blob_in_its_place(resampling: str, width: int, height: int, dtype: Any) -> None:
    enhancer = ENHANCERS["resize"]
    params = p.Resize.model_validate({"width": width, "height": height, "fit": "force", "resampling": resampling})
    rows, columns = np.mgrid[0:60, 0:80] + 0.5
    blob = np.exp(-((columns - 50) ** 2 + (rows - 22) ** 2) / 60)
    result = enhancer.apply((blob * np.iinfo(dtype).max).astype(dtype), params).astype(float)
    assert result.shape == (height, width)
    assert enhancer.motion is not None
    to_x, to_y = enhancer.motion((60, 80), params)(50, 22)
    y, x = np.mgrid[0:height, 0:width] + 0.5
    assert abs((result * x).sum() / result.sum() - to_x) < 0.6
    assert abs((result * y).sum() / result.sum() - to_y) < 0.6


@given(height=st.integers(1, 200), width=st.integers(1, 200), side=st.integers(1, 64))
@settings(max_examples=30, deadline=None)
def test_keeping_the_aspect_fills_the_box_and_never_leaves_it(height: int, width: int, side: int) -> None:
    enhancer = ENHANCERS["resize"]
    result = enhancer.apply(np.zeros((height, width), np.uint8), p.Resize(width=side, height=side))
    assert max(result.shape) == side


def test_antialiased_resize_is_the_one_of_the_network() -> None:
    from lopore.preprocessing.geometry import fit_to_input as place

    image = np.random.default_rng(0).integers(0, 65536, (90, 120), dtype=np.uint16)
    enhancer = ENHANCERS["resize"]
    ours = enhancer.apply(image, p.Resize(width=50, height=40, fit="force"))
    assert np.array_equal(ours, place(image, "stretch", (40, 50))[0])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("crop", {"left": 30}),
        ("crop", {"width": 31}),
        ("crop", {"top": 20, "height": 5}),
        ("crop-margins", {"left": 60, "right": 60}),
        ("crop-margins", {"top": 99, "bottom": 99}),
    ],
)
def test_a_cut_outside_the_picture_is_refused_in_one_line(name: str, values: Any) -> None:
    enhancer = ENHANCERS[name]
    with pytest.raises(ConfigError, match=f"^{name} ") as caught:
        enhancer.apply(np.zeros((24, 30), np.uint8), enhancer.params.model_validate(values))
    assert "\n" not in str(caught.value)
    assert enhancer.motion is not None
    with pytest.raises(ConfigError):
        enhancer.motion((24, 30), enhancer.params.model_validate(values))


@pytest.mark.parametrize("fit", ["keep", "force"])
def test_a_resize_beyond_the_pixels_of_a_file_is_refused_before_any_memory_is_taken(fit: str) -> None:
    enhancer = ENHANCERS["resize"]
    params = enhancer.params.model_validate({"width": 32767, "height": 32767, "fit": fit})
    with pytest.raises(ConfigError, match="resize gives 32767 x 32767 px; allowed are 200 million pixels"):
        enhancer.apply(np.zeros((40, 40), np.uint8), params)
    assert enhancer.motion is not None
    with pytest.raises(ConfigError, match="allowed are 200 million pixels"):
        enhancer.motion((40, 40), params)
