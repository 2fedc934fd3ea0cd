"""What one model is: scores, input, training, files."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lopore.messages import counted
from lopore.metrics.score_names import score_name
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelRecord
from lopore_app.charts.score_tiles import score_tiles
from lopore_app.plain_text import plain
from lopore_app.wording import bounds, number, rule_text, words

# In px: with them a window of 1100 px shows every column. No string stands below: Streamlit would show it.
COLUMN_WIDTHS = {"Name": 110, "Version": 165, "Score": 112, "95 % interval": 118, "On": 74, "Split": 72, "Leaks": 90}


def leak_text(record: ModelRecord) -> str:
    """What is known of the split that the model was scored on."""
    if record.leaks.leaks:
        return f"{counted(record.leaks.leaks, 'pair')} in both splits"
    return "none found" if record.leaks.checked_pairs else "not checked"


def model_row(folder: ModelFolder) -> dict[str, Any]:
    """One line of the table."""
    record = folder.record
    found = record.main_score
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


def show_scores(record: ModelRecord) -> None:
    """Overall tiles and a table of the classes."""
    overall = {name: value for name, value in record.metrics.items() if "/" not in name and value.value is not None}
    if not overall:
        st.caption("The record holds no scores.")
        return
    score_tiles(overall)
    figures = ("dice", "iou", "precision", "recall", "f1", "roc_auc", "pr_auc")
    rows = []
    for name in record.classes:
        cells = {kind: record.metrics.get(f"{kind}/{name}") for kind in figures}
        summary = {score_name(kind): number(cell) for kind, cell in cells.items() if cell is not None}
        if summary:
            rows.append({"Class": words(name), **summary})
    if rows:
        st.dataframe(rows, hide_index=True)
    st.caption(
        f"Measured on {plain(record.metrics_split or 'an unnamed split')}, {plain(record.leaks.split_kind)} split; "
        f"leaks: {plain(leak_text(record))}. Intervals are 95 % and resample whole groups of films."
    )


def facts(container: Any, summary: dict[str, str]) -> None:
    """Names and values, two columns of plain text."""
    container.dataframe(
        [{"What": name, "Value": value} for name, value in summary.items() if value],
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
        "Scales at which films are seen": ", ".join(f"{scale:g}" for scale in sorted((1.0, *record.tta_scales))),
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
