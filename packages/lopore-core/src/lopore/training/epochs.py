"""The epochs of one run: train, validate, keep the best, stop, checkpoint, log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import ANOMALY, Scores, gives_maps
from lopore.contracts import Batch, EpochReport, Learner
from lopore.data.batches import count_batches, evaluation_batches, training_batches
from lopore.data.tiles import FilmTiles
from lopore.errors import RunError
from lopore.inference.test_time_augmentation import view_of
from lopore.messages import counted, plain
from lopore.metrics.offered import OWN_METRICS, offered_metrics
from lopore.metrics.score_calibration import calibrated
from lopore.metrics.selection import validation_score
from lopore.models.best import rank_of
from lopore.progress import Progress
from lopore.record.folder import LOG_NAME
from lopore.record.score_calibration import ScoreCalibration

from .checkpoints import Checkpoints, State, restore
from .epoch_tiles import tile_batches
from .listeners import Listeners
from .logs import write_csv
from .map_validation import answer_maps, check_map_learner
from .plan import Plan, Rows, Splits, samples_per_epoch

WAIT_SECONDS = 600.0


def fit(
    plan: Plan, splits: Splits, learner: Learner, checkpoints: Checkpoints, progress: Progress, listeners: Listeners
) -> State:
    """Train from the last good checkpoint, or the start, to the last epoch; leaves the chosen weights in the learner.

    Only the first process of a group writes.
    """
    settings = plan.experiment.training
    writes = plan.process_rank[0] == 0
    found = checkpoints.last_good()
    for note in checkpoints.notes:
        progress.line(f"warning: {note}")
    state = State()
    if found:
        state, folder = found
        restore(learner, folder)
        progress.line(f"going on after epoch {state.epoch}, from {folder}")
    elif checkpoints.notes:
        progress.line("warning: no checkpoint of this run is whole; it begins anew")
    if writes:
        checkpoints.discard_after(state.epoch)
        write_csv(checkpoints.folder / LOG_NAME, state.history)
    listeners.start(splits.train, state.epoch)
    begun = state.epoch
    if begun == 0 and settings.precision == "auto" and not settings.deterministic:
        progress.news("the first batch also tries which number format is fastest here", about="number formats")
    while state.epoch < settings.epochs and not state.stopped:
        state = _epoch(plan, splits, learner, state, progress, first=state.epoch == begun)
        if writes:
            _keep(learner, checkpoints, state)
            listeners.epoch(state.history[-1])
    if state.stopped and state.epoch < settings.epochs:
        progress.line(f"stopped early: no better score for {counted(state.stale, 'epoch')}")
    if state.best_epoch:
        _wait_for(checkpoints.best_place(state.best_epoch))
        checkpoints.load_best(learner, state.best_epoch)
    return state


def _keep(learner: Learner, checkpoints: Checkpoints, state: State) -> None:
    if state.best_epoch == state.epoch:
        checkpoints.save_best(learner, state.epoch)
    checkpoints.save(learner, state)
    write_csv(checkpoints.folder / LOG_NAME, state.history)


def _epoch(plan: Plan, splits: Splits, learner: Learner, state: State, progress: Progress, *, first: bool) -> State:
    """One epoch, told in a line; ``tell``: with one before it on how the learner computes."""
    settings, number = plan.experiment.training, state.epoch
    total = count_batches(samples_per_epoch(plan, splits.train), settings.batch_size, plan.process_rank[1])
    title = f"epoch {number + 1}/{settings.epochs}"
    batches = _batches(plan, splits.train, learner, number)
    report = learner.fit_epoch(number, progress.track(batches, total, title, every=60.0))
    row: dict[str, Any] = {
        "epoch": number + 1,
        "loss": report.loss,
        "learning_rate": report.learning_rate,
        "images": report.images,
        "seconds": round(report.seconds, 3),
        "data_wait_seconds": round(report.data_wait_seconds, 3),
    }
    if len(splits.val):
        row |= _validate(plan, splits.val, learner)
    after = _after_validation(plan, state, row)
    watched = row.get(f"val_{_watched(plan)}")
    learner.observe(-report.loss if watched is None else rank_of(_watched(plan), watched))
    computing = device_summary(learner.facts()) if first else ""
    if computing:
        progress.news(computing, about=computing.partition(";")[0])
    progress.line(_epoch_line(title, row, report, _watched(plan)))
    if report.news:
        progress.line(plain(report.news, 300))
    return after


def _batches(plan: Plan, train: Rows, learner: Learner, epoch: int) -> Iterator[Batch]:
    if isinstance(plan.images, FilmTiles) and plan.targets.task != ANOMALY:
        return tile_batches(plan, plan.images, train, learner, epoch)
    return training_batches(
        plan.images,
        plan.targets.labels,
        plan.sampler(train).order(epoch),
        batch_size=plan.experiment.training.batch_size,
        epoch=epoch,
        augmenter=plan.augmenter(),
        workers=plan.experiment.data.workers,
        process_rank=plan.process_rank,
    )


def predict_rows(
    plan: Plan, rows: Rows, learner: Learner, views: int = 1, calibration: ScoreCalibration | None = None
) -> Scores:
    """Scores (len(rows), K) float32, calibrated, averaged over views; RunError where one is not finite."""
    total: NDArray[np.float64] = np.zeros((len(rows), len(plan.targets.classes)))
    for view in range(views if len(rows) else 0):
        batches = evaluation_batches(
            plan.images,
            rows,
            batch_size=plan.experiment.training.batch_size,
            workers=plan.experiment.data.workers,
            change=partial(view_of, view=view) if view else None,
        )
        total += calibrated(learner.predict(batches), plan.targets.task, calibration)
    if not np.isfinite(total).all():
        raise RunError("the network answers with scores that are no numbers; lower training.optimizer.learning_rate")
    return np.asarray(total / views, np.float32)


def _validate(plan: Plan, rows: Rows, learner: Learner) -> dict[str, Any]:
    truth = plan.targets.labels[rows]
    maps: dict[str, Any] = {}
    if gives_maps(plan.targets.task):
        answers = answer_maps(plan, rows, check_map_learner(learner, plan.trainer.key))
        scores, found, loss = answers.scores, answers.found, answers.loss
        hits = found.hits(plan.experiment.training.false_calls)
        maps = {"val_dice": found.dice, "val_iou": found.iou, "val_hits": hits}
    else:
        scores = predict_rows(plan, rows, learner)
        loss = _cross_entropy(scores, truth)
    given: dict[str, Any] = {
        "task": plan.targets.task, "classes": plan.targets.classes, "positive": plan.targets.positive
    }  # fmt: skip
    shown = [one.name for one in offered_metrics() if one not in OWN_METRICS]
    asked = plan.experiment.training.watched(plan.targets.task)
    by = dict.fromkeys(["auc", "f1", *shown, *([] if asked in ("dice", "hits") else [asked])])
    figures = {f"val_{name}": validation_score(scores, truth, by=name, **given) for name in by}
    return {**figures, "val_loss": loss, **maps}


def _cross_entropy(scores: Scores, truth: NDArray[Any]) -> float:
    p = np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)
    if truth.ndim == 1:
        return float(-np.log(p[np.arange(len(p)), truth]).mean())
    return float(-(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean())


def _watched(plan: Plan) -> str:
    """The validation score by which epochs are compared."""
    return plan.experiment.training.watched(plan.targets.task)


def _after_validation(plan: Plan, state: State, row: dict[str, Any]) -> State:
    """The state after an epoch: whether it is the best so far, and whether to stop; scores so that more is better.

    Of equal scores the lower validation loss is better: on few films many epochs reach the same AUC.
    """
    settings = plan.experiment.training
    found = row.get(f"val_{_watched(plan)}")
    score = None if found is None else rank_of(_watched(plan), found)
    update: dict[str, Any] = {"epoch": state.epoch + 1}
    better = score is not None and (
        state.best_score is None
        or score > state.best_score
        or (score == state.best_score and (row["val_loss"] or 0.0) < (state.best_loss or 0.0))
    )
    if better:
        update |= {"best_score": score, "best_loss": row["val_loss"]}
        update["best_epoch"] = 0 if settings.select_by == "last" else state.epoch + 1
    row["best"] = int(bool(update.get("best_epoch")))
    if settings.early_stopping is not None and score is not None:
        least = settings.early_stopping.min_delta
        passed = better if least == 0 else state.reference is None or score > state.reference + least
        stale = 0 if passed else state.stale + 1
        update |= {"reference": score if passed else state.reference, "stale": stale}
        update["stopped"] = stale >= settings.early_stopping.patience
    return state.model_copy(update={**update, "history": [*state.history, row]})


def _epoch_line(title: str, row: dict[str, Any], report: EpochReport, watched: str) -> str:
    words = [title, f"loss {row['loss']:.4f}"]
    shown = ["dice", "iou", "hits", "auc"] if "val_dice" in row else ["auc", "f1"]
    shown += [watched] * (watched not in shown)
    words += [f"val {name} {row[f'val_{name}']:.4f}" for name in shown if row.get(f"val_{name}") is not None]
    words += [f"lr {report.learning_rate:.2e}"] if report.learning_rate else []
    words += [f"{report.seconds:.1f} s"]
    if report.data_wait_seconds >= 0.1:
        words.append(f"waited {report.data_wait_seconds:.1f} s for data")
    return "  ".join([*words, "best"] if row["best"] else words)


def device_summary(facts: Mapping[str, Any]) -> str:
    """Where and in which number format a learner computes, and what its trial measured; empty where it tells nothing.

    On a CPU a trial counts processor time, of all threads together.
    """
    device, precision, layout = (facts.get(key) for key in ("device", "precision", "memory_format"))
    if not device or not precision:
        return ""
    on_cpu = str(device).lower().startswith("cpu")
    threads = f", {counted(facts['threads'], 'thread')}" if on_cpu and facts.get("threads") else ""
    trials = [f"{one['precision']} {one['layout']} {one['seconds']:.3f} s" for one in facts.get("trials") or ()]
    measured = f"; a step in trial{', processor time' if on_cpu else ''}: {', '.join(trials)}"
    return f"computing on {device}{threads}, in {precision} {layout or ''}".rstrip() + (measured if trials else "")


def _wait_for(folder: Path) -> None:
    """Processes that do not write wait until the first one has."""
    end = time.monotonic() + WAIT_SECONDS
    while not folder.is_dir():
        if time.monotonic() > end:
            raise RunError(f"{folder} did not appear; the first process of the group has failed or writes elsewhere")
        time.sleep(0.05)
