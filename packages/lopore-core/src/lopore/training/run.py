"""The run: core owns epochs, selection, checkpoints, logs and publication; a Learner does one epoch."""

from __future__ import annotations

import shlex
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lopore.atomic_files import disk_errors_explained
from lopore.config.experiment import Experiment
from lopore.contracts import Learner
from lopore.errors import ConfigError, LoporeError, RunError
from lopore.messages import counted
from lopore.metrics.classification import Metrics
from lopore.plugins.registry import discover
from lopore.progress import Progress
from lopore.record.folder import RECORD_NAME, ModelFolder
from lopore.training import run_folder as runs

from .build_request import make_learner
from .check_data_set import read_ahead
from .check_installed import check_disk
from .checkpoints import Checkpoints
from .cross_validation import cross_validate, folds_of
from .epochs import fit
from .fold_model import mean_exporter, publish_folds
from .holdout_scores import HoldoutScores, score_holdout
from .listeners import Listeners, listening
from .plan import Plan
from .planning import make_plan
from .preview import write_preview
from .publish import publish, write_exports
from .warm_start import start_summary


@dataclass(frozen=True)
class TrainResult:
    """What a run left behind. model_folder is None for a cross-validation, and in all processes but the first.

    failed: a line for each export that did not pass its gate. first: this is the process that writes and reports.
    """

    model_folder: Path | None
    run_folder: Path
    metrics: Metrics | None
    failed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    first: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        """The model in each of its formats, where it lies."""
        if self.model_folder is None:
            return ()
        folder = ModelFolder.read(self.model_folder)
        return tuple(folder.file_for(format) for format in folder.record.formats)


def train(
    experiment: Experiment,
    *,
    out: Path = Path("models"),
    resume: str | Path | None = None,
    run_name: str | None = None,
    allow_leaks: bool = False,
    cross_validation: bool = False,
    folds: int | None = None,
    publish_folds: bool = False,
    progress: Progress | None = None,
) -> TrainResult:
    """Train an experiment and publish the model, or cross-validate it.

    out: gets ``checkpoints/RUN`` and ``final/NAME/VERSION``. resume: a run by path or name; it goes on from its last
    good checkpoint and ends as if it had never stopped. allow_leaks: train although the split leaks; the model says so
    for ever. folds: number of new folds for a cross-validation; default those of the manifest, else 5.
    publish_folds: the folds become a model, averaged in one ONNX file.
    Raises LeakError with the list of pairs, DataError, ConfigError, RunError or PluginError, in one line each.
    """
    rank, _ = discover().trainers[experiment.trainer].process_rank()
    progress = Progress(quiet=True) if rank else progress or Progress()
    begun = runs.find_run(str(resume), out) if resume is not None else None
    order = _Order(cross_validation, folds, allow_leaks, publish_folds)
    if begun is not None:
        order = _order_of(begun, experiment, allow_leaks)
    try:
        return _train(experiment, order, begun, run_name, out, progress)
    finally:
        progress.wipe()


def _train(
    experiment: Experiment, order: _Order, begun: Path | None, run_name: str | None, out: Path, progress: Progress
) -> TrainResult:
    plan = _checked_plan(experiment, order, out, progress)
    rank, _ = plan.process_rank
    if begun is not None:
        _refuse_other_data(begun, plan)
    folder = begun or _new_folder(plan, out / "checkpoints", run_name)
    read_ahead(plan, progress)
    progress.line(f"building {plan.backbone.key}")
    learner = None if order.crossed else make_learner(plan, plan.splits().train)
    if learner is not None and rank == 0:
        check_disk(experiment, learner.facts(), out)
        if summary := start_summary(learner.facts()):
            progress.line(summary)
    with _held(folder, rank):
        if rank == 0 and begun is None:
            _begin(plan, folder, order)
        _tell_start(plan, folder, progress)
        try:
            if learner is None:
                return _cross_validate(plan, folder, out, order, progress)
            return _run(plan, learner, folder, out, progress)
        except KeyboardInterrupt:
            progress.line(f"interrupted; go on with: {_again(folder, out)}")
            raise
        except (LoporeError, OSError) as error:
            if message := disk_errors_explained(error):
                raise RunError(f"{message}, then go on with: {_again(folder, out)}") from error
            raise


