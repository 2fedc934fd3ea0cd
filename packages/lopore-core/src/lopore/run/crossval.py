"""Cross-validation: every film is answered once, by a model that never saw its group."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.answers import answers_csv
from lopore.contracts import Scores
from lopore.files import atomic_write_bytes, atomic_write_text
from lopore.metrics import Metrics, measure, operating_point

from .checkpoints import Checkpoints
from .fit import fit, predict_rows
from .plan import Plan, Rows, Sides, make_learner
from .progress import Progress
from .publish import answers_of

ANSWERS = "answers.npz"


@dataclass(frozen=True)
class CrossValidated:
    """The pooled scores, and where predictions and metrics lie."""

    folder: Path
    metrics: Metrics


def cross_validate(plan: Plan, run: Path, progress: Progress) -> CrossValidated:
    """Train each fold and pool what the models say of the films they did not see.

    Where an epoch has to be selected, the fold after the tested one is held out to select it. Finished folds are kept,
    so an interrupted run goes on where it stopped.
    """
    folds = np.array([row.fold for row in plan.manifest.rows], np.int64)
    numbers = np.unique(folds)
    parts = [_fold(plan, run, folds, int(number), progress) for number in numbers]
    rows, scores = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    metrics = _measure(plan, rows, scores, f"{len(numbers)} folds, pooled", pooled=True)
    folder = run / "cross-validation"
    if plan.place[0] == 0:
        single = [_measure(plan, r, s, f"fold {n}", pooled=False) for n, (r, s) in zip(numbers, parts, strict=True)]
        named = [answers_of(plan, f"fold {n}", r, s) for n, (r, s) in zip(numbers, parts, strict=True)]
        atomic_write_text(folder / "predictions.csv", answers_csv(named, metrics.threshold))
        report = {"pooled": metrics.model_dump(mode="json"), "folds": [one.model_dump(mode="json") for one in single]}
        atomic_write_text(folder / "metrics.json", json.dumps(report, indent=2) + "\n")
    return CrossValidated(folder, metrics)


def sides_of(plan: Plan, folds: NDArray[np.int64], number: int) -> Sides:
    """The sides of one fold: tested on it, and, where an epoch has to be selected, validated on the next."""
    settings = plan.experiment.training
    others = np.unique(folds[folds != number])
    inner = settings.select_by != "last" or settings.early_stopping is not None
    chooser = int(others[np.searchsorted(others, number) % len(others)]) if inner and len(others) > 1 else None
    test, val = folds == number, folds == chooser if chooser is not None else np.zeros(len(folds), bool)
    train, held, tested = (np.flatnonzero(chosen).astype(np.int64) for chosen in (~test & ~val, val, test))
    return Sides(train, held, tested)


def _fold(plan: Plan, run: Path, folds: NDArray[np.int64], number: int, progress: Progress) -> tuple[Rows, Scores]:
    folder = run / f"fold-{number}"
    sides = sides_of(plan, folds, number)
    known = _read_answers(folder / ANSWERS, sides.test, len(plan.targets.classes))
    if known is not None:
        progress.line(f"fold {number}: finished before, kept")
        return sides.test, known
    counts = f"{len(sides.train)} to learn from, {len(sides.val)} to select, {len(sides.test)} to test"
    progress.line(f"fold {number}: {counts}")
    learner = make_learner(plan, sides.train)
    checkpoints = Checkpoints(folder, plan.experiment.training.keep_checkpoints)
    if plan.place[0] == 0:
        folder.mkdir(parents=True, exist_ok=True)
    fit(plan, sides, learner, checkpoints, progress)
    scores = predict_rows(plan, sides.test, learner, plan.experiment.training.test_views)
    if plan.place[0] == 0:
        stream = io.BytesIO()
        np.savez(stream, rows=sides.test, scores=scores)
        atomic_write_bytes(folder / ANSWERS, stream.getvalue())
        checkpoints.clear()
    return sides.test, scores


def _read_answers(path: Path, rows: Rows, classes: int) -> Scores | None:
    try:
        with np.load(path, allow_pickle=False) as data:
            if np.array_equal(data["rows"], rows) and data["scores"].shape == (len(rows), classes):
                return np.asarray(data["scores"], np.float32)
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return None


def _measure(plan: Plan, rows: Rows, scores: Scores, split: str, *, pooled: bool) -> Metrics:
    targets = plan.targets
    named: dict[str, Any] = {"task": targets.task, "classes": targets.classes, "positive": targets.positive}
    where = "the pooled answers themselves, so F1, precision and recall are a little too good"
    threshold = operating_point(
        scores, targets.labels[rows], rule=plan.experiment.training.threshold, chosen_on=where, **named
    )
    return measure(
        scores,
        targets.labels[rows],
        threshold=threshold,
        groups=plan.groups[rows],
        split=split,
        resamples=2000 if pooled else 0,
        seed=plan.experiment.seed,
        **named,
    )
