"""Colour scales of heat maps: one for each explainer over the session, with its raw values and unit."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lopore.inference.explain import HeatMap
from lopore_app.viewer.heat_scale import Tops, limits_of, scale_bar, scale_text, tops_of


def heat(top: float, explainer: str = "grad-cam", scale: str = "logit") -> HeatMap:
    return HeatMap(np.array([[0, top]], np.float32), "lack_of_penetration", explainer, scale)


@given(st.lists(st.floats(0.125, 1024, width=32), min_size=1))
def test_a_scale_only_grows_so_a_sound_weld_stays_cold(values: list[float]) -> None:
    tops: Tops = {}
    seen = [limits_of(tops, "model", heat(value), "[]") for value in values]
    assert [high for _, high in seen] == [max(values[: at + 1]) for at in range(len(values))]
    assert all(low == 0 for low, _ in seen)


def test_each_explainer_model_and_chain_has_a_scale_of_its_own() -> None:
    state: dict[str, Any] = {}
    assert limits_of(tops_of(state), "a", heat(5), "[]") == (0, 5)
    for model, explainer, chain in (("b", "grad-cam", "[]"), ("a", "occlusion", "[]"), ("a", "grad-cam", "[clahe]")):
        assert limits_of(tops_of(state), model, heat(2, explainer), chain) == (0, 2)
    assert limits_of(tops_of(state), "a", heat(2), "[]") == (0, 5)


def test_a_probability_runs_from_zero_to_one_whatever_the_map_holds() -> None:
    assert limits_of({}, "model", heat(0.2, scale="probability"), "[]") == (0, 1)


def test_the_bar_states_raw_values_and_unit_and_escapes_an_outsiders_words() -> None:
    bar = scale_bar(heat(3.14159, scale="<i>jumps</i>"), (0.0, 3.14159))
    assert "3.14<" in bar
    assert "&lt;i&gt;jumps" in bar
    assert "<i>" not in bar
    assert scale_text(heat(3), (0, 3)) == "grad-cam for lack of penetration, 0 to 3 logit"
