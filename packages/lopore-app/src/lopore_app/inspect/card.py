"""The prediction card: the decision and its threshold, the best classes, what speaks against trusting it."""

from __future__ import annotations

from html import escape

import streamlit as st

from lopore.detections import Detections
from lopore.model import OpenModel
from lopore_app import records
from lopore_app.filmstrip import tone_of
from lopore_app.inspect.cautions import cautions
from lopore_app.inspect.looking import Look
from lopore_app.outlines import colours, extent_text, size_text
from lopore_app.session import Answer, Desk, decision_text
from lopore_app.widgets import plain

TOP = 5
MOST_LISTED = 8
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
                st.caption("The film is shown at its full depth; this model gives no answer for it.")
        else:
            _decision(desk.model, look.answer)
            if look.answer.regions is not None and look.film is not None:
                st.html(_indications(look.answer, look.answer.regions.seen, look.film.full.pixel_pitch_mm))
            _warnings(desk, look)


def _decision(model: OpenModel, answer: Answer) -> None:
    decision = answer.prediction.decision
    colour = COLOURS[tone_of(decision)]
    st.subheader(plain(decision_text(decision)), anchor=False)
    st.html(_bars(answer, colour))
    st.caption(plain(operating_point(answer, model), 200))


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
    rows = [f"<b>{many if found else 'No indication'}</b>"]
    ink = colours(tuple(answer.prediction.scores))
    for number, one in enumerate(found[:MOST_LISTED], start=1):
        name = escape(one.class_name.replace("_", " ")[:40])
        rows.append(
            f'<div><i style="background:{ink[one.class_name]}">{number}</i><span title="{name}">{name}</span>'
            f"<em>{extent_text(one, pitch_mm)}</em><em>{size_text(one)}</em>"
            f'<em title="largest probability of a pixel">{one.peak:.2f}</em></div>'
        )
    more = [f"{len(found) - MOST_LISTED} more are in the log"] if len(found) > MOST_LISTED else []
    more += [f"{seen.dropped} smaller left out"] if seen.dropped else []
    more += [] if pitch_mm or not found else ["no mm: the file does not state its pixel pitch"]
    return f'<div class="lopore-found">{"".join(rows)}<small>{"; ".join(more)}</small></div>'


def operating_point(answer: Answer, model: OpenModel) -> str:
    """Which threshold decided, and how it was chosen."""
    own, used = model.record.threshold, answer.prediction.decision.threshold
    if used == 0 and own.value == 0:
        return "The class that scores highest. Scores are not calibrated."
    if used != own.value and used not in own.per_class.values():
        return f"Threshold {used:.3f}, set by you. Scores are not calibrated."
    chosen = f", chosen on {own.chosen_on}" if own.chosen_on else ""
    return f"Threshold {used:.3f}: {own.rule}{chosen}. Scores are not calibrated."


def _warnings(desk: Desk, look: Look) -> None:
    assert desk.model is not None and look.answer is not None and look.film is not None
    found = cautions(desk.model.record, look.film, look.answer, desk.scored(look.film, look.chain))
    if found:
        st.html("".join(f'<div class="lopore-caution">{escape(text)}</div>' for text in found))
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
        at = names.index(label) if label in names else 0
        label = st.selectbox("It is", names, index=at, format_func=lambda name: name.replace("_", " ")) or ""
    if (word or "open") != entry.review.verdict or (word == "relabel" and label != entry.review.label):
        records.review(st.session_state, key, word or "open", label, entry.review.note)
