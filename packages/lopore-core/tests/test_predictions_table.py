"""The table of predictions says of each image what decided, and leaves empty what did not."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from lopore.arrays import Task
from lopore.inference.decisions import decide_at
from lopore.inference.predictions_table import PredictionRow, PredictionsTable
from lopore.record.model import Threshold

CLASSES = ("crack", "ok", "pore")


def line(task: Task, classes: tuple[str, ...], scores: list[float], threshold: float) -> dict[str, str]:
    point = Threshold(value=threshold, rule="fixed", chosen_on="val")
    decision = decide_at(scores, task, classes, "pore" if task == "binary" else None, point)
    stream = io.StringIO()
    table = PredictionsTable(stream, classes)
    table.write(PredictionRow(path="a.png", scores=dict(zip(classes, scores, strict=True)), decision=decision))
    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    return row


def test_where_the_largest_score_decides_there_is_no_threshold() -> None:
    row = line("multiclass", CLASSES, [0.2, 0.3, 0.5], 0.0)
    assert (row["predicted"], row["score"], row["threshold"]) == ("pore", "0.5", "")


@pytest.mark.parametrize(
    ("case", "predicted"),
    [
        (("binary", ("ok", "pore"), [0.4, 0.6], 0.5), "pore"),
        (("multiclass", CLASSES, [0.2, 0.3, 0.5], 0.5), "pore"),
        (("multiclass", CLASSES, [0.3, 0.3, 0.4], 0.5), ""),
        (("multilabel", CLASSES, [0.7, 0.1, 0.6], 0.5), "crack|pore"),
    ],
)
def test_a_threshold_that_decides_stands_beside_its_answer(case: Any, predicted: str) -> None:
    row = line(*case)
    assert (row["predicted"], row["threshold"]) == (predicted, "0.5")
