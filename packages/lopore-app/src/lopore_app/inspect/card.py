"""The prediction card: the decision and its threshold, the best classes, what speaks against trusting it."""

from __future__ import annotations

from html import escape

import streamlit as st

from lopore.data.scan import MIN_SIDE
from lopore.inference.regions import Detection, Detections
from lopore.models.opening import OpenModel
from lopore_app import records
from lopore_app.filmstrip import tone_of
from lopore_app.inspect.cautions import cautions
from lopore_app.inspect.looking import Look
from lopore_app.outlines import area_text, colours, extent_text
from lopore_app.session import Answer, Desk, decision_text
from lopore_app.widgets import plain
from lopore_app.wording import rule_text, words

TOP = 5
MOST_LISTED = 50
COLOURS = {"found": "#e8590c", "sound": "#2f9e44", "unsure": "#f2b01e"}
VERDICTS = {"accept": "Accept", "reject": "Reject", "relabel": "Relabel"}


def prediction_card(desk: Desk, look: Look) -> None:
    """Everything about the call on this film; one line where there is none."""
    with st.container(border=True, key="card", gap="small"):
        if desk.model is None:
            st.caption("No model: films are shown and enhanced, nothing is predicted.")
        elif look.answer is None or look.film is None:
            st.error(plain(look.wrong or "no answer", 400))
            if look.film is not None:
                st.caption(advice(look))
        else:
            _decision(desk.model, look.answer)
            if look.answer.regions is not None and look.film is not None:
                st.html(_indications(look.answer, look.answer.regions.seen, look.film.full.pixel_pitch_mm))
            _warnings(desk, look)


def advice(look: Look) -> str:
    """What to do about a film that was read and got no answer: whose fault it is, the film's, a step's or neither's."""
    assert look.film is not None
    if min(look.film.full.pixels.shape[:2]) < MIN_SIDE:
        return "Nothing is wrong with the model: the file holds no film of a useful size. Export the film once more."
    if look.enhanced is None or min(look.enhanced.pixels.shape[:2]) < MIN_SIDE:
        return "The film is sound; a step under Enhance cannot be done on it. Change that step or switch it off."
    return "The film is shown at its full depth, but this model cannot take it; choose another model."


def _decision(model: OpenModel, answer: Answer) -> None:
    decision = answer.prediction.decision
    colour = COLOURS[tone_of(decision)]
    st.subheader(plain(decision_text(decision)), anchor=False)
    st.html(_bars(answer, colour))
    st.caption(plain(operating_point(answer, model), 400))


def _bars(answer: Answer, colour: str) -> str:
    """The best classes as bars; a name is escaped, whatever it holds."""
    decision = answer.prediction.decision
    ranked = sorted(answer.prediction.scores.items(), key=lambda item: -item[1])[:TOP]
    rows = []
    for name, score in ranked:
        shade = colour if name in decision.labels else "#8d99a6"
        label = escape(name.replace("_", " ")[:60])
        rows.append(
            f'<div class="lopore-bar"><span>{label}</span><b title="{score:.7f}">{score:.3f}</b>'
            f'<i><u style="width:{100 * min(max(score, 0), 1):.1f}%;background:{shade}"></u></i></div>'
        )
    return "".join(rows)


def _indications(answer: Answer, seen: Detections, pitch_mm: float | None) -> str:
    """What was outlined, numbered as on the picture, with sizes; names are escaped, whatever they hold."""
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
        f'<em title="largest probability of a pixel in it">{one.peak:.2f}</em></div>'
    )


def operating_point(answer: Answer, model: OpenModel) -> str:
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


def _warnings(desk: Desk, look: Look) -> None:
    assert desk.model is not None and look.answer is not None and look.film is not None
    found = cautions(desk.model.record, look.film, look.answer, desk.scored(look.film, look.chain))
    if found:
        grave = desk.model.record.leaks.leaks > 0  # then the first is of the leak
        kinds = ["lopore-caution grave" if grave and not at else "lopore-caution" for at in range(len(found))]
        st.html("".join(f'<div class="{kind}">{escape(text)}</div>' for kind, text in zip(kinds, found, strict=True)))
    for note in look.answer.prediction.notes:
        st.caption(plain(note, 200))


def verdict(key: str, classes: tuple[str, ...]) -> None:
    """What the reviewer says of the call; it goes into the session's records."""
    entry = next((entry for entry in records.entries(st.session_state) if entry.key == key), None)
    if entry is None:
        return
    said = entry.review.verdict if entry.review.verdict in VERDICTS else None
    word = st.segmented_control(
        "Your verdict",
        list(VERDICTS),
        default=said,
        format_func=VERDICTS.__getitem__,
        key=f"verdict/{key}",
        width="stretch",
        help="Kept in the table on the Records page, where it can be given a note and downloaded.",
    )
    label = entry.review.label
    if word == "relabel":
        names = [name for name in classes if name not in entry.prediction.decision.labels]
        at = names.index(label) if label in names else None
        label = st.selectbox("It is", names, index=at, format_func=words, placeholder="Choose the right class") or ""
        word = word if label else None  # no class is put into the reviewer's mouth
    if (word or "open") != entry.review.verdict or (word == "relabel" and label != entry.review.label):
        records.review(st.session_state, key, word or "open", label, entry.review.note)
