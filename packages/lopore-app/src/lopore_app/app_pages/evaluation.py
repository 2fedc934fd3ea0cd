"""Evaluation: how good a model is, where it errs, and whether it looks at the defect."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from lopore.contracts import Pixels
from lopore.errors import DataError, LoporeError
from lopore.evaluation.occlusion_probe import REGIONS, Probed, probe
from lopore.evaluation.shortcuts import TOLERANCE, Effect, SpuriousReport
from lopore.inference.explain import choose_explainer
from lopore.inference.predict import prepare
from lopore.messages import counted
from lopore.metrics.classification import Metrics
from lopore.models.opening import OpenModel
from lopore_app import charts
from lopore_app.evaluations import (
    Gallery,
    Report,
    find_reports,
    read_curves,
    read_galleries,
    read_metrics,
    read_spurious,
)
from lopore_app.films import Film, choose_film, example_films, films_of_session
from lopore_app.pictures import thumbnail
from lopore_app.records import entries
from lopore_app.reliability import calibration_panel
from lopore_app.shelf import Shelf, current_model_key, open_folder
from lopore_app.widgets import plain
from lopore_app.wording import number, pairs_on_both_sides, rule_text, score_name, tiles, words

_PER_ROW = 3


def choose(reports: list[Report]) -> Report:
    """The report to look at: the newest of the model in use, else the newest."""
    own = [number for number, report in enumerate(reports) if report.model == current_model_key()]
    titles = [f"{report.model or 'model not named'}: {report.place}"[:160] for report in reports]
    chosen = st.selectbox("Report", range(len(reports)), index=own[0] if own else 0, format_func=titles.__getitem__)
    return reports[chosen]


def warn_of_leaks(report: Report, shelf: Shelf) -> None:
    """A report of a model whose training leaked says so before any score."""
    leaks = [folder.record.leaks.leaks for folder in shelf.models if folder.title == report.model]
    if leaks and leaks[0]:
        st.error(
            f"The model was trained on a split that leaks ({pairs_on_both_sides(leaks[0])}): "
            "scores on films of that split are too good and prove nothing."
        )


def head(metrics: Metrics) -> None:
    """What was scored, with notes that weaken it, and the overall scores."""
    point = metrics.threshold
    chosen = f", chosen on {point.chosen_on}" if point.chosen_on else ""
    each = ", ".join(f"{words(name)} {value:.3f}" for name, value in point.per_class.items())
    value = "" if point.rule == "largest score" else f" {each or f'{point.value:.3f}'}"
    st.caption(
        plain(
            f"{metrics.split}: {counted(metrics.images, 'picture')} of {counted(metrics.groups, 'group')}, "
            f"{metrics.task}. Decision: {rule_text(point.rule)}{value}{chosen}. Intervals are 95 % "
            f"from {metrics.resamples} resamples of whole groups, because pictures of one film are not independent.",
            500,
        )
    )
    for note in metrics.notes:
        st.warning(plain(note, 300), icon=":material/warning:")
    tiles(metrics.overall)


def scores(report: Report, metrics: Metrics) -> None:
    """Curves, confusion, and each class."""
    curves = []
    if report.has("predictions.csv"):
        try:
            curves = read_curves(report, metrics)
        except DataError as error:
            st.error(plain(error, 300))
    drawn = []
    if curves:
        roc = {curve.name: curve.roc for curve in curves}
        found = {curve.name: curve.precision_recall for curve in curves}
        drawn.append(("ROC", charts.curves(roc, "false positive rate", "true positive rate", diagonal=True)))
        drawn.append(("Precision and recall", charts.curves(found, "recall", "precision", diagonal=False)))
    else:
        st.caption("No curves: the report has no table of answers, or one class alone.")
    if metrics.confusion is not None:
        drawn.append(
            ("Confusion", charts.confusion(metrics.classes, metrics.confusion, dark=st.context.theme.type == "dark"))
        )
    for column, (title, chart) in zip(st.columns(max(2, len(drawn)), gap="medium"), drawn, strict=False):
        column.markdown(f"**{title}**")
        column.altair_chart(chart)
    rows = [
        {
            "Class": words(name),
            "Pictures": one.support,
            "Found": one.tp,
            "False calls": one.fp,
            "Missed": one.fn,
            **{score_name(kind): number(getattr(one, kind)) for kind in ("precision", "recall", "f1", "roc_auc")},
        }
        for name, one in metrics.per_class.items()
    ]
    st.dataframe(rows, hide_index=True)


def mistakes(report: Report) -> None:
    """False positives and false negatives with their heat maps."""
    if not report.has("report.html"):
        st.info("This report has no gallery: `lopore eval MODEL` writes one beside the scores.")
        return
    try:
        galleries = read_galleries(report)
    except DataError as error:
        st.error(plain(error, 300))
        return
    titles = [f"{gallery.title} ({len(gallery.pictures)})" for gallery in galleries]
    if not titles:
        st.caption("The report has no gallery.")
        return
    chosen = st.segmented_control("Mistakes", titles, default=titles[0], required=True, label_visibility="collapsed")
    show_gallery(galleries[titles.index(chosen)])


def show_gallery(gallery: Gallery) -> None:
    """Film beside its heat map, with score, answer and truth."""
    if not gallery.pictures:
        st.success("None.")
        return
    st.caption(plain(gallery.note, 400))
    for start in range(0, len(gallery.pictures), _PER_ROW):
        for column, one in zip(st.columns(_PER_ROW), gallery.pictures[start : start + _PER_ROW], strict=False):
            with column.container(border=True):
                seen = (f"Film: {one.lines[0] if one.lines else gallery.title}", "The same film with its heat map")
                for place, image, alt in zip(st.columns(max(1, len(one.images))), one.images, seen, strict=False):
                    place.image(image, width="stretch", alt=alt)
                for line in one.lines:
                    # A file's name stays as it is.
                    st.caption(plain(words(line) if ", answered" in line else line, 200))


def shortcuts(report: Report, shelf: Shelf) -> None:
    """The check of a whole side where it was made, and a try on one film."""
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
    try_on_a_film(report, shelf)


def show_check(found: SpuriousReport) -> None:
    """Verdict, chart with bounds, table."""
    show = {"shortcut": st.error, "defect": st.success, "unclear": st.info}[found.verdict]
    show(plain(found.text, 400))
    left, right = st.columns(2, gap="large")
    left.markdown("**Films that were called defective**")
    if found.defects:
        left.altair_chart(charts.drops(found.defects, TOLERANCE))
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


def try_on_a_film(report: Report, shelf: Shelf) -> None:
    """One film, its regions painted over, the score below each."""
    st.markdown("**Try it on one film**")
    if not shelf.models:
        st.caption("No model is found, so nothing can be asked.")
        return
    titles = [folder.title for folder in shelf.models]
    wanted = titles.index(report.model) if report.model in titles else 0
    left, right, button = st.columns([2, 2, 1], vertical_alignment="bottom")
    folder = shelf.models[titles.index(left.selectbox("Model", titles, index=wanted, key="evaluation/model"))]
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


def tried(model: OpenModel, film: Film) -> tuple[Pixels, Probed | None]:
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
    columns[0].image(picture(pixels), width="stretch", alt="The film as it is")
    columns[0].metric(
        plain(words(found.called)), f"{found.score:.3f}", "as it is", delta_color="off", delta_arrow="off"
    )
    for column, one in zip(columns[1:], found.probes, strict=True):
        column.image(picture(one.pixels), width="stretch", alt=f"The film with its {one.region} painted over")
        moved = one.score - found.score
        column.metric(
            titles.get(one.region, one.region),
            f"{one.score:.3f}",
            f"{moved:+.3f}" if abs(moved) >= 0.0005 else "unchanged",
            delta_color="normal" if abs(moved) > TOLERANCE else "off",
            delta_arrow="auto" if abs(moved) >= 0.0005 else "off",
        )
    if guessed:
        st.caption("No mask is known for this film: the hottest part of the heat map stands in for the defect.")


def picture(pixels: Pixels) -> Pixels:
    """What the network took, for the screen."""
    return thumbnail(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, 400)


def page() -> None:
    """The whole page."""
    st.title("Evaluation", anchor=False)
    shelf = Shelf.look()
    reports = find_reports(shelf.models)
    if not reports:
        st.info(
            "No report is found. `lopore eval MODEL` writes one to `./reports`; `LOPORE_REPORTS` lists other folders."
        )
        if shelf.models:
            try_on_a_film(Report(Path(), "", ""), shelf)
        return
    report = choose(reports)
    try:
        metrics = read_metrics(report)
    except DataError as error:
        st.error(plain(error, 300))
        return
    warn_of_leaks(report, shelf)
    head(metrics)
    tabs = st.tabs(["Scores", "Calibration", "Mistakes", "What drives the calls"])
    with tabs[0]:
        scores(report, metrics)
    with tabs[1]:
        calibration_panel(metrics.calibration)
    with tabs[2]:
        mistakes(report)
    with tabs[3]:
        shortcuts(report, shelf)


page()
