"""Labelled scores as a table of predictions: of training, cross-validation and evaluation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from lopore.arrays import Scores
from lopore.data.manifest_row import Row
from lopore.data.targets import Targets
from lopore.inference.decisions import decide_at
from lopore.inference.predictions_table import PredictionRow, PredictionsTable
from lopore.metrics.operating_point import answers_at, truth_table
from lopore.record.model import Threshold


@dataclass(frozen=True)
class LabelledScores:
    """What was answered in one split; where ``split`` is empty each row keeps its own.

    rows and scores (N, K) are in one order; targets.labels belong to ``rows``.
    """

    split: str
    rows: Sequence[Row]
    targets: Targets
    scores: Scores
    model: str = ""


def answers_csv(parts: Sequence[LabelledScores], threshold: Threshold) -> str:
    """The answers beside the truth, as ``PredictionsTable`` writes them."""
    text = io.StringIO()
    table = PredictionsTable(text, parts[0].targets.classes)
    for part in parts:
        if not part.rows:
            continue
        targets = part.targets
        found = answers_at(part.scores, targets.task, targets.classes, targets.positive, threshold)
        correct = (found == truth_table(targets.labels, len(targets.classes))).all(axis=1)
        for row, scores, right in zip(part.rows, part.scores, correct, strict=True):
            decision = decide_at(scores, targets.task, targets.classes, targets.positive, threshold)
            table.write(
                PredictionRow(
                    path=row.path,
                    sha256=row.sha256,
                    model=part.model,
                    split=part.split or row.split,
                    group=row.group,
                    labels=row.labels,
                    decision=decision,
                    correct=bool(right) and decision.decided,
                    scores=dict(zip(targets.classes, scores.tolist(), strict=True)),
                )
            )
    return text.getvalue()
