"""The enhancement panel: presets, steps, dials, the response curve, presets of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from lopore.errors import LoporeError
from lopore.inference.predict import Prediction
from lopore.plugins.registry import discover
from lopore.preprocessing.enhancement_chain import Chain
from lopore.record.model import ModelRecord
from lopore_app.inspection import response_curve as curves
from lopore_app.inspection.controls import controls, dial, title
from lopore_app.inspection.edited_chain import EditedChain, EditedStep, as_data, as_yaml, offered
from lopore_app.inspection.session import InspectionSession, explained_class
from lopore_app.inspection.view import CHAIN, EYE, Edit, View, film_in_view, new_edit, remember_now
from lopore_app.viewer.component import chain_editor

NO_PRESET, NO_EYE = "No preset", "Nothing"
_OWN = "own_presets"
MOST_PRESETS = 50


def enhance_panel(session: InspectionSession, view: View, steps: EditedChain, edit: Edit, wrong: str | None) -> None:
    """Controls of the chain; what is dialled here is answered in the same run."""
    registry = discover()
    if not registry.enhancers:
        st.caption("No enhancements installed: `pip install lopore-enhance`.")
        return
    there = next((name for name, found in presets().items() if same_steps(steps, found)), None)
    with st.container(gap="xsmall"):
        st.selectbox(
            "Preset",
            [NO_PRESET, *presets()],
            index=None,
            key="preset",
            # The box names what is there, not where it began.
            placeholder=there or ("Own chain" if steps.active else "Start from a preset"),
            on_change=take_preset,
            label_visibility="collapsed",
            help="A chain to start from",
        )
        st.selectbox(
            "Add a step",
            offered(registry, preview=False),
            index=None,
            key="add_step",
            placeholder="Add a step",
            format_func=title,
            on_change=_add_step,
            label_visibility="collapsed",
        )
    chain_editor(editor_data(session, view, steps, edit, wrong), f"{CHAIN}/editor")
    _save(steps)


def presets() -> dict[str, Any]:
    """Presets of what is installed, then those of this session."""
    return {**discover().presets(), **st.session_state.get(_OWN, {})}


def same_steps(steps: EditedChain, preset: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the steps that are on are those of a preset, with the same values."""
    try:
        return Chain.parse(as_data(steps.active)).as_data() == Chain.parse([dict(step) for step in preset]).as_data()
    except LoporeError:
        return False


def take_preset() -> None:
    """The chain of the preset that was chosen, in place of the one that was dialled."""
    name = st.session_state["preset"]
    if name is None:
        return
    st.session_state["preset"] = None
    steps = presets().get(name, ())
    st.session_state[CHAIN] = EditedChain.of(steps, st.session_state[CHAIN].version + 1, film_in_view())


def _add_step() -> None:
    name = st.session_state["add_step"]
    if name is not None:
        st.session_state[CHAIN] = st.session_state[CHAIN].and_then(name, film_in_view())
        st.session_state["add_step"] = None


def _save(steps: EditedChain) -> None:
    if not steps.active:
        return
    with st.popover("Save this chain", icon=":material/bookmark_add:", width="stretch"):
        st.text_input("Name of the preset", key="preset_name", max_chars=60)
        st.button("Keep for this session", on_click=_keep_preset, args=(steps,), width="stretch")
        st.download_button(
            "Download as YAML",
            as_yaml(steps.active),
            "chain.yaml",
            "application/yaml",
            width="stretch",
            on_click="ignore",
        )
        st.caption("The file's `enhance` list goes under `preprocessing` of a training config.")


def _keep_preset(steps: EditedChain) -> None:
    name = " ".join(str(st.session_state.get("preset_name", "")).split())
    own = st.session_state.setdefault(_OWN, {})
    if name and name not in discover().presets() and name != NO_PRESET and len(own) < MOST_PRESETS:
        own[name] = as_data(steps.active)


