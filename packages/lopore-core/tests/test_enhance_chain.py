"""Chains are data; pointwise neighbours fold into one table without changing the answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from lopore.affine import Affine
from lopore.errors import ConfigError, PluginError
from lopore.preprocessing.enhancement_chain import Chain

pytest.importorskip("lopore_enhance", reason="chains need lopore-enhance")

PICTURES = st.sampled_from([np.uint8, np.uint16]).flatmap(
    lambda dtype: arrays(dtype, array_shapes(min_dims=2, max_dims=2, min_side=4, max_side=12))
)


@given(PICTURES, st.floats(0.3, 3), st.floats(-0.4, 0.4))
def test_a_folded_chain_equals_its_steps_one_by_one(pixels: np.ndarray, gamma: float, amount: float) -> None:
    steps = [{"name": "gamma", "gamma": gamma}, {"name": "brightness", "amount": amount}, "invert"]
    one_by_one = pixels
    for step in Chain.parse(steps).steps:
        one_by_one = step.enhancer.apply(one_by_one, step.params)
    assert np.array_equal(Chain.parse(steps).apply(pixels)[0], one_by_one)


@given(PICTURES)
def test_a_chain_leaves_its_input_alone_and_keeps_the_depth(pixels: np.ndarray) -> None:
    before = pixels.copy()
    result, _ = Chain.parse(["invert", "flip-horizontal"]).apply(pixels)
    assert np.array_equal(pixels, before)
    assert result.dtype == pixels.dtype


def test_a_chain_tells_where_it_moved_a_point() -> None:
    pixels = np.zeros((30, 50), np.uint8)
    pixels[4, 7] = 255
    result, motion = Chain.parse(["flip-horizontal", {"name": "rotate", "quarters": 1}]).apply(pixels)
    x, y = motion(7.5, 4.5)
    assert result[int(y), int(x)] == 255


def test_an_empty_chain_moves_nothing() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    result, motion = Chain.parse([]).apply(pixels)
    assert np.array_equal(result, pixels)
    assert motion == Affine()


def test_text_data_and_preset_give_the_same_chain() -> None:
    text = Chain.from_text("clahe(clip_limit=3)|invert")
    assert text.as_data() == Chain.parse([{"name": "clahe", "clip_limit": 3}, "invert"]).as_data()
    preset = Chain.from_text("CLAHE + Denoise")
    assert "clahe" in [step.enhancer.name for step in preset.steps]


def test_a_preview_for_the_eye_cannot_enter_a_model() -> None:
    assert Chain.parse(["canny"]).steps
    with pytest.raises(ConfigError, match="canny is a preview for the eye"):
        Chain.parse(["canny"], for_model=True)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"name": "clahe", "clip": 3}, "unknown key 'clip'.*clip_limit"),
        ({"name": "clahe", "clip_limit": 1e9}, "clip_limit"),
        ({"nam": "clahe"}, "step 1 of the chain"),
        (7, "step 1 of the chain"),
    ],
)
def test_a_wrong_step_is_one_line_that_names_it(step: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Chain.parse([step])
    assert "\n" not in str(caught.value)


def test_an_unknown_enhancer_names_the_near_one() -> None:
    with pytest.raises(PluginError, match="did you mean clahe"):
        Chain.parse(["clahee"])


def test_a_chain_has_a_limit() -> None:
    with pytest.raises(ConfigError, match="at most 32"):
        Chain.parse(["invert"] * 33)


@pytest.mark.parametrize("value", ["[", "{", '"a', "2026-13-45", "!!int weld", "9" * 5000])
def test_a_value_that_is_no_yaml_is_one_line_that_names_its_parameter(value: str) -> None:
    with pytest.raises(ConfigError, match="clip_limit of step clahe is not valid YAML") as caught:
        Chain.from_text(f"clahe(clip_limit={value})")
    assert len(str(caught.value).splitlines()) == 1
