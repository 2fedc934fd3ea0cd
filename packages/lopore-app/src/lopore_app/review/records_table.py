"""The table of this session's predictions, and the film that is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lopore.messages import counted, score_text
from lopore_app.plain_text import plain
from lopore_app.review.prediction_log import chain_text, film_name, name_on_a_page, shown_name
from lopore_app.review.record_images import evidence, images_or_reason, thumbnail
from lopore_app.review.records import Entry, Unanswered
from lopore_app.viewer.heat_scale import scale_bar, tops_of
from lopore_app.wording import words

LATEST, ALL = "Last answer for each film", "Every prediction"
SHOWN = "records/shown"
_MARKS = {"open": "", "accept": "accepted", "reject": "rejected", "relabel": "relabelled"}


def verdict_text(entry: Entry) -> str:
    """The review in a cell."""
    mark = _MARKS[entry.review.verdict]
    return f"{mark}: {words(entry.review.label)}" if entry.review.label else mark


def progress(container: DeltaGenerator, found: tuple[Entry, ...]) -> None:
    """How much there is and how much is done."""
    counts = {word: sum(entry.review.verdict == word for entry in found) for word in _MARKS}
    done = len(found) - counts["open"]
    said = [f"{count} {_MARKS[word]}" for word, count in counts.items() if word != "open" and count]
    films = len({entry.sha256 for entry in found})
    summary = f"{counted(len(found), 'prediction')} of {counted(films, 'film')}; {done} reviewed"
    summary += f": {', '.join(said)}" if said else ""
    container.progress(done / len(found), text=summary)


def table(found: list[Entry]) -> int:
    """The predictions, the newest first; the index of the row that is looked at."""
    state = st.session_state
    keys = [entry.key for entry in found]
    shown = keys.index(state[SHOWN]) if state.get(SHOWN) in keys else first_open(found)
    # A new key after each review lets the selection follow to the next film.
    picked = st.dataframe(
        [row_of(entry) for entry in found],
        hide_index=True,
        height=min(400, 38 + 35 * len(found)),
        on_select="rerun",
        selection_mode="single-row",
        key=f"records/table/{state.get(SHOWN)}/{len(found)}",
        selection_default={"selection": {"rows": [shown]}},
        column_config={
            "Film": st.column_config.TextColumn(width=180),
            "Score": st.column_config.ProgressColumn(width=120, min_value=0, max_value=1, format="%.3f"),
            "Review": st.column_config.TextColumn(width=110),
            "Note": st.column_config.TextColumn(width=110),
        },
    )
    rows = picked.get("selection", {}).get("rows", [])
    return rows[0] if rows and rows[0] < len(found) else shown


def first_open(found: list[Entry]) -> int:
    """The first that nobody reviewed, else the first."""
    return next((index for index, entry in enumerate(found) if entry.review.verdict == "open"), 0)


def row_of(entry: Entry) -> dict[str, Any]:
    """One line of the table; the grid draws text, never markup."""
    decision = entry.prediction.decision
    return {
        "Film": shown_name(entry),
        "Call": entry.call_text,
        "Score": decision.score,
        "Doubts": len(entry.doubts),
        "Review": verdict_text(entry),
        "Note": entry.review.note,
        "Model": entry.model,
        "Threshold": f"{decision.threshold:.3f}" if decision.threshold else entry.rule,
        "Enhanced by": chain_text(entry) or "nothing",
        "Explained by": entry.explainer or "",
        "Time": entry.when.replace("T", " ").removesuffix("+00:00"),
    }


def panel(found: list[Entry], index: int) -> None:
    """The film that is looked at, with what drove the call."""
    entry = found[index]
    decision = entry.prediction.decision
    st.text(f"{index + 1} of {len(found)}: {shown_name(entry, 44)}")
    st.header(f"{plain(entry.call_text)} {score_text(decision.score)}", anchor=False)
    for text in entry.doubts:
        st.caption(f":orange[:material/warning:] {plain(text, 300)}")
    images = images_or_reason(entry, tops_of(st.session_state))
    if isinstance(images, str):
        st.caption(plain(images, 300))
        return
    left, right = st.columns(2)
    left.image(thumbnail(images.original, 480), caption="Film", width="stretch", alt=f"Film {shown_name(entry)}")
    if not (entry.chain or entry.outlines or images.heat):
        right.caption("No enhancement and no heat map was asked for with this answer.")
        return
    beside, summary = evidence(entry, images, 480)
    caption = f"{summary[0].upper()}{summary[1:]}"
    right.image(beside, caption=plain(caption), width="stretch", alt=f"{caption}, film {shown_name(entry)}")
    if images.heat is not None:
        right.html(scale_bar(images.heat, images.limits))


def without_answer(failed: Sequence[Unanswered]) -> None:
    """Files that got no answer, and why."""
    if not failed:
        return
    with st.expander(f"{counted(len(failed), 'file')} without an answer", icon=":material/error:"):
        st.dataframe(
            [{"File": name_on_a_page(one.film), "Reason": one.reason, "Model": one.model} for one in failed],
            hide_index=True,
        )


def warn_of_equal_names(found: list[Entry]) -> None:
    """Two films of one name cannot both stand in a table of labels by path."""
    films: dict[str, set[str]] = {}
    for entry in found:
        films.setdefault(film_name(entry), set()).add(entry.sha256)
    twice = sum(len(hashes) > 1 for hashes in films.values())
    if twice:
        st.caption(
            f":orange[:material/warning:] {twice} file name(s) stand for several films; the corrections keep the last "
            "review of each name, the log and the ZIP keep all."
        )
