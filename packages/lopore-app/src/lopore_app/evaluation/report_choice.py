"""Which report is looked at, and whether its model's training leaked."""

from __future__ import annotations

import streamlit as st

from lopore_app.evaluation.reports import EvaluationReport
from lopore_app.inspection.model_choice import current_model_key
from lopore_app.models.catalogue import ModelCatalogue
from lopore_app.wording import pairs_on_both_sides


def choose_report(reports: list[EvaluationReport]) -> EvaluationReport:
    """The report to look at: the newest of the model in use, else the newest."""
    own = [number for number, report in enumerate(reports) if report.model == current_model_key()]
    titles = [f"{report.model or 'model not named'}: {report.location}"[:160] for report in reports]
    chosen = st.selectbox("Report", range(len(reports)), index=own[0] if own else 0, format_func=titles.__getitem__)
    return reports[chosen]


def warn_of_leaks(report: EvaluationReport, catalogue: ModelCatalogue) -> None:
    """A report of a model whose training leaked says so before any score."""
    leaks = [folder.record.leaks.leaks for folder in catalogue.models if folder.title == report.model]
    if leaks and leaks[0]:
        st.error(
            f"The model was trained on a split that leaks ({pairs_on_both_sides(leaks[0])}): "
            "scores on films of that split are too good and prove nothing."
        )