def _again(folder: Path, out: Path) -> str:
    """The command that goes on with a run."""
    return f"lopore train --resume {shlex.quote(folder.name)} --out {shlex.quote(str(out))}"


@dataclass(frozen=True)
class _Order:
    """What was asked for beside the experiment; a resumed run keeps what it was started with."""

    crossed: bool
    folds: int | None
    allow_leaks: bool
    publish_folds: bool = False


def _order_of(begun: Path, experiment: Experiment, allow_leaks: bool) -> _Order:
    """The order of a run that goes on; RunError where its experiment was another one."""
    facts = runs.read_facts(begun)
    runs.refuse_other_config(experiment, runs.read_config(begun))
    crossed = facts["kind"] == "cross-validation"
    return _Order(
        crossed, facts.get("folds"), allow_leaks or bool(facts.get("allow_leaks")), bool(facts.get("publish_folds"))
    )


def _checked_plan(experiment: Experiment, order: _Order, out: Path, progress: Progress) -> Plan:
    """The plan, before anything is written: stopped by leaks unless they are allowed, and by folds that cannot be."""
    plan = make_plan(experiment, progress, folds=order.folds, crossed=order.crossed)
    if not order.allow_leaks:
        plan.findings.stop(out / "leaks" / f"{experiment.name}.csv")
    if order.crossed:
        folds_of(plan)
    if order.publish_folds:
        if not order.crossed:
            raise ConfigError("--publish makes folds a model; give --cross-validate with it, or leave it out")
        mean_exporter(experiment)
    return plan


def _new_folder(plan: Plan, checkpoints: Path, run_name: str | None) -> Path:
    rank, world = plan.process_rank
    folder = checkpoints / runs.check_run_name(run_name or runs.new_run_name(plan.experiment, world, checkpoints))
    if rank == 0 and (folder / runs.CONFIG).exists():
        raise RunError(f"run {folder} exists already; go on with --resume {folder.name}, or give another --run-name")
    return folder


@contextmanager
def _held(folder: Path, rank: int) -> Iterator[None]:
    if rank:
        yield
        return
    with runs.locked(folder):
        yield


def _refuse_other_data(folder: Path, plan: Plan) -> None:
    facts = runs.read_facts(folder)
    for name, now in (("data", plan.manifest.fingerprint), ("split", plan.manifest.split_fingerprint)):
        if facts.get(f"{name}_fingerprint") != now:
            where = plan.experiment.data.manifest
            raise RunError(f"the {name} of {where} changed since {folder.name} began; start a new run")


def _cross_validate(plan: Plan, folder: Path, out: Path, order: _Order, progress: Progress) -> TrainResult:
    done, first = cross_validate(plan, folder, progress, publish=order.publish_folds), plan.process_rank[0] == 0
    progress.line(f"saved {done.folder / 'metrics.json'} and {done.folder / 'predictions.csv'}")
    if not order.publish_folds or not first:
        return TrainResult(None, folder, done.metrics, notes=plan.notes, first=first)
    facts = runs.read_facts(folder)
    target = out / "final" / facts["name"] / facts["version"]
    model = publish_folds(plan, folder, done.folds, done.answers, target)
    progress.line(f"saved {model.file_for('onnx')}, the mean of {counted(len(done.folds), 'fold')}")
    runs.add_facts(folder, model=str(model.path), finished=datetime.now(UTC).isoformat(timespec="seconds"))
    return TrainResult(model.path, folder, done.metrics, notes=plan.notes)


