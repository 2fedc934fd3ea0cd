"""The parts of the page Film: settings and run, the marks, deciding, saving."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Literal

import streamlit as st

from lopore.config.yaml_loader import parse_yaml
from lopore.errors import LoporeError
from lopore.indications.acceptance import Verdict
from lopore.indications.acceptance_profile import Profile, parse_profile
from lopore.indications.options import InspectionOptions
from lopore.messages import counted
from lopore.models.opening import OpenModel
from lopore.reading.film_source import FilmSource
from lopore_app.film.corrections import corrections_coco
from lopore_app.film.film_review import FilmReview, Reviewer
from lopore_app.film.film_work import FilmWork, decided_anew
from lopore_app.film.inspection_run import InspectionRun
from lopore_app.film.mark_table import mark_row, marks_csv
from lopore_app.film.reviewed_film import reviewed_report
from lopore_app.inspection.memory import Memory
from lopore_app.models.opening import fingerprint
from lopore_app.plain_text import plain
from lopore_app.viewer.component import mark_table
from lopore_app.wording import words

REVIEWER, LEVEL, PITCH, THRESHOLD, CLASS = "film/reviewer", "film/level", "film/pitch", "film/threshold", "film/class"
KEPT = (REVIEWER, LEVEL, PITCH, THRESHOLD)
"""Settings that outlive a look at another page."""


def reviewer_fields() -> Reviewer:
    """Who decides; stands with each verdict."""
    for key in KEPT:
        if key not in st.session_state and f"remembered/{key}" in st.session_state:
            st.session_state[key] = st.session_state[f"remembered/{key}"]
    name = st.text_input("Reviewer", key=REVIEWER, max_chars=80, placeholder="Name, kept with each verdict")
    level = st.text_input("Level", key=LEVEL, max_chars=40, placeholder="Qualification, such as RT 2")
    st.session_state[f"remembered/{REVIEWER}"], st.session_state[f"remembered/{LEVEL}"] = name, level
    return Reviewer(name=" ".join(name.split()), level=" ".join(level.split()))


def pitch_field(stated: float | None) -> float | None:
    """The size of a film pixel where the person gives it; None where the film's own holds, or none is known."""
    given = st.number_input(
        "Pixel pitch in mm",
        min_value=0.0,
        max_value=10.0,
        step=0.001,
        format="%.4f",
        key=PITCH,
        help="0: as the file states it. Without a pitch nothing is measured in mm: it is never guessed.",
    )
    st.session_state[f"remembered/{PITCH}"] = given
    if not given:
        st.caption(f"{stated:.4f} mm, stated by the file" if stated else "Not known: sizes are in pixels of the film.")
    return float(given) or None


def threshold_field(model: OpenModel) -> float | None:
    """The probability that a mark reaches; None for the model's own."""
    own = st.slider(
        "Threshold",
        0.0,
        1.0,
        step=0.01,
        key=THRESHOLD,
        help="0: the model's own. Another threshold asks the network nothing: the film's map is there.",
    )
    st.session_state[f"remembered/{THRESHOLD}"] = own
    if not own:
        st.caption(plain(f"The model's own: {model.record.threshold.value:.3f}", 120))
    return float(own) or None


def profile_of(content: bytes, name: str) -> Profile:
    """A profile from the bytes of its YAML file; ConfigError in one line for anything else."""
    data = parse_yaml(content.decode("utf-8", "replace"), source=name)
    return parse_profile(data, source=name).model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})


def profile_fields() -> tuple[Profile | None, dict[str, float]]:
    """The acceptance profile that the person owns, and the values that it asks for."""
    given = st.file_uploader("Acceptance profile (YAML)", key="film/profile", help="Your own rules; lopore ships none")
    if given is None:
        return None, {}
    try:
        profile = profile_of(given.getvalue(), given.name)
    except LoporeError as error:
        st.error(plain(error, 400))
        return None, {}
    values = {}
    for name, variable in profile.variables.items():
        value = st.number_input(
            plain(f"{words(name)} ({variable.unit})"), min_value=0.0, key=f"film/variable/{name}",
            help=plain(variable.description or "Asked for by the profile", 300),
        )  # fmt: skip
        if value:
            values[name] = float(value)
    return profile, values


