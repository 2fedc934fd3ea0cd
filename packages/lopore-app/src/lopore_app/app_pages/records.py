"""Records: every prediction of this session, what the reviewer says of it, and the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lopore.errors import LoporeError
from lopore.messages import counted
from lopore_app.bundle import zip_file
from lopore_app.logs import chain_text, corrections_csv, film_name, log_json, reviewed, shown_name
from lopore_app.pictures import evidence, pictures_or_reason, thumbnail
from lopore_app.printout import report_html
from lopore_app.records import MAX_NOTE, Entry, entries, forget, newest, review
from lopore_app.scales import scale_bar, tops_of
from lopore_app.widgets import plain
from lopore_app.wording import words

LATEST, ALL = "Last answer for each film", "Every prediction"
SHOWN = "records/shown"
_WORDS = {"accept": "Accept", "reject": "Reject", "relabel": "Relabel"}
_MARKS = {"open": "", "accept": "accepted", "reject": "rejected", "relabel": "relabelled"}


def verdict_text(entry: Entry) -> str:
    """The review in a cell."""
    mark = _MARKS[entry.review.verdict]
    return f"{mark}: {words(entry.review.label)}" if entry.review.label else mark


def progress(place: DeltaGenerator, found: tuple[Entry, ...]) -> None:
    """How much there is and how much is done."""
    counts = {word: sum(entry.review.verdict == word for entry in found) for word in _MARKS}
    done = len(found) - counts["open"]
    said = [f"{count} {_MARKS[word]}" for word, count in counts.items() if word != "open" and count]
    films = len({entry.sha256 for entry in found})
    told = f"{counted(len(found), 'prediction')} of {counted(films, 'film')}; {done} reviewed"
    told += f": {', '.join(said)}" if said else ""
    place.progress(done / len(found), text=told)


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
        "Call": words(decision.text),
        "Score": decision.score,
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
    st.subheader(f"{plain(words(decision.text))} {decision.score:.3f}", anchor=False)
    pictures = pictures_or_reason(entry, tops_of(st.session_state))
    if isinstance(pictures, str):
        st.caption(plain(pictures, 300))
        return
    left, right = st.columns(2)
    left.image(thumbnail(pictures.original, 480), caption="Film", width="stretch", alt=f"Film {shown_name(entry)}")
    if not (entry.chain or entry.outlines or pictures.heat):
        right.caption("No enhancement and no heat map was asked for with this answer.")
        return
    beside, told = evidence(entry, pictures, 480)
    caption = f"{told[0].upper()}{told[1:]}"
    right.image(beside, caption=plain(caption), width="stretch", alt=f"{caption}, film {shown_name(entry)}")
    if pictures.heat is not None:
        right.html(scale_bar(pictures.heat, pictures.limits))


def form(found: list[Entry], index: int) -> None:
    """Accept, reject or relabel, with a note; saving goes on to the next open film."""
    entry, said = found[index], found[index].review
    with st.form(f"review/{entry.key}", border=True):
        options = list(_WORDS)
        verdict = st.segmented_control(
            "Review of this call",
            options,
            default=said.verdict if said.verdict in options else None,
            format_func=lambda word: _WORDS[word],
            key=f"verdict/{entry.key}",
        )
        called = entry.prediction.decision.labels
        classes = list(dict.fromkeys([*(name for name in entry.classes if name not in called), *called]))
        given = [part for part in said.label.split("|") if part]
        labels = st.multiselect(
            "Right class, where it is relabelled",
            list(dict.fromkeys([*classes, *given])),
            default=given,
            format_func=words,
            accept_new_options=True,
            key=f"label/{entry.key}",
            placeholder="Choose, or write a new class",
        )
        note = st.text_area("Note", said.note, max_chars=MAX_NOTE, height=68, key=f"note/{entry.key}")
        if st.form_submit_button("Save and go on", type="primary", icon=":material/check:", width="stretch"):
            save(found, index, str(verdict or "open"), [str(label) for label in labels], note)


def save(found: list[Entry], index: int, verdict: str, labels: list[str], note: str) -> None:
    """Write the review down and look at the next film that is open."""
    if verdict == "open" and not note:
        st.warning("Choose accept, reject or relabel.")
        return
    try:
        review(st.session_state, found[index].key, verdict, "|".join(labels), note)
    except LoporeError as error:
        st.error(plain(error, 300))
        return
    order = [*found[index + 1 :], *found[:index]]
    following = next((entry for entry in order if entry.review.verdict == "open"), found[index])
    st.session_state[SHOWN] = following.key
    st.rerun()


def downloads(found: list[Entry]) -> None:
    """Everything that can leave the session; each file is made when it is asked for."""
    st.subheader("Download", anchor=False)
    tops = dict(tops_of(st.session_state))  # the files are made where no session is at hand
    files: tuple[tuple[str, str, str, str, Callable[[], str | bytes], str], ...] = (
        ("Log", "JSON", "lopore-log.json", "application/json", lambda: log_json(found),
         "Every prediction with film hash, model, settings, scores and review"),
        ("Pictures and tables", "ZIP", "lopore-records.zip", "application/zip", lambda: zip_file(found, tops),
         "Enhanced films, heat maps, CSV and JSON"),
        ("Report to print", "HTML", "lopore-report.html", "text/html", lambda: report_html(found, tops=tops),
         "One page a browser prints on A4, with room for a signature"),
        ("Corrections", "CSV", "lopore-corrections.csv", "text/csv", lambda: corrections_csv(found),
         "Labels you accepted or mended, for `lopore data index`"),
    )  # fmt: skip
    labels = len(reviewed(found))
    for column, (title, kind, name, mime, make, what) in zip([*st.columns(2), *st.columns(2)], files, strict=True):
        column.download_button(
            f"{title} ({kind})",
            make,
            name,
            mime,
            icon=":material/download:",
            width="stretch",
            on_click="ignore",
            disabled=kind == "CSV" and not labels,
            key=f"get/{kind}",
        )
        column.caption(what + (f"; {labels} now" if kind == "CSV" else ""))


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


def page() -> None:
    """The whole page."""
    st.title("Records", anchor=False)
    everything = entries(st.session_state)
    if not everything:
        st.info("No predictions yet in this session. Drop films on the page Inspect; each answer is kept here.")
        st.page_link("app_pages/inspect.py", label="Go to Inspect", icon=":material/center_focus_strong:")
        return
    above, switch = st.columns([5, 3], gap="medium", vertical_alignment="bottom")
    progress(above, everything)
    view = switch.segmented_control(
        "Show", [LATEST, ALL], default=LATEST, required=True, label_visibility="collapsed", key="records/view"
    )
    found = list(reversed(newest(everything) if view == LATEST else everything))
    left, right = st.columns([5, 3], gap="medium")
    with left:
        index = table(found)
        warn_of_equal_names(found)
    with right:
        panel(found, index)
        form(found, index)
    with left:
        downloads(list(reversed(found)))
        with st.expander("Forget this session's records"):
            st.caption("Drops every prediction and review of this page. Films that are still uploaded stay.")
            if st.button("Forget all records", icon=":material/delete:"):
                forget(st.session_state)
                st.rerun()


page()
