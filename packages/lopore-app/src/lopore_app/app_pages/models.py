"""Models: what was found, what each one is, what cannot be used, and two of them on the same film."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lopore.errors import LoporeError
from lopore.inference.segment import SegmentationPrediction
from lopore.messages import counted
from lopore.models.catalogue import model_roots
from lopore.preprocessing.enhancement_chain import Chain
from lopore.record.folder import ModelFolder
from lopore.record.interval import Interval
from lopore.record.model import ModelRecord
from lopore_app import charts
from lopore_app.compare import Said, agreement, ask, score_table, verdict
from lopore_app.films import Film, choose_film, example_films, films_of_session
from lopore_app.inspect.looking import MEMORY
from lopore_app.memory import Memory
from lopore_app.outlines import draw
from lopore_app.pictures import thumbnail
from lopore_app.records import entries
from lopore_app.scales import limits_of, scale_bar, tops_of
from lopore_app.session import chain_text
from lopore_app.shelf import MODEL, Shelf, current_model_key, fingerprint, open_folder, unplaced
from lopore_app.widgets import plain
from lopore_app.wording import bounds, number, pairs_on_both_sides, rule_text, score_name, tiles, words

SHELF, COMPARE = "All models", "Compare two"
# In px: with them a window of 1100 px shows every column. No string stands below: Streamlit would show it.
_WIDTHS = {"Name": 110, "Version": 165, "Score": 112, "95 % interval": 118, "On": 50, "Split": 72, "Leaks": 90}
_SCORES = ("roc_auc", "f1", "balanced_accuracy", "accuracy")


def main_score(record: ModelRecord) -> tuple[str, Interval] | None:
    """The first score that the record has, ROC AUC before all."""
    for name in _SCORES:
        found = record.metrics.get(name)
        if found is not None and found.value is not None:
            return name, found
    return None


def leak_text(record: ModelRecord) -> str:
    """What is known of the split that the model was scored on."""
    if record.leaks.leaks:
        return f"{counted(record.leaks.leaks, 'pair')} on both sides"
    return "none found" if record.leaks.checked_pairs else "not checked"


def row_of(folder: ModelFolder) -> dict[str, Any]:
    """One line of the table."""
    record = folder.record
    found = main_score(record)
    return {
        "Name": record.name,
        "Version": record.version,
        "Network": f"{record.framework}/{record.backbone}",
        "Score": f"{score_name(found[0])} {found[1].value:.3f}" if found else "none",
        "95 % interval": bounds(found[1]) if found else "",
        "On": record.metrics_split,
        "Split": record.leaks.split_kind,
        "Leaks": f"\N{WARNING SIGN} {counted(record.leaks.leaks, 'pair')}" if record.leaks.leaks else leak_text(record),
        "Made": record.created[:10],
    }


def table(shelf: Shelf) -> ModelFolder:
    """All models; the row that is picked, else the one in use."""
    chosen = shelf.named(current_model_key()) or shelf.models[0]
    picked = st.dataframe(
        [row_of(folder) for folder in shelf.models],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"models/table/{chosen.title}",  # another model in use is looked at first
        selection_default={"selection": {"rows": [shelf.models.index(chosen)]}},
        column_config={name: st.column_config.TextColumn(width=width) for name, width in _WIDTHS.items()},
    )
    rows: list[int] = picked.get("selection", {}).get("rows", [])
    if rows and rows[0] < len(shelf.models):
        return shelf.models[int(rows[0])]
    return chosen


def details(folder: ModelFolder) -> None:
    """Everything the record says of one model, and what can be done with it."""
    record = folder.record
    left, right = st.columns([3, 2], vertical_alignment="center")
    left.subheader(plain(folder.title), anchor=False)
    with right.container(horizontal=True, horizontal_alignment="right"):
        if st.button("Check and open", icon=":material/verified:", key=f"open/{folder.title}"):
            check(folder)
        if st.button(
            "Use in Inspect", type="primary", icon=":material/center_focus_strong:", key=f"use/{folder.title}"
        ):
            st.session_state[MODEL] = folder.title
            st.switch_page("app_pages/inspect.py")
    if record.leaks.leaks:
        st.error(
            f"Trained on a split that leaks ({pairs_on_both_sides(record.leaks.leaks)}): its score is "
            "too good and proves nothing."
        )
    scores, inputs, training, files = st.tabs(["Scores", "Input", "Training", "Files"])
    with scores:
        show_scores(record)
    facts(inputs, input_facts(record))
    facts(training, training_facts(record))
    with files:
        show_files(folder)


def check(folder: ModelFolder) -> None:
    """Open the model now, which compares every weight file with its checksum."""
    try:
        model = open_folder(folder)
        st.toast(plain(f"{folder.title} is whole and open, by {model.predictor.name}"), icon=":material/check_circle:")
    except LoporeError as error:
        st.error(plain(unplaced(error, folder.path), 400))


def show_scores(record: ModelRecord) -> None:
    """Overall tiles and a table of the classes."""
    overall = {name: value for name, value in record.metrics.items() if "/" not in name and value.value is not None}
    if not overall:
        st.caption("The record holds no scores.")
        return
    tiles(overall)
    kinds = ("precision", "recall", "f1", "roc_auc", "pr_auc")
    rows = []
    for name in record.classes:
        cells = {kind: record.metrics.get(f"{kind}/{name}") for kind in kinds}
        told = {score_name(kind): number(cell) for kind, cell in cells.items() if cell is not None}
        if told:
            rows.append({"Class": words(name), **told})
    if rows:
        st.dataframe(rows, hide_index=True)
    st.caption(
        f"Measured on {plain(record.metrics_split or 'an unnamed side')}, {plain(record.leaks.split_kind)} split; "
        f"leaks: {plain(leak_text(record))}. Intervals are 95 % and resample whole groups of films."
    )


def facts(place: Any, told: dict[str, str]) -> None:
    """Names and values, two columns of plain text."""
    place.dataframe(
        [{"What": name, "Value": value} for name, value in told.items() if value],
        hide_index=True,
        column_config={
            "What": st.column_config.TextColumn(width=240),
            "Value": st.column_config.TextColumn(width=960),
        },
    )


def input_facts(record: ModelRecord) -> dict[str, str]:
    """What the network takes, and how a film gets there."""
    plan = record.preprocessing
    window = plan.window
    limits = "" if window.mode == "full" else f" ({window.low:g} to {window.high:g})"
    return {
        "Size": f"{plan.size[1]} x {plan.size[0]} px, {plan.channels} channel{'s' * (plan.channels > 1)}, "
        f"{plan.depth} bit",
        "Resize": plan.resize,
        "Window for deep films": f"{window.mode}{limits}",
        "Enhancement in the model": " | ".join(str(step) for step in plan.enhance) or "none",
        "Mean": ", ".join(f"{value:.4f}" for value in plan.mean or ()),
        "Standard deviation": ", ".join(f"{value:.4f}" for value in plan.std or ()),
        "Fingerprint": record.preprocessing_fingerprint,
    }


def training_facts(record: ModelRecord) -> dict[str, str]:
    """Where the model comes from."""
    point = record.threshold
    per_class = ", ".join(f"{words(name)} {value:.3f}" for name, value in point.per_class.items())
    limits = f", {per_class}" if per_class else f", {point.value:.3f}" if point.value else ""
    return {
        "Task": record.task,
        "Classes": ", ".join(words(name) for name in record.classes),
        "Decision": f"{rule_text(point.rule)}{limits}" + (f", chosen on {point.chosen_on}" if point.chosen_on else ""),
        "Views averaged for a score": str(record.tta_views),
        "Layer that Grad-CAM reads": record.explanation.layer or record.explanation.reason,
        "Split": record.leaks.split_kind,
        "Fingerprint of the films": record.data_fingerprint,
        "Fingerprint of the split": record.split_fingerprint,
        "Pairs checked for leaks": f"{record.leaks.checked_pairs}, {record.leaks.leaks} found",
        "Seed": str(record.seed),
        "Licence": record.licence,
        "Made": record.created,
        "Versions": ", ".join(f"{name} {value}" for name, value in record.versions.items()),
    }


def show_files(folder: ModelFolder) -> None:
    """Files with checksums, and the record as it is."""
    rows = [{"File": file.path, "Format": file.format, "sha256": file.sha256} for file in folder.record.files]
    st.dataframe(rows, hide_index=True)
    st.download_button(
        "Record (JSON)",
        folder.record.to_json(),
        "lopore.json",
        "application/json",
        icon=":material/download:",
        on_click="ignore",
        key=f"record/{folder.title}",
    )


def unusable(shelf: Shelf) -> None:
    """Folders that look like models and cannot be used; they harm nothing else."""
    if not shelf.broken:
        return
    st.subheader("Cannot be used", anchor=False)
    st.caption("These folders look like models. They are left out, and nothing else is affected.")
    for item in shelf.broken:
        with st.container(border=True):
            left, right = st.columns([1, 4])
            left.text(f"{item.path.parent.name}/{item.path.name}")
            right.text(unplaced(item.reason, item.path)[:600])


def compare(shelf: Shelf) -> None:
    """Two models, one film: scores and heat maps side by side."""
    if len(shelf.models) < 2:
        st.info("One model is found. Two are needed to compare; train another or add its folder with `--models`.")
        return
    left, right, film_place = st.columns(3)
    titles = [folder.title for folder in shelf.models]
    one = left.selectbox("First model", titles, key="compare/first")
    other = right.selectbox("Second model", titles, index=1, key="compare/second")
    films = [*films_of_session(entries(st.session_state)), *example_films()]
    film = choose_film(film_place, films, "compare/film")
    folders = [folder for title in (one, other) for folder in shelf.models if folder.title == title]
    if one == other:
        st.info("Choose two different models.")
        return
    show_answers(folders, answered(folders, film))


def answered(folders: list[ModelFolder], film: Film) -> list[Said | str]:
    """Both answers, the second explained for the class that the first one called; a line in place of one not given."""
    memory = st.session_state.setdefault(MEMORY, Memory())
    told: list[Said | str] = []
    for folder in folders[:2]:
        wanted = next((one.shown_class for one in told if isinstance(one, Said)), None)
        try:
            told.append(ask(open_folder(folder), film.name, film.content(), class_name=wanted, memory=memory))
        except LoporeError as error:
            told.append(unplaced(error, folder.path))
    return told


def show_answers(folders: list[ModelFolder], answers: list[Said | str]) -> None:
    """Verdict, bars, pictures, table of differences; what one model cannot answer takes nothing from the other."""
    given = [said for said in answers if isinstance(said, Said)]
    with st.container(border=True):
        if len(given) == 2:
            show_verdict(*given)
        else:
            none = "Neither model answers" if not given else "One of the two models does not answer"
            st.markdown(f"**{none}; there is nothing to compare.**")
    one, other, right = st.columns([4, 4, 5], gap="medium")
    for column, folder, said in zip((one, other), folders, answers, strict=True):
        with column:
            st.caption(plain(folder.title))
            if isinstance(said, Said):
                show_side(folder, said)
            else:
                st.error(plain(said, 400))
    if len(given) == 2:
        with right:
            show_scores_of_both(*given)


def show_verdict(first: Said, second: Said) -> None:
    """Whether they make the same call, and whether they look at the same place."""
    st.markdown(f"**{plain(verdict(first, second), 300)}**")
    if first.heat is None or second.heat is None:
        st.caption("Heat maps cannot be compared: one of the two has none.")
        return
    if first.shown_class != second.shown_class:
        st.caption("Their heat maps show evidence for different classes: their places cannot be compared.")
        return
    shared = agreement(first.heat, second.heat)
    if shared is not None:
        st.caption(f"The hottest tenths of their heat maps share {shared:.0%} of their area.")


def show_scores_of_both(first: Said, second: Said) -> None:
    """The scores of each class, as bars and as a table."""
    rows = score_table(first.prediction, second.prediction)
    st.altair_chart(charts.paired_scores(rows, ("first", "second")))
    st.dataframe(
        [{"Class": words(name), "First": a, "Second": b, "Difference": difference(a, b)} for name, a, b in rows],
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.4f") for name in ("First", "Second", "Difference")
        },
    )


def difference(one: float | None, other: float | None) -> float | None:
    """The second score less the first; None where one is missing."""
    return None if one is None or other is None else other - one


def show_side(folder: ModelFolder, said: Said) -> None:
    """One model's call and its picture, with heat, with outlines, or both."""
    decision = said.prediction.decision
    st.subheader(f"{plain(words(decision.text))} {decision.score:.3f}", anchor=False)
    heat, limits = said.heat, (0.0, 1.0)
    if heat is not None:
        limits = limits_of(tops_of(st.session_state), fingerprint(folder), heat, chain_text(Chain()))
    picture = thumbnail(said.original, 620, heat, limits)
    if said.lines:
        picture = draw(picture, said.lines, said.original.shape[:2], tuple(said.prediction.scores))
    st.image(picture, width="stretch", alt=f"What {folder.title} sees in the film: {decision.text}")
    if isinstance(said.prediction, SegmentationPrediction):
        found = len(said.prediction.detections)
        st.caption("No indication" if not found else f"{found} indication{'s' * (found > 1)}, outlined")
    if heat is None:
        st.caption(plain(said.reason, 200))
    else:
        st.html(scale_bar(heat, limits))
        name = plain(words(said.shown_class))
        st.caption(f"Evidence for {name}, by {plain(heat.explainer)}; {said.milliseconds:.0f} ms to the score")


def page() -> None:
    """The whole page."""
    st.title("Models", anchor=False)
    shelf = Shelf.look()
    if not shelf.models:
        roots = ", ".join(f"`{plain(root)}`" for root in model_roots()[1:])
        st.info(
            "No model found. Train one with `lopore train`, or start with `lopore app --models FOLDER`."
            + (f" Looked in {roots} and in `./models/final`." if roots else "")
        )
        unusable(shelf)
        return
    view = st.segmented_control("View", [SHELF, COMPARE], default=SHELF, required=True, label_visibility="collapsed")
    if view == COMPARE:
        compare(shelf)
        return
    st.caption("Found at run time in the model folders of this server; a model is loaded when it is first used.")
    details(table(shelf))
    unusable(shelf)


page()
