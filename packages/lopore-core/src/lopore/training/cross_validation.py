"""Cross-validation: every film is answered once, by a model that never saw its group."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Scores
from lopore.atomic_files import atomic_write_bytes, atomic_write_text
from lopore.data.targets import refuse_thin_classes
from lopore.errors import DataError
from lopore.evaluation.predictions_csv import answers_csv
from lopore.metrics.classification import Metrics, measure
from lopore.metrics.offered import offered_metrics
from lopore.metrics.operating_point import operating_point, truth_table
from lopore.metrics.ranking import auc_within
from lopore.progress import Progress
from lopore.record.folder import RECORD_NAME

from .build_request import make_learner
from .check_data_set import lacking
from .check_installed import check_disk
from .checkpoints import Checkpoints
from .epochs import fit, predict_rows
from .fold_model import PooledAnswers, fold_folder, publish_fold
from .holdout_scores import labelled_scores as answers_of
from .listeners import Listeners, listening
from .plan import Plan, Rows, Splits
from .run_folder import identity_of

ANSWERS = "answers.npz"
NOTHING_TO_SELECT_BY = "two folds leave no films to select an epoch by: each model is that of its last epoch"


@dataclass(frozen=True)
class CrossValidated:
    """The pooled scores, and where predictions and metrics lie."""

    folder: Path
    metrics: Metrics
    answers: PooledAnswers
    folds: tuple[int, ...]


def cross_validate(plan: Plan, run: Path, progress: Progress, *, publish: bool = False) -> CrossValidated:
    """Train each fold and pool what the models say of the films they did not see.

    Where an epoch has to be selected, the fold after the tested one is held out to select it. Finished folds are kept,
    so an interrupted run goes on where it stopped. publish: each fold's model is kept too, for ``publish_folds``.
    """
    folds = folds_of(plan)
    numbers, blind = list(folds), selects(plan) and not any(len(splits.val) for splits in folds.values())
    notes: tuple[str, ...] = (NOTHING_TO_SELECT_BY,) if blind else ()
    for note in notes:
        progress.line(f"warning: {note}")
    parts = [_fold(plan, run, splits, number, progress, publish) for number, splits in folds.items()]
    rows, scores = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    notes += _on_pooling(plan, parts)
    metrics = _measure(plan, rows, scores, f"{len(numbers)} folds, pooled", pooled=True, notes=notes)
    folder = run / "cross-validation"
    named = [answers_of(plan, f"fold {n}", r, s) for n, (r, s) in zip(numbers, parts, strict=True)]
    table = answers_csv(named, metrics.threshold)
    if plan.process_rank[0] == 0:
        single = [_measure(plan, r, s, f"fold {n}", pooled=False) for n, (r, s) in zip(numbers, parts, strict=True)]
        atomic_write_text(folder / "predictions.csv", table)
        report = {"pooled": metrics.model_dump(mode="json"), "folds": [one.model_dump(mode="json") for one in single]}
        atomic_write_text(folder / "metrics.json", json.dumps(report, indent=2) + "\n")
    return CrossValidated(folder, metrics, PooledAnswers(metrics, table), tuple(numbers))


def selects(plan: Plan) -> bool:
    """Whether an epoch has to be selected by films that are not learned from."""
    settings = plan.experiment.training
    return settings.select_by != "last" or settings.early_stopping is not None


def folds_of(plan: Plan) -> dict[int, Splits]:
    """Number and sides of each fold; DataError before the first epoch where one of them cannot be learned from."""
    folds = np.array([row.fold for row in plan.samples.rows], np.int64)
    return {int(number): splits_of(plan, folds, int(number)) for number in np.unique(folds)}


def splits_of(plan: Plan, folds: NDArray[np.int64], number: int) -> Splits:
    """The sides of one fold: tested on it, and, where an epoch has to be selected, validated on one of the next.

    That is the first that has the classes to select by and leaves every class to learn from. DataError where there is
    none. With two folds there is nothing to select by.
    """
    test = folds == number
    others = np.unique(folds[~test])
    if not selects(plan) or len(others) < 2:
        train = np.flatnonzero(~test)
        refuse_thin_classes(plan.targets, train, f"the training of fold {number}", least=1)
        return Splits(train, np.zeros(0, np.int64), np.flatnonzero(test))
    for chooser in np.roll(others, -int(np.searchsorted(others, number))):
        val = folds == chooser
        train = np.flatnonzero(~test & ~val)
        if not lacking(plan.targets, np.flatnonzero(val)) and min(plan.targets.count(train).values()) > 0:
            return Splits(train, np.flatnonzero(val), np.flatnonzero(test))
    raise DataError(
        f"fold {number}: no other fold can select an epoch and leave every class to learn from; make fewer folds, or "
        "set training.select_by to last and leave early_stopping out"
    )


def _fold(plan: Plan, run: Path, splits: Splits, number: int, progress: Progress, publish: bool) -> tuple[Rows, Scores]:
    folder = run / f"fold-{number}"
    known = _read_answers(folder / ANSWERS, splits.test, len(plan.targets.classes))
    if known is not None and (not publish or (fold_folder(run, number) / RECORD_NAME).is_file()):
        progress.line(f"fold {number}: finished before, kept")
        return splits.test, known
    counts = f"{len(splits.train)} to learn from, {len(splits.val)} to select, {len(splits.test)} to test"
    progress.line(f"fold {number}: {counts}")
    learner = make_learner(plan, splits.train)
    identity = None
    if plan.process_rank[0] == 0:
        check_disk(plan.experiment, learner.facts(), run)
        folder.mkdir(parents=True, exist_ok=True)
        identity = {"fold": str(number), **identity_of(run)}
    checkpoints = Checkpoints(folder, plan.experiment.training.keep_checkpoints, identity)
    title, writes = f"{run.name}/fold-{number}", plan.process_rank[0] == 0
    with listening(Listeners(plan, run, folder, title, progress, writes)) as listeners:
        fit(plan, splits, learner, checkpoints, progress, listeners)
    scores = predict_rows(plan, splits.test, learner, plan.experiment.training.tta_views)
    if plan.process_rank[0] == 0:
        if publish:
            publish_fold(
                plan, splits, learner, run, number, _measure(plan, splits.test, scores, f"fold {number}", pooled=False)
            )
        stream = io.BytesIO()
        np.savez(stream, rows=splits.test, scores=scores)
        atomic_write_bytes(folder / ANSWERS, stream.getvalue())
        checkpoints.clear()
    return splits.test, scores


def _read_answers(path: Path, rows: Rows, classes: int) -> Scores | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as data:
            if np.array_equal(data["rows"], rows) and data["scores"].shape == (len(rows), classes):
                return np.asarray(data["scores"], np.float32)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    return None


def _on_pooling(plan: Plan, parts: list[tuple[Rows, Scores]]) -> tuple[str, ...]:
    """The ROC AUC that ranks films of one fold among themselves: scores of several models need not share a scale."""
    targets = plan.targets
    rows, scores = np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    folds = np.repeat(np.arange(len(parts)), [len(part[0]) for part in parts])
    truth = truth_table(targets.labels[rows], len(targets.classes))
    one = targets.task == "binary" and targets.positive
    columns = [targets.classes.index(one)] if one else range(len(targets.classes))
    found = [auc_within(scores[:, column], truth[:, column], folds) for column in columns]
    known = [value for value in found if value is not None]
    if len(known) < len(found) or not known:
        return ()
    note = "pooled ROC AUC and PR AUC also rank films against those of other folds, which other models scored"
    return (f"{note}; within the folds ROC AUC is {float(np.mean(known)):.3f}",)


def _measure(
    plan: Plan, rows: Rows, scores: Scores, split: str, *, pooled: bool, notes: tuple[str, ...] = ()
) -> Metrics:
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
        metrics=offered_metrics(),
        notes=notes,
        **named,
    )
