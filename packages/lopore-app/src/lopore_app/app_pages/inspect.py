"""Inspect: choose a model, drop films, dial enhancements, see the decision and what drove it."""

from __future__ import annotations

from lopore_app.inspection.table_page import table_page

table_page("lopore_app.inspection.workbench", "workbench")
