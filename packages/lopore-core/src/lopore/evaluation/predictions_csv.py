"""The table of answers: one line an image, the same columns from training, cross-validation and evaluation."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from lopore.arrays import Scores
from lopore.data.cells import shown_cell
from lopore.data.manifest_row import Row
from lopore.data.targets import Targets
from lopore.metrics.operating_point import answers_at, truth_table
from lopore.record.model import Threshold


@dataclass(frozen=True)
class LabelledScores:
    """What was answered on one side; where ``side`` is empty each row keeps its own.

    rows and scores (N, K) are in one order; targets.labels belong to ``rows``.
    """

    side: str
    rows: Sequence[Row]
    targets: Targets
    scores: Scores


def answers_csv(parts: Sequence[LabelledScores], threshold: Threshold) -> str:
    """Columns: path, split, group, labels, predicted, correct (0 or 1), and ``score:CLASS`` for each class."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [shown_cell(f"score:{name}") for name in parts[0].targets.classes]
    writer.writerow(["path", "split", "group", "labels", "predicted", "correct", *names])
    for part in parts:
        if not part.rows:
            continue
        targets = part.targets
        found = answers_at(part.scores, targets.task, targets.classes, targets.positive, threshold)
        truth = truth_table(targets.labels, len(targets.classes))
        for row, hits, wanted, scores in zip(part.rows, found, truth, part.scores, strict=True):
            labels = tuple(name for name, hit in zip(targets.classes, hits, strict=True) if hit)
            cells = (row.path, part.side or row.split, row.group, row.labels, labels)
            told = [f"{score:.7g}" for score in scores]
            writer.writerow([*map(shown_cell, cells), int((hits == wanted).all()), *told])
    return text.getvalue()