def run_panel(
    work: FilmWork,
    model: OpenModel,
    source: FilmSource,
    options: InspectionOptions,
    profile: Profile | None,
    visitor: Memory,
) -> None:
    """The button, the bar while it runs, and why nothing came."""
    covering = fingerprint(model.folder), source.sha256, source.page, source.pixel_pitch_mm
    deciding = options.threshold, profile.sha256 if profile else "", tuple(sorted(options.variables.items()))
    if work.run is not None and work.run.running:
        _progress(work.run)
        return
    if work.found is not None and work.asked[:1] == (covering,) and work.asked[1:] != (deciding,):
        try:
            work.set_found(decided_anew(work.found, model, source, options, profile))
            work.asked = covering, deciding
        except LoporeError as error:
            st.error(plain(error, 400))
    stale = work.found is not None and work.asked[:1] != (covering,)
    if stale:
        st.caption(":orange[:material/warning:] The marks are of another model or pitch; inspect the film again.")
    label = "Inspect the film" if work.found is None or stale else "Inspect it again"
    kind: Literal["primary", "secondary"] = "primary" if work.found is None or stale else "secondary"
    if st.button(label, type=kind, icon=":material/search:", width="stretch", key="film/inspect"):
        work.run = InspectionRun(model, source, options, profile, visitor).start()
        work.asked = covering, deciding
        st.rerun()
    if work.problem:
        st.error(plain(work.problem, 400))


@st.fragment(run_every=0.7)
def _progress(run: InspectionRun) -> None:
    if not run.running:
        st.rerun()
    now = run.progress
    st.progress(now.share, text=plain(now.text, 120) if now.total else "Reading the film")
    if st.button("Stop", icon=":material/stop:", width="stretch", key="film/stop"):
        run.stop()


COLUMNS = (
    ("number", "No."), ("class", "Class"), ("iso", "ISO 6520"), ("score", "Score"), ("x", "Along"), ("y", "Across"),
    ("length", "Length"), ("width", "Width"), ("area", "Area"), ("next", "To next"), ("verdict", "Verdict"),
    ("note", "Note"),
)  # fmt: skip


def marks_panel(work: FilmWork) -> None:
    """The table, linked with the film."""
    review = work.review
    rows = [] if review is None else [mark_row(mark) for mark in review.marks]
    metric = review is not None and review.pixel_pitch_mm is not None
    units = dict.fromkeys(("x", "y", "length", "width", "next"), "mm" if metric else "px")
    units["area"] = "mm²" if metric else "px²"
    text = {"class", "iso", "verdict", "note"}
    columns = [
        {"key": key, "title": f"{title}, {units[key]}" if key in units else title, "number": key not in text}
        for key, title in COLUMNS
    ]
    empty = "No mark. Inspect the film, or draw what you see." if review is None else "No indication was found."
    mark_table({"columns": columns, "rows": rows, "empty": empty}, "film/marks")


def mark_panel(work: FilmWork, classes: tuple[str, ...], reviewer: Reviewer) -> None:
    """Class and note of the mark that is chosen by number; the verdict is a key or a button beside the film."""
    review = work.review
    if review is None or not review.marks:
        return
    numbers = [mark.number for mark in review.marks]
    at = numbers.index(work.selected) if work.selected in numbers else 0
    with st.form(f"film/mark/{work.served}/{work.taken}/{work.selected}", border=True):
        number = st.selectbox("Mark", numbers, index=at)
        chosen = review.mark(number)
        names = list(dict.fromkeys([*classes, *(mark.class_name for mark in review.marks)]))
        name = st.selectbox(
            "Class", names, index=names.index(chosen.class_name), format_func=words, accept_new_options=True
        )
        note = st.text_input("Note", chosen.note, max_chars=2000)
        said = [
            (st.form_submit_button(label, width="stretch"), verdict)
            for label, verdict in (("Accept (A)", "accepted"), ("Reject (R)", "rejected"), ("Keep open (O)", "open"))
        ]
    for pressed, verdict in said:
        if pressed:
            work.step(review.decided(number, verdict, reviewer, class_name=str(name), note=note))  # type: ignore[arg-type]  # one of three
            work.selected = number
            st.rerun()


