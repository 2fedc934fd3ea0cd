"""Metrics with one promise broken."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lopore.contracts import Metric

from .sound import METRIC, brier


def _with(compute: Any) -> Metric:
    return replace(METRIC, compute=compute, rows=None)


def _infinite(labels: Any, scores: Any, weights: Any) -> float:
    return brier(labels, scores, weights) if (weights * labels).sum() > 0 else float("inf")


def _in_order(labels: Any, scores: Any, weights: Any) -> float:
    """The first images count more."""
    return brier(labels, scores, weights * np.linspace(2, 1, len(weights)))


def _clips(labels: Any, scores: Any, weights: Any) -> float:
    found = brier(labels, scores, weights)
    np.clip(scores, 0.2, 0.8, out=scores)
    return found


def _moves(labels: Any, scores: Any, weights: Any) -> float:
    os.chdir(Path.cwd().parent)
    return brier(labels, scores, weights)


METRIC_FAULTS: dict[str, tuple[Metric, set[str]]] = {
    "it passes its range": (
        _with(lambda labels, scores, weights: 4 * brier(labels, scores, weights)),
        {"stays_within_its_range", "tells_where_it_is_not_defined"},
    ),
    "its direction is wrong": (replace(METRIC, higher_is_better=True), {"better_scores_are_better"}),
    "the first images count more": (_with(_in_order), {"order_of_images_is_no_matter", "weights_count_as_repeats"}),
    "weights are passed over": (
        _with(lambda labels, scores, weights: float(((scores - labels) ** 2).mean())), {"weights_count_as_repeats"}
    ),
    "infinity where it is not defined": (_with(_infinite), {"tells_where_it_is_not_defined"}),
    "its input is changed": (_with(_clips), {"leaves_input_untouched"}),
    "the directory is changed": (_with(_moves), {"leaves_the_process_as_it_was"}),
    "rows and compute differ": (
        replace(METRIC, rows=lambda labels, scores, weights: weights @ (scores - labels) ** 2 / len(labels)),
        {"rows_equal_compute"},
    ),
}  # fmt: skip
