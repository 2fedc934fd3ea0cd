"""How other installed runtimes answer with an exported file, beside the one that the gate judged."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import PixelBatch, Scores
from lopore.errors import LoporeError
from lopore.inference.decisions import decide
from lopore.metrics.ranking import roc_auc
from lopore.models.opening import OpenModel, open_session, usable_predictors
from lopore.record.folder import ModelFolder
from lopore.record.model import ModelRecord

TIMED_RUNS = 9
PredictBatch = Callable[[OpenModel, PixelBatch], Scores]


@dataclass(frozen=True)
class RuntimeFigures:
    """One runtime's answers against those of the source on the gate's images.

    precision: what it computes in, where it tells, such as ``bf16``. flipped: decisions that differ. auc_change: mean
    ROC AUC over the classes less that of the source; None without labels. milliseconds: median processor time of one
    image alone.
    error: why there are no figures, else empty.
    """

    runtime: str
    judged: bool
    precision: str = ""
    flipped: int = 0
    max_dp: float = 0.0
    mean_dp: float = 0.0
    auc_change: float | None = None
    milliseconds: float = 0.0
    error: str = ""


def runtime_figures(
    candidate: ModelFolder, images: PixelBatch, expected: Scores, truth: NDArray[np.bool_] | None, answer: PredictBatch
) -> tuple[RuntimeFigures, ...]:
    """Figures of every installed runtime that opens the candidate's file, the one that the gate judged first; empty
    where there is no other.

    expected: scores of the source. A runtime that fails here keeps no export from being published: it is asked for by
    name, or was not chosen.
    """
    able = usable_predictors(candidate)
    if len(able) < 2:
        return ()
    found = []
    for number, (format, predictor) in enumerate(able):
        try:
            session = open_session(candidate, predictor, "cpu")
            try:
                opened = OpenModel(candidate, format, predictor, session)
                got = answer(opened, images)
                took = _milliseconds(opened, images[:1])
            finally:
                session.close()
        except LoporeError as error:
            found.append(RuntimeFigures(predictor.name, number == 0, error=" ".join(str(error).split())[:300]))
            continue
        precision = str(getattr(session, "precision", ""))
        figures = differences(candidate.record, expected, got, truth)
        found.append(RuntimeFigures(predictor.name, number == 0, precision, *figures, took))
    return tuple(found)


def differences(
    record: ModelRecord, expected: Scores, got: Scores, truth: NDArray[np.bool_] | None
) -> tuple[int, float, float, float | None]:
    """Decisions that differ, largest and mean difference of a probability, and the change of ROC AUC.

    The last is None without labels, or where no class has one.
    """
    difference = np.abs(expected.astype(np.float64) - got)
    moved = sum(decide(record, a).labels != decide(record, b).labels for a, b in zip(expected, got, strict=True))
    change = None if truth is None else _auc_change(truth, expected, got)
    return moved, float(difference.max()), float(difference.mean()), change


def _auc_change(truth: NDArray[np.bool_], expected: Scores, got: Scores) -> float | None:
    """Mean ROC AUC over the classes less that of the source; None where it is defined for no class."""
    pairs = [(roc_auc(expected[:, k], truth[:, k]), roc_auc(got[:, k], truth[:, k])) for k in range(truth.shape[1])]
    known = [(old, new) for old, new in pairs if old is not None and new is not None]
    return round(float(np.mean([new - old for old, new in known])), 6) if known else None


def _milliseconds(model: OpenModel, image: PixelBatch) -> float:
    """Median processor time of one image, all threads together, after three runs that are not counted."""
    times = []
    for _ in range(TIMED_RUNS + 3):
        began = time.process_time()
        model.session.predict(image)
        times.append(1000 * (time.process_time() - began))
    return round(statistics.median(times[3:]), 3)