def editor_data(
    session: InspectionSession, view: View, steps: EditedChain, edit: Edit, wrong: str | None
) -> dict[str, Any]:
    """What the chain editor draws."""
    costs = view.enhanced.costs if view.enhanced is not None and wrong is None else ()
    found = None if wrong else curve_data(session, view, steps, edit)
    given = "the network is given the film" if session.model is not None else "the film is shown"
    return {
        "version": steps.version,
        "done": edit.number,
        "film": view.upload.key,
        "steps": _drawn_steps(steps, costs, view.upload.sha256),
        "curve": found,
        "error": wrong,
        "empty": f"No step: {given} as it is.",
    }


def _drawn_steps(steps: EditedChain, costs: tuple[float, ...], film: str = "") -> list[dict[str, Any]]:
    """Every step with its controls; costs are those of the steps that are on, in order."""
    enhancers, spent = discover().enhancers, iter(costs)
    return [
        {
            "id": step.number,
            "name": step.name,
            "title": title(step.name) + _whose(step, film),
            "summary": enhancers[step.name].summary,
            "on": step.on,
            "ms": next(spent, None) if step.on and step.film in (None, film) else None,
            "controls": controls(enhancers[step.name], dict(step.values)),
        }
        for step in steps.steps
    ]


def _whose(step: EditedStep, film: str) -> str:
    if step.film is None:
        return ""
    return " · this film" if step.film == film else " · another film"


def curve_data(session: InspectionSession, view: View, steps: EditedChain, edit: Edit) -> dict[str, Any] | None:
    """The response curve of the dial that moved last: worked out when the browser asks, shown while it is known."""
    asked = new_edit(CHAIN, edit) and edit.curve
    if edit.moved is None or view.answer is None or view.film is None or session.model is None:
        return None
    number, name = edit.moved
    try:
        if not asked and not curves.known(session, view.film, steps, number, name):
            return None
        found = curves.response(session, view.film, steps, number, name)
    except LoporeError:
        return None
    return None if found is None else _drawn_curve(found, session.model.record, view.answer.prediction, steps)


def _drawn_curve(
    found: curves.ResponseCurve, record: ModelRecord, prediction: Prediction, steps: EditedChain
) -> dict[str, Any]:
    step = next(item for item in steps.steps if item.number == found.step)
    field = discover().enhancers[step.name].params.model_fields[found.name]
    followed = followed_class(record, prediction)
    column = record.classes.index(followed)
    scores = [row[column] for row in found.scores]
    now = step.values.get(found.name, field.get_default(call_default_factory=True))
    threshold = record.threshold_of(followed) if prediction.decision.threshold == 0 else prediction.decision.threshold
    least, most = min(scores), max(scores)
    fewer = "" if found.complete else f"; {len(scores)} points, the chain is slow"
    return {
        **(dial(field) or {}),
        "step": found.step,
        "name": found.name,
        "points": list(zip(found.values, scores, strict=True)),
        "now": [now, prediction.scores[followed]],
        "threshold": threshold,
        "label": f"{followed.replace('_', ' ')}: {least:.2f} to {most:.2f} over {title(found.name).lower()}{fewer}",
    }


def followed_class(record: ModelRecord, prediction: Prediction) -> str:
    """The class whose score the curve follows: the positive one of a binary model, else the one that was answered."""
    if record.task == "binary":
        return record.positive or record.classes[-1]
    return explained_class(prediction)


def eye_panel(steps: EditedChain, edit: Edit) -> None:
    """An enhancement for the eye alone: edges, thresholds, regions; the network never sees it."""
    names = offered(discover(), preview=True)
    if not names:
        return
    st.selectbox(
        "For the eye only",
        [NO_EYE, *names],
        key="eye_step",
        format_func=title,
        on_change=_take_eye,
        help="Shown in place of the enhanced image; never given to the network",
    )
    if steps.steps:
        drawn = _drawn_steps(steps, ())
        data = {
            "version": steps.version,
            "done": edit.number,
            "film": "",
            "steps": drawn,
            "curve": None,
            "error": None,
            "empty": "",
        }
        chain_editor(data, f"{EYE}/editor")


def _take_eye() -> None:
    remember_now("eye_step")
    name = st.session_state["eye_step"]
    steps = [] if name == NO_EYE else [{"name": name}]
    st.session_state[EYE] = EditedChain.of(steps, st.session_state[EYE].version + 1)
