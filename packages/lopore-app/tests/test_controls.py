"""The chain that is dialled in the browser: every parameter has a control, and nothing that arrives breaks it."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lopore.plugins.registry import discover
from lopore_app.inspection.controls import controls
from lopore_app.inspection.edited_chain import EditedChain, as_yaml


def steps_of(edited_chain: EditedChain) -> list[dict[str, Any]]:
    return [{"id": step.number, "on": step.on, "values": dict(step.values)} for step in edited_chain.steps]


def test_what_the_browser_dials_becomes_the_chain() -> None:
    before = EditedChain.of([{"name": "gamma", "gamma": 0.7}, {"name": "invert"}, {"name": "median"}], 4)
    said = steps_of(before)
    said[0]["values"]["gamma"] = 1.5
    said[2]["on"] = False
    after = before.edited({"version": 4, "steps": [said[1], said[0], said[2]]})
    assert [step["name"] for step in after.chain().as_data()] == ["invert", "gamma"]
    assert after.chain().as_data()[1]["gamma"] == 1.5
    assert [step.name for step in after.steps] == ["invert", "gamma", "median"]


anything = st.one_of(st.none(), st.text(), st.floats(), st.integers(-1, 3), st.booleans(), st.lists(st.integers()))

a_step = st.fixed_dictionaries(
    {"id": anything, "on": anything, "values": st.dictionaries(st.sampled_from(["gamma", "__class__"]), anything)}
)

an_edit = st.fixed_dictionaries({"version": st.sampled_from([1, 2, "1"]), "steps": st.lists(anything | a_step)})


@given(anything | an_edit | st.fixed_dictionaries({"version": st.just(1), "steps": anything}))
def test_nothing_that_arrives_breaks_the_dials(said: object) -> None:
    before = EditedChain.of([{"name": "gamma", "gamma": 0.7}, {"name": "invert"}], 1)
    after = before.edited(said)
    assert {step.name for step in after.steps} <= {"gamma", "invert"}
    assert all(set(step.values) <= {"gamma"} for step in after.steps)


def test_an_edit_of_another_version_is_left_alone() -> None:
    before = EditedChain.of([{"name": "invert"}], 2)
    assert before.edited({"version": 1, "steps": []}) == before


def test_every_parameter_of_every_enhancer_gets_a_control_that_holds_its_default() -> None:
    for enhancer in discover().enhancers.values():
        for item in controls(enhancer, {}):
            assert item["kind"] in ("dial", "choice", "switch", "number", "text"), (enhancer.name, item)
            if item["kind"] == "dial":
                assert item["low"] <= item["value"] <= item["high"], (enhancer.name, item)
                assert not item["log"] or item["low"] > 0
            if item["kind"] == "choice":
                assert item["value"] in item["choices"]
            json.dumps(item)


def test_a_saved_chain_is_yaml_that_a_config_takes() -> None:
    import yaml

    from lopore.record.preprocessing import Preprocessing

    steps = EditedChain.of(discover().presets()["CLAHE + Median (fast)"], 1)
    plan = Preprocessing.model_validate(yaml.safe_load(as_yaml(steps.active)))
    assert [step["name"] for step in plan.enhance] == ["stretch", "clahe", "median"]
