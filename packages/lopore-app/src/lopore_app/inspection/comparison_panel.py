"""Two models, one film: scores and heat maps side by side."""

from __future__ import annotations

import streamlit as st

from lopore.errors import LoporeError
from lopore.inference.segment import SegmentationPrediction
from lopore.messages import score_text
from lopore.preprocessing.enhancement_chain import Chain
from lopore.record.folder import ModelFolder
from lopore_app.charts import bars
from lopore_app.inspection.comparison import ModelOutput, agreement, ask, score_table, verdict
from lopore_app.inspection.film_choice import FilmChoice, choose_film, example_films, films_of_session
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.view import MEMORY
from lopore_app.models.catalogue import ModelCatalogue, unplaced
from lopore_app.models.opening import chain_key, model_key, open_folder
from lopore_app.plain_text import plain
from lopore_app.review.record_images import thumbnail
from lopore_app.review.records import entries
from lopore_app.viewer.heat_scale import limits_of, scale_bar, tops_of
from lopore_app.viewer.outlines import draw
from lopore_app.wording import words


def compare(catalogue: ModelCatalogue) -> None:
    """Two models, one film: scores and heat maps side by side."""
    if len(catalogue.models) < 2:
        st.info("One model is found. Two are needed to compare; train another or add its folder with `--models`.")
        return
    left, right, film_place = st.columns(3)
    titles = [folder.title for folder in catalogue.models]
    one = left.selectbox("First model", titles, key="compare/first")
    other = right.selectbox("Second model", titles, index=1, key="compare/second")
    films = [*films_of_session(entries(st.session_state)), *example_films()]
    film = choose_film(film_place, films, "compare/film")
    folders = [folder for title in (one, other) for folder in catalogue.models if folder.title == title]
    if one == other:
        st.info("Choose two different models.")
        return
    show_answers(folders, answered(folders, film))


def answered(folders: list[ModelFolder], film: FilmChoice) -> list[ModelOutput | str]:
    """Both answers, the second explained for the class that the first one called; a line in place of one not given."""
    memory = st.session_state.setdefault(MEMORY, Memory())
    summary: list[ModelOutput | str] = []
    for folder in folders[:2]:
        wanted = next((one.shown_class for one in summary if isinstance(one, ModelOutput)), None)
        try:
            summary.append(ask(open_folder(folder), film.name, film.content(), class_name=wanted, memory=memory))
        except LoporeError as error:
            summary.append(unplaced(error, folder.path))
    return summary


def show_answers(folders: list[ModelFolder], answers: list[ModelOutput | str]) -> None:
    """Verdict, bars, images, table of differences; what one model cannot answer takes nothing from the other."""
    given = [said for said in answers if isinstance(said, ModelOutput)]
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
            if isinstance(said, ModelOutput):
                show_side(folder, said)
            else:
                st.error(plain(said, 400))
    if len(given) == 2:
        with right:
            show_scores_of_both(*given)


def show_verdict(first: ModelOutput, second: ModelOutput) -> None:
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


def show_scores_of_both(first: ModelOutput, second: ModelOutput) -> None:
    """The scores of each class, as bars and as a table."""
    rows = score_table(first.prediction, second.prediction)
    st.altair_chart(bars.paired_scores(rows, ("first", "second")))
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


def show_side(folder: ModelFolder, said: ModelOutput) -> None:
    """One model's call and its image, with heat, with outlines, or both."""
    decision = said.prediction.decision
    st.header(f"{plain(words(decision.text))} {score_text(decision.score)}", anchor=False)
    heat, limits = said.heat, (0.0, 1.0)
    if heat is not None:
        limits = limits_of(tops_of(st.session_state), model_key(open_folder(folder)), heat, chain_key(Chain()))
    image = thumbnail(said.original, 620, heat, limits)
    if said.lines:
        image = draw(image, said.lines, said.original.shape[:2], tuple(said.prediction.scores))
    st.image(image, width="stretch", alt=f"What {folder.title} sees in the film: {decision.text}")
    if isinstance(said.prediction, SegmentationPrediction):
        found = len(said.prediction.detections)
        st.caption("No indication" if not found else f"{found} indication{'s' * (found > 1)}, outlined")
    if heat is None:
        st.caption(plain(said.reason, 200))
    else:
        st.html(scale_bar(heat, limits))
        name = plain(words(said.shown_class))
        st.caption(f"Evidence for {name}, by {plain(heat.explainer)}; {said.milliseconds:.0f} ms to the score")
