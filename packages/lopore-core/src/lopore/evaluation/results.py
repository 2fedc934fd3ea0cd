"""What an evaluation found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lopore.arrays import Scores
from lopore.data.manifest import Manifest
from lopore.data.targets import Targets
from lopore.inference.decisions import Decision, decide
from lopore.inference.predict import Failure
from lopore.metrics.classification import Metrics

from .marks.tally import MatchedFilm
from .predictions_csv import LabelledScores

if TYPE_CHECKING:
    from lopore.record.model import ModelRecord


@dataclass(frozen=True)
class Evaluation:
    """Answers beside the truth, in the order of ``manifest``.

    scores: (N, K) float32. failures: files that gave no answer and are in none of the scores. marks: films whose
    indications were counted; their ``row`` is a number of the split's own rows, before failures were left out.
    whole_films: a model of tiles covered films.
    """

    manifest: Manifest
    targets: Targets
    scores: Scores
    metrics: Metrics
    failures: tuple[Failure, ...]
    marks: tuple[MatchedFilm, ...] = ()
    whole_films: bool = False

    @property
    def answers(self) -> LabelledScores:
        """All answers, for the table of answers; each image keeps the split its manifest gives it."""
        return LabelledScores("", self.manifest.rows, self.targets, self.scores)

    def decision(self, record: ModelRecord, index: int) -> Decision:
        """The decision on one image."""
        return decide(record, self.scores[index])