def _run(plan: Plan, learner: Learner, folder: Path, out: Path, progress: Progress) -> TrainResult:
    first, splits = plan.process_rank[0] == 0, plan.splits()
    if first:
        write_preview(plan, splits, folder, progress)
    identity = runs.identity_of(folder) if first else None
    checkpoints = Checkpoints(folder, plan.experiment.training.keep_checkpoints, identity)
    with listening(Listeners(plan, folder, folder, folder.name, progress, first)) as listeners:
        fit(plan, splits, learner, checkpoints, progress, listeners)
        holdout = score_holdout(plan, splits, learner)
        if not first:
            return TrainResult(None, folder, holdout.metrics, notes=plan.notes, first=False)
        model, failed = _finish(plan, learner, folder, out, holdout, progress)
        listeners.finished(model.path, holdout.metrics.flat())
    return TrainResult(model.path, folder, holdout.metrics, tuple(failed), plan.notes)


def _finish(
    plan: Plan, learner: Learner, folder: Path, out: Path, holdout: HoldoutScores, progress: Progress
) -> tuple[ModelFolder, list[str]]:
    """Publish and export; the model, and a line for each export that was not written."""
    splits = plan.splits()
    model = _published(folder, out, holdout, lambda target: publish(plan, splits, learner, holdout, folder, target))
    message = holdout.calibration.text if holdout.calibration else f"none: {holdout.why_uncalibrated}"
    progress.line(f"calibration: {message}")
    progress.line(f"saved {model.file_for(plan.trainer.native_format)}")
    model, failed = write_exports(plan, splits, model, progress)
    finished = datetime.now(UTC).isoformat(timespec="seconds")
    runs.add_facts(folder, model=str(model.path), computing=_computing(learner), finished=finished)
    return model, failed


def _computing(learner: Learner) -> dict[str, Any]:
    """Where and how the learner computed, and what its trial of number formats measured."""
    facts, names = learner.facts(), ("device", "processes", "threads", "precision", "memory_format", "trials")
    return {name: facts[name] for name in names if name in facts}


def _published(folder: Path, out: Path, holdout: HoldoutScores, write: Callable[[Path], ModelFolder]) -> ModelFolder:
    """The model of this run: published now, or already before an interruption.

    A run that was resumed with another threshold rule, other test views or another licence makes a further version:
    what was published never changes.
    """
    facts = runs.read_facts(folder)
    target = out / "final" / facts["name"] / facts["version"]
    number = 1
    while (target / RECORD_NAME).is_file():
        model = ModelFolder.read(target)
        if holdout.is_published_as(model.record):
            return model
        number += 1
        target = target.with_name(f"{facts['version']}-{number}")
    for left in target.parent.glob(f".{target.name}.*.part"):
        shutil.rmtree(left, ignore_errors=True)
    return write(target)


def _begin(plan: Plan, folder: Path, order: _Order) -> None:
    now = datetime.now(UTC)
    facts: dict[str, Any] = {
        "name": plan.experiment.name,
        "kind": "cross-validation" if order.crossed else "training",
        "version": f"{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}",
        "started": now.isoformat(timespec="seconds"),
        "seed": plan.experiment.seed,
        "deterministic": plan.experiment.training.deterministic,
        "folds": order.folds,
        "allow_leaks": order.allow_leaks,
        "publish_folds": order.publish_folds,
        "leaks": plan.leaks.model_dump(mode="json"),
        "data_fingerprint": plan.manifest.fingerprint,
        "split_fingerprint": plan.manifest.split_fingerprint,
        "processes": plan.process_rank[1],
        "versions": runs.versions(),
        "commit": runs.git_commit(),
    }
    runs.write_start(folder, plan.experiment, facts)


def _tell_start(plan: Plan, folder: Path, progress: Progress) -> None:
    counts = ", ".join(f"{name} {count}" for name, count in plan.manifest.class_counts.items())
    progress.line(f"run {folder}: {counted(len(plan.manifest), 'image')} ({counts})")
    if plan.leaks.leaks:
        progress.line(
            f"warning: the split leaks ({counted(plan.leaks.leaks, 'pair')}), as allowed; the model carries the mark"
        )
    for note in plan.notes:
        progress.line(f"warning: {note}")
