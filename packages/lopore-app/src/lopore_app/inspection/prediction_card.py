"""The prediction card: the decision and its threshold, the best classes, what speaks against trusting it."""

from __future__ import annotations

from html import escape

import streamlit as st

from lopore.data.scan import MIN_SIDE
from lopore.inference.decisions import Decision
from lopore.inference.regions import Detection, Detections
from lopore.messages import score_text
from lopore.models.opening import OpenModel
from lopore_app.inspection.films import InspectionResult
from lopore_app.inspection.filmstrip import call_text, tone_of
from lopore_app.inspection.session import InspectionSession
from lopore_app.inspection.view import View
from lopore_app.plain_text import plain
from lopore_app.viewer.outlines import area_text, colours, extent_text
from lopore_app.wording import rule_text, words

TOP = 5
MOST_LISTED = 50
MOST_DOUBTS = 2
COLOURS = {"found": "#e8590c", "sound": "#2f9e44", "unjudged": "#7d6bb3"}


def prediction_card(session: InspectionSession, view: View) -> None:
    """Everything about the call on this film; one line where there is none."""
    with st.container(border=True, key="card", gap="small"):
        if session.model is None:
            st.caption("No model: films are shown and enhanced, nothing is predicted.")
        elif view.answer is None or view.film is None:
            st.error(plain(view.wrong or "no answer", 400))
            if view.film is not None and session.plan.resize == "tile":
                st.page_link(
                    "app_pages/film.py", label="Read it on the page Film", icon=":material/panorama_horizontal:"
                )
            elif view.film is not None:
                st.caption(advice(view))
        else:
            _decision(session.model, view.answer)
            if view.answer.regions is not None and view.film is not None:
                st.html(_indications(view.answer, view.answer.regions.seen, view.film.full.pixel_pitch_mm))
            _warnings(session, view)


def advice(view: View) -> str:
    """What to do about a film that was read and got no answer: whose fault it is, the film's, a step's or neither's."""
    assert view.film is not None
    if min(view.film.full.pixels.shape[:2]) < MIN_SIDE:
        return "Nothing is wrong with the model: the file holds no film of a useful size. Export the film once more."
    if view.enhanced is None or min(view.enhanced.pixels.shape[:2]) < MIN_SIDE:
        return "The film is sound; a step under Enhance cannot be done on it. Change that step or switch it off."
    return "The film is shown at its full depth, but this model cannot take it; choose another model."


def _decision(model: OpenModel, answer: InspectionResult) -> None:
    decision = answer.prediction.decision
    tone = tone_of(decision, answer.doubts)
    colour = COLOURS[tone]
    with st.container(key=f"call-{tone}", gap=None):
        st.subheader(plain(call_text(decision, answer.doubts)), anchor=False)
    if tone == "unjudged":
        st.caption(plain(f"The model answers {called(decision)}; for the reasons below this counts for nothing.", 200))
    st.html(_bars(answer, colour))
    st.caption(plain(operating_point(answer, model), 400))


def _bars(answer: InspectionResult, colour: str) -> str:
    """The best classes as bars; a name is escaped, whatever it holds."""
    decision = answer.prediction.decision
    ranked = sorted(answer.prediction.scores.items(), key=lambda item: -item[1])[:TOP]
    rows = []
    for name, score in ranked:
        shade = colour if name in decision.labels else "#8d99a6"
        label = escape(name.replace("_", " ")[:60])
        rows.append(
            f'<div class="lopore-bar"><span>{label}</span><b title="{score:.7f}">{score_text(score)}</b>'
            f'<i><u style="width:{100 * min(max(score, 0), 1):.1f}%;background:{shade}"></u></i></div>'
        )
    return "".join(rows)


def _indications(answer: InspectionResult, seen: Detections, pitch_mm: float | None) -> str:
    """What was outlined, numbered as on the image, with sizes; names are escaped, whatever they hold."""
    found = seen.found
    many = "1 indication" if len(found) == 1 else f"{len(found)} indications"
    ink = colours(tuple(answer.prediction.scores))
    rows = [
        _indication(number, one, ink[one.class_name], pitch_mm)
        for number, one in enumerate(found[:MOST_LISTED], start=1)
    ]
    more = [f"{len(found) - MOST_LISTED} more are in the log"] if len(found) > MOST_LISTED else []
    more += [f"{seen.dropped} smaller left out"] if seen.dropped else []
    more += [] if pitch_mm or not found else ["no mm: the file does not state its pixel pitch"]
    return (
        f'<div class="lopore-found"><b>{many if found else "No indication"}</b>'
        f"<section>{''.join(rows)}</section><small>{'; '.join(more)}</small></div>"
    )


def _indication(number: int, one: Detection, colour: str, pitch_mm: float | None) -> str:
    name = escape(one.class_name.replace("_", " ")[:40])
    return (
        f'<div><i style="background:{colour}">{number}</i><span title="{name}">{name}</span>'
        f'<em title="width and height of its box">{extent_text(one, pitch_mm)}</em>'
        f'<em title="area, {one.area_px:.0f} pixels of the film">{area_text(one)}</em>'
        f'<em title="largest probability of a pixel in it">{score_text(one.peak, 2)}</em></div>'
    )


def called(decision: Decision) -> str:
    """The call with its score, for a sentence."""
    return f"{decision.text.replace('_', ' ')} {score_text(decision.score)}" if decision.decided else "nothing"


def operating_point(answer: InspectionResult, model: OpenModel) -> str:
    """Which threshold decided, and how it was chosen."""
    own, used = model.record.threshold, answer.prediction.decision.threshold
    if used == 0 and own.value == 0:
        return "The class that scores highest. Scores are not calibrated."
    if used != own.value and used not in own.per_class.values():
        return f"Threshold {used:.3f}, set by you. Scores are not calibrated."
    chosen = f", chosen on {own.chosen_on}" if own.chosen_on else ""
    limits = f"Threshold {used:.3f}"
    if own.per_class and used == own.value:
        each = (f"{words(name)} {own.per_class.get(name, own.value):.3f}" for name in model.record.classes)
        limits = f"Thresholds {', '.join(each)}"
    return f"{limits}: {rule_text(own.rule)}{chosen}. Scores are not calibrated."


def _warnings(session: InspectionSession, view: View) -> None:
    assert session.model is not None and view.answer is not None and view.film is not None
    found = view.answer.doubts
    if found:
        grave = session.model.record.leaks.leaks > 0  # then the first is of the leak
        tones = ["grave" if (grave and not at) or doubt.blocks else "" for at, doubt in enumerate(found)]
        lines = [
            f'<div class="lopore-caution {kind}">{escape(doubt.text)}</div>'
            for kind, doubt in zip(tones, found, strict=True)
        ]
        st.html(folded(lines))
    for note in view.answer.prediction.notes:
        st.caption(plain(note, 200))


def folded(lines: list[str]) -> str:
    """A few doubts as they are; more of them behind a line that says how many, so that the dials stay in the window."""
    if len(lines) <= MOST_DOUBTS:
        return "".join(lines)
    head = f"{len(lines)} reasons for doubt"
    return f'{lines[0]}<details class="lopore-doubts"><summary>{head}</summary>{"".join(lines[1:])}</details>'
