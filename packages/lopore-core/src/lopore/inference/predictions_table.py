"""The table of predictions: a line an image, the same columns from training, evaluation, prediction and the app."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

from lopore.data.cells import shown_cell

from .decisions import Decision

COLUMNS = (
    "path", "sha256", "page", "model", "split", "group", "labels", "predicted", "correct", "score", "threshold",
    "judged", "notes",
)  # fmt: skip
"""Then ``score:CLASS`` for each class; what is not known of an image is empty.

labels, predicted: class names with ``|`` between them, of the ground truth and of the decision; predicted is empty
where nothing was found and where the best score stays under its threshold. correct, judged: 0 or 1; judged is 0 where a
doubt rules the answer out. score: of the decision; threshold: empty where the largest score decides.
"""


@dataclass(frozen=True, kw_only=True)
class PredictionRow:
    """One line. decision None: the image got no answer, and ``notes`` say why."""

    path: str
    scores: Mapping[str, float]
    decision: Decision | None
    sha256: str = ""
    page: int | None = None
    model: str = ""
    split: str = ""
    group: str = ""
    labels: tuple[str, ...] = ()
    correct: bool | None = None
    judged: bool | None = None
    notes: tuple[str, ...] = ()


class PredictionsTable:
    """Writes the heading at once, and a line with each call; ``more`` are columns after the common ones."""

    def __init__(self, stream: IO[str], classes: Sequence[str], more: Sequence[str] = ()) -> None:
        self._writer = csv.writer(stream, lineterminator="\n")
        self._classes = tuple(classes)
        names = [f"score:{name}" for name in self._classes]
        self._writer.writerow(map(shown_cell, [*COLUMNS, *names, *more]))

    def write(self, row: PredictionRow, more: Sequence[Any] = ()) -> None:
        """One image. Classes that it has no score of are empty: models may differ in theirs."""
        decision = row.decision
        answer = ("", "", "")
        if decision is not None:
            threshold = "" if decision.by_largest_score else f"{decision.threshold:.7g}"
            predicted = "|".join(decision.labels) if decision.decided else ""
            answer = (predicted, f"{decision.score:.7g}", threshold)
        cells = [row.path, row.sha256, row.page, row.model, row.split, row.group, row.labels, answer[0]]
        cells += [_flag(row.correct), *answer[1:], _flag(row.judged), " | ".join(row.notes)]
        scores = (row.scores.get(name) for name in self._classes)
        cells += ["" if score is None else f"{score:.7g}" for score in scores]
        self._writer.writerow([shown_cell(cell) for cell in (*cells, *more)])


def _flag(value: bool | None) -> str:
    return "" if value is None else str(int(value))
