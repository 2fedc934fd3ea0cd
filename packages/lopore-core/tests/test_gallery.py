"""Mistakes of a report by kind: called for nothing, missed, and called another defect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.models import record_for

from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.data.targets import Targets
from lopore.evaluation.report.gallery import _mistakes
from lopore.evaluation.results import Evaluation
from lopore.messages import score_text

CLASSES = ("no_defect", "pore", "slag")


def made_evaluation(truth: list[str], scores: list[list[float]]) -> Evaluation:
    rows = tuple(Row(path=f"{number}.png", labels=(name,)) for number, name in enumerate(truth))
    targets = Targets("multiclass", CLASSES, None, np.array([CLASSES.index(name) for name in truth]))
    metrics: Any = None  # the mistakes are told by rows and scores alone
    return Evaluation(Manifest(rows, Path()), targets, np.array(scores, np.float32), metrics, ())


def test_a_defect_that_is_called_another_one_is_a_wrong_class_and_told_once() -> None:
    truth = ["pore", "no_defect", "slag", "pore"]
    scores = [[0.1, 0.2, 0.7], [0.2, 0.7, 0.1], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]]
    false_calls, missed, mistaken = _mistakes(record_for(classes=CLASSES), made_evaluation(truth, scores))
    told = [[(one.index, CLASSES[one.column]) for one in kind] for kind in (false_calls, missed, mistaken)]
    assert told == [[(1, "pore")], [(2, "slag")], [(0, "slag")]]


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (0.5, "0.500"),
        (0.99961, "0.9996"),
        (0.9999999, "> 0.999999"),
        (1.0, "1.000"),
        (1e-9, "< 0.000001"),
        (0, "0.000"),
    ],
)
def test_a_score_reads_as_one_only_where_it_is_one(score: float, text: str) -> None:
    assert score_text(score) == text
