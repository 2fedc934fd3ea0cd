"""Inspect: choose a model, drop films, dial enhancements, see the decision and what drove it."""

from __future__ import annotations

from lopore_app.inspection.table_page import table_page
from lopore_app.inspection.workbench import workbench

table_page(workbench)
