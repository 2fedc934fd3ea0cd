"""Evaluation: how good a model is, where it errs, and whether it looks at the defect."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from lopore.errors import DataError
from lopore_app.evaluation.calibration_panel import calibration_panel
from lopore_app.evaluation.mistakes_panel import mistakes
from lopore_app.evaluation.report_choice import choose_report, warn_of_leaks
from lopore_app.evaluation.reports import (
    EvaluationReport,
    find_reports,
    read_metrics,
)
from lopore_app.evaluation.scores_panel import head, scores
from lopore_app.evaluation.shortcut_panel import shortcuts, try_on_a_film
from lopore_app.models.catalogue import ModelCatalogue
from lopore_app.plain_text import plain


def page() -> None:
    """The whole page."""
    st.title("Evaluation", anchor=False)
    catalogue = ModelCatalogue.find()
    reports = find_reports(catalogue.models)
    if not reports:
        st.info(
            "No report is found. `lopore eval MODEL` writes one to `./reports`; `LOPORE_REPORTS` lists other folders."
        )
        if catalogue.models:
            try_on_a_film(EvaluationReport(Path(), "", ""), catalogue)
        return
    report = choose_report(reports)
    try:
        metrics = read_metrics(report)
    except DataError as error:
        st.error(plain(error, 300))
        return
    warn_of_leaks(report, catalogue)
    head(metrics)
    tabs = st.tabs(["Scores", "Calibration", "Mistakes", "What drives the calls"])
    with tabs[0]:
        scores(report, metrics)
    with tabs[1]:
        calibration_panel(metrics.calibration)
    with tabs[2]:
        mistakes(report)
    with tabs[3]:
        shortcuts(report, catalogue)


page()
