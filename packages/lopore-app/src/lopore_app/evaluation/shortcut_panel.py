"""Does the defect drive the call, or something beside it?"""

from __future__ import annotations

import streamlit as st

from lopore.arrays import Pixels
from lopore.errors import DataError, LoporeError
from lopore.evaluation.occlusion_probe import REGIONS, Probed, probe
from lopore.evaluation.shortcuts import TOLERANCE, Effect, SpuriousReport
from lopore.inference.explain import choose_explainer
from lopore.inference.predict import prepare
from lopore.messages import score_text
from lopore.models.opening import OpenModel
from lopore_app.charts import bars
from lopore_app.evaluation.reports import (
    EvaluationReport,
    read_spurious,
)
from lopore_app.inspection.film_choice import FilmChoice, choose_film, example_films, films_of_session
from lopore_app.models.catalogue import ModelCatalogue
from lopore_app.models.opening import open_folder
from lopore_app.plain_text import plain
from lopore_app.review.record_images import thumbnail
from lopore_app.review.records import entries
from lopore_app.wording import number, words


def shortcuts(report: EvaluationReport, catalogue: ModelCatalogue) -> None:
    """The check of a whole split where it was made, and a try on one film."""
    st.caption(
        "Regions of a film are painted over with what lies around them. A sound model loses its call where the defect "
        "is painted over, and keeps it where anything else is."
    )
    if report.has("spurious.json"):
        try:
            show_check(read_spurious(report))
        except DataError as error:
            st.error(plain(error, 300))
    else:
        st.info("This report has no such check yet: `lopore eval MODEL --spurious` adds it.")
    st.divider()
    try_on_a_film(report, catalogue)


def show_check(found: SpuriousReport) -> None:
    """Verdict, chart with bounds, table."""
    show = {"shortcut": st.error, "defect": st.success, "unclear": st.info}[found.verdict]
    show(plain(found.text, 400))
    left, right = st.columns(2, gap="large")
    left.markdown("**Films that were called defective**")
    if found.defects:
        left.altair_chart(bars.drops(found.defects, TOLERANCE))
        left.caption(f"The dashed line at {TOLERANCE:g} is where a finding begins; grey rules are 95 % intervals.")
    else:
        left.caption("None.")
    right.markdown("**In numbers**")
    rows = [
        row
        for calls, effects in (("defect", found.defects), ("sound", found.sound))
        for row in effect_rows(calls, effects)
    ]
    right.dataframe(rows, hide_index=True)
    st.caption("; ".join(f"**{name}** is {what}" for name, what in REGIONS.items()) + ".")
    right.caption(plain(" ".join((f"The defect was known from its {found.marked_by}.", *found.notes)), 500))


def effect_rows(calls: str, effects: dict[str, Effect]) -> list[dict[str, object]]:
    """Lines of the table for one kind of call."""
    return [
        {
            "Painted over": region,
            "Calls": calls,
            "Films": effect.films,
            "Fall of the score": number(effect.drop),
            "Calls lost": f"{effect.lost:.0%}",
        }
        for region, effect in effects.items()
    ]


def try_on_a_film(report: EvaluationReport, catalogue: ModelCatalogue) -> None:
    """One film, its regions painted over, the score below each."""
    st.markdown("**Try it on one film**")
    if not catalogue.models:
        st.caption("No model is found, so nothing can be asked.")
        return
    titles = [folder.title for folder in catalogue.models]
    wanted = titles.index(report.model) if report.model in titles else 0
    left, right, button = st.columns([2, 2, 1], vertical_alignment="bottom")
    folder = catalogue.models[titles.index(left.selectbox("Model", titles, index=wanted, key="evaluation/model"))]
    films = [*films_of_session(entries(st.session_state)), *example_films()]
    film = choose_film(right, films, "evaluation/film")
    if not button.button("Paint over", icon=":material/format_paint:", width="stretch"):
        return
    try:
        pixels, found = tried(open_folder(folder), film)
    except LoporeError as error:
        st.error(plain(error, 300))
        return
    if found is None:
        st.info("The model calls nothing on this film, so there is no call to lose.")
        return
    show_tried(pixels, found)


def tried(model: OpenModel, film: FilmChoice) -> tuple[Pixels, Probed | None]:
    """The film as the network takes it, and its probe; the heat map stands in for a mask."""
    prepared = prepare(model.record, film.content(), name=film.name)
    try:
        explainer = choose_explainer(model)
    except LoporeError:
        explainer = None
    return prepared.pixels, probe(model, prepared, explainer=explainer)


def show_tried(pixels: Pixels, found: Probed) -> None:
    """The film as it is, then each region painted over, with the score of the class that was called."""
    guessed = found.marked_by == "heat map"
    titles = {"mark": "hottest part", "background": "all but the hottest"} if guessed else {}
    columns = st.columns(1 + len(found.probes))
    columns[0].image(image(pixels), width="stretch", alt="The film as it is")
    columns[0].metric(
        plain(words(found.called)), score_text(found.score), "as it is", delta_color="off", delta_arrow="off"
    )
    for column, one in zip(columns[1:], found.probes, strict=True):
        column.image(image(one.pixels), width="stretch", alt=f"The film with its {one.region} painted over")
        moved = one.score - found.score
        column.metric(
            titles.get(one.region, one.region),
            score_text(one.score),
            f"{moved:+.3f}" if abs(moved) >= 0.0005 else "unchanged",
            delta_color="normal" if abs(moved) > TOLERANCE else "off",
            delta_arrow="auto" if abs(moved) >= 0.0005 else "off",
        )
    if guessed:
        st.caption("No mask is known for this film: the hottest part of the heat map stands in for the defect.")


def image(pixels: Pixels) -> Pixels:
    """What the network took, for the screen."""
    return thumbnail(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, 400)