def verdict_panel(verdict: Verdict | None) -> None:
    """The profile's answer, a proposal until a person signs, with the reason of each rule."""
    if verdict is None:
        return
    shown = {"accept": ":green[acceptable]", "reject": ":red[not acceptable]", "undecided": ":violet[undecided]"}
    st.markdown(f"**By the profile: {shown[verdict.answer]}**, a proposal until it is signed.")
    edition = f", {verdict.edition}" if verdict.edition else ""
    invented = "; its limits are invented" if verdict.invented else ""
    st.caption(plain(f"{verdict.title}, {verdict.source}{edition}{invented}, {verdict.profile_sha256[:16]}", 300))
    st.dataframe(
        [
            {
                "Rule": rule.rule,
                "Answer": rule.answer,
                "Why": rule.reason,
                "Marks": ", ".join(str(number) for number in rule.indications),
            }
            for rule in verdict.rules
        ],
        hide_index=True,
    )


def film_downloads(work: FilmWork, source: FilmSource, profile: Profile | None, reviews: Sequence[FilmReview]) -> None:
    """Files of this film; each is made from what is given to it here."""
    review, found = work.review, work.found
    if review is None:
        return
    stem = "".join(sign if sign.isalnum() or sign in "-_" else "_" for sign in review.name.rsplit(".", 1)[0])[:60]
    files = [
        ("Marks (CSV)", f"{stem}-marks.csv", "text/csv", marks_csv(review)),
        ("Session (JSON)", f"{stem}-session.json", "application/json", review.to_json()),
    ]
    if found is not None:
        report = partial(reviewed_report, review, found, profile, source)
        st.download_button(
            "Report (HTML)", report, f"{stem}-report.html", "text/html", width="stretch", on_click="ignore",
            icon=":material/description:", key="film/get/report",
        )  # fmt: skip
        files.append(("Inspection (JSON)", f"{stem}-inspection.json", "application/json", found.to_json()))
    st.download_button(
        f"Corrections of {counted(len(reviews), 'film')} (COCO)", partial(corrections_coco, reviews),
        "lopore-corrections.json", "application/json", width="stretch", on_click="ignore",
        icon=":material/model_training:", key="film/get/corrections",
        help="Accepted and drawn marks for training; open ones are ignored, rejected ones are sound ground",
    )  # fmt: skip
    for label, name, mime, content in files:
        st.download_button(
            label, content, name, mime, width="stretch", on_click="ignore", icon=":material/download:",
            key=f"film/get/{label}",
        )  # fmt: skip


def session_field(work: FilmWork, sha256: str, page: int) -> None:
    """Take up a session that was saved as a file; it has to be of this very film."""
    given = st.file_uploader("Take up a saved session (JSON)", key=f"film/session/{sha256}/{page}")
    if given is None or st.session_state.get(f"film/taken/{sha256}/{page}") == given.file_id:
        return
    st.session_state[f"film/taken/{sha256}/{page}"] = given.file_id
    try:
        saved = FilmReview.from_json(given.getvalue(), source="the session file")
    except LoporeError as error:
        st.error(plain(error, 300))
        return
    if (saved.sha256, saved.page) != (sha256, page):
        st.error(plain(f"the session file is of another film ({saved.name}, page {saved.page})", 300))
        return
    work.step(saved)
    work.selected, work.served = (saved.marks[0].number if saved.marks else None), work.served + 1
    st.rerun()
