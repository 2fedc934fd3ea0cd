"""The evaluation as one self-contained HTML page: scores with bounds, curves, confusion, the worst mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lopore.evaluation.occlusion_probe import REGIONS
from lopore.html_page import number_text, render_page
from lopore.messages import counted
from lopore.record.interval import Interval

from .curves import ranking_curves, reliability_diagram
from .gallery import galleries
from .marks_part import marks_part

if TYPE_CHECKING:
    from lopore.evaluation.results import Evaluation
    from lopore.evaluation.shortcuts import SpuriousReport
    from lopore.metrics.calibration import ClassCalibration
    from lopore.metrics.segmentation import PixelMetrics
    from lopore.models.opening import OpenModel
    from lopore.record.model import ModelRecord

TEMPLATE = Path(__file__).with_name("evaluation_page.html")
TITLES = {"roc_auc": "ROC AUC", "pr_auc": "PR AUC", "f1": "F1"}
RIGHT, WRONG = "42,120,92", "190,70,50"
"""Red, green and blue of a confusion table's cells, on its diagonal and beside it."""


def evaluation_report(
    model: OpenModel, evaluation: Evaluation, *, images: int = 12, spurious: SpuriousReport | None = None
) -> str:
    """A whole HTML page as text; nothing in it is loaded from elsewhere and all names are shown as plain text."""
    from markupsafe import Markup

    record, metrics = model.record, evaluation.metrics
    return render_page(
        TEMPLATE,
        title=f"{model.folder.title}: {metrics.split}",
        lead=_lead(record, evaluation),
        metrics=metrics,
        tiles=[(TITLES.get(name, name.replace("_", " ")), value) for name, value in metrics.overall.items()],
        curves=[Markup(curve) for curve in ranking_curves(evaluation, record)],  # SVG that we drew
        calibration=list(_calibration(evaluation)),
        confusion=list(_confusion(evaluation)),
        pixel_rows=list(_pixels(metrics.pixels)) if metrics.pixels else [],
        shortcuts=spurious,
        shortcut_rows=list(_shortcuts(spurious)) if spurious else [],
        galleries=galleries(model, evaluation, images),
        **marks_part(evaluation, images),
    )


def _lead(record: ModelRecord, evaluation: Evaluation) -> str:
    metrics = evaluation.metrics
    point = metrics.threshold
    chosen = f", chosen on {point.chosen_on}" if point.chosen_on else ""
    limits = ", ".join(f"{name} {value:.3f}" for name, value in point.per_class.items()) or f"{point.value:.3f}"
    how = point.rule if record.task == "multiclass" else f"threshold {limits} ({point.rule}{chosen})"
    return (
        f"{record.framework}/{record.backbone}, {record.task}. {counted(metrics.images, 'image')} of "
        f"{counted(metrics.groups, 'group')}. Decision: {how}. Intervals: 95 %, {metrics.resamples} resamples of "
        "whole groups, because images of one film are not independent."
    )


def _confusion(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    table = evaluation.metrics.confusion
    for index, row in enumerate(table or ()):
        total = max(1, sum(row))
        yield {
            "name": evaluation.metrics.classes[index],
            "cells": [
                {"count": count, "share": count / total, "colour": RIGHT if column == index else WRONG}
                for column, count in enumerate(row)
            ],
        }


def _calibration(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    """Whether scores are right as frequencies: the figures, and for each class a sentence, a diagram and its bins."""
    from markupsafe import Markup

    for name, one, text in evaluation.metrics.calibration.described:
        diagram = ""
        if one.bins:
            svg = reliability_diagram(f"Reliability: {name}", one, _scores_of(evaluation, name, one))
            diagram = Markup(svg)  # SVG that we drew
        yield {
            "name": name,
            "found": one,
            "text": text,
            "brier_of_share": number_text(Interval(value=one.brier_of_share)),
            "ece_by_chance": number_text(Interval(value=one.ece_by_chance)),
            "diagram": diagram,
        }


def _scores_of(evaluation: Evaluation, name: str, one: ClassCalibration) -> NDArray[Any]:
    if one is evaluation.metrics.calibration.top_label:
        return np.asarray(evaluation.scores.max(axis=1))
    return evaluation.scores[:, evaluation.metrics.classes.index(name)]


def _pixels(found: PixelMetrics) -> Iterator[dict[str, Any]]:
    for name, one in found.per_class.items():
        counts = f"{counted(one.images, 'image')}, {one.pixels} px"
        for specks, scores in (("kept", one.before), ("dropped", one.after)):
            if scores is not None:
                yield {"name": name, "counts": counts, "specks": specks, "scores": scores}


def _shortcuts(found: SpuriousReport) -> Iterator[dict[str, Any]]:
    for calls, effects in (("defect", found.defects), ("sound", found.sound)):
        for region, effect in effects.items():
            yield {"region": region, "what": REGIONS.get(region, ""), "calls": calls, "effect": effect}
