"""The scores of a report: overall, curves, confusion, each class."""

from __future__ import annotations

import streamlit as st

from lopore.errors import DataError
from lopore.messages import counted
from lopore.metrics.classification import Metrics
from lopore.metrics.score_names import score_name
from lopore_app.charts import confusion, lines
from lopore_app.charts.score_tiles import score_tiles
from lopore_app.evaluation.reports import (
    EvaluationReport,
    read_curves,
)
from lopore_app.plain_text import plain
from lopore_app.wording import number, rule_text, words


def head(metrics: Metrics) -> None:
    """What was scored, with notes that weaken it, and the overall scores."""
    point = metrics.threshold
    chosen = f", chosen on {point.chosen_on}" if point.chosen_on else ""
    each = ", ".join(f"{words(name)} {value:.3f}" for name, value in point.per_class.items())
    value = "" if point.rule == "largest score" else f" {each or f'{point.value:.3f}'}"
    st.caption(
        plain(
            f"{metrics.split}: {counted(metrics.images, 'image')} of {counted(metrics.groups, 'group')}, "
            f"{metrics.task}. Decision: {rule_text(point.rule)}{value}{chosen}. Intervals are 95 % "
            f"from {metrics.resamples} resamples of whole groups, because images of one film are not independent.",
            500,
        )
    )
    for note in metrics.notes:
        st.warning(plain(note, 300), icon=":material/warning:")
    score_tiles(metrics.overall)


def scores(report: EvaluationReport, metrics: Metrics) -> None:
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
        drawn.append(("ROC", lines.curves(roc, "false positive rate", "true positive rate", diagonal=True)))
        drawn.append(("Precision and recall", lines.curves(found, "recall", "precision", diagonal=False)))
    else:
        st.caption("No curves: the report has no table of answers, or one class alone.")
    if metrics.confusion is not None:
        drawn.append(
            ("Confusion", confusion.confusion(metrics.classes, metrics.confusion, dark=st.context.theme.type == "dark"))
        )
    for column, (title, chart) in zip(st.columns(max(2, len(drawn)), gap="medium"), drawn, strict=False):
        column.markdown(f"**{title}**")
        column.altair_chart(chart)
    rows = [
        {
            "Class": words(name),
            "RecordImages": one.support,
            "Found": one.tp,
            "False calls": one.fp,
            "Missed": one.fn,
            **{score_name(kind): number(getattr(one, kind)) for kind in ("precision", "recall", "f1", "roc_auc")},
        }
        for name, one in metrics.per_class.items()
    ]
    st.dataframe(rows, hide_index=True)
