"""What a run is about to do, checked in full before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.augment import Augmenter, destroys_small_defects
from lopore.config import Experiment
from lopore.contracts import Backbone, Learner, LearnRequest, NetworkRequest, Trainer
from lopore.data.batches import Pictures, Sampler, count_batches
from lopore.data.check import lost
from lopore.data.index import complete
from lopore.data.leaks import LeakFindings, find_leaks
from lopore.data.manifest import Manifest, is_sound, plain
from lopore.data.targets import Targets, leave_out, refuse_thin_classes, targets_of
from lopore.errors import ConfigError, DataError
from lopore.metrics import check_rule
from lopore.model import LeakReport
from lopore.registry import call_entry, discover
from lopore.views import check_views
from lopore.wording import counted, did_you_mean

from .guard import guarded, place_of

if TYPE_CHECKING:
    from .progress import Progress

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Sides:
    """Row numbers that are learned from, validated on and tested on."""

    train: Rows
    val: Rows
    test: Rows


@dataclass(frozen=True)
class Plan:
    """A checked experiment: rows, targets and pictures, the trainer, what the leak check found."""

    experiment: Experiment
    manifest: Manifest
    targets: Targets
    groups: Rows
    pictures: Pictures
    trainer: Trainer
    backbone: Backbone
    leaks: LeakReport
    findings: LeakFindings
    notes: tuple[str, ...]

    @property
    def place(self) -> tuple[int, int]:
        return place_of(self.trainer)

    def side(self, name: str) -> Rows:
        return np.array([i for i, row in enumerate(self.manifest.rows) if row.split == name], np.int64)

    def sides(self) -> Sides:
        return Sides(self.side("train"), self.side("val"), self.side("test"))

    def sampler(self, train: Rows) -> Sampler:
        return Sampler(
            train,
            self.targets.kinds[train],
            self.groups[train],
            self.experiment.data.balance,
            self.experiment.seed,
        )

    def augmenter(self) -> Augmenter:
        return Augmenter(self.experiment.augmentation, self.experiment.preprocessing.size, self.experiment.seed)


def check_settings(experiment: Experiment) -> tuple[Trainer, Backbone]:
    """Trainer and backbone of an experiment; ConfigError or PluginError for settings that cannot work together."""
    registry = discover()
    trainer = registry.trainers[experiment.trainer]
    if experiment.task not in trainer.tasks:
        known = ", ".join(trainer.tasks)
        raise ConfigError(f"trainer '{experiment.trainer}' has no task '{experiment.task}'; it has {known}")
    backbone = registry.backbone(experiment.trainer, experiment.model.backbone)
    if backbone.segmentation and experiment.task != "segmentation":
        raise ConfigError(f"backbone '{backbone.name}' is for task segmentation; take another for {experiment.task}")
    if experiment.preprocessing.enhance:
        from lopore.enhance import Chain

        Chain.parse(experiment.preprocessing.enhance, for_model=True)
    check_views(experiment.training.test_views, experiment.preprocessing.size)
    check_rule(experiment.training.threshold, experiment.task)
    Augmenter(experiment.augmentation, experiment.preprocessing.size)
    able = {one.format for one in registry.exporters.values() if one.framework in (experiment.trainer, "any")}
    formats = able | {trainer.native_format}
    for format in experiment.exports:
        if format not in formats:
            there = f"{', '.join(sorted(formats))}{did_you_mean(format, formats)}"
            raise ConfigError(
                f"exports names '{plain(format, 40)}'; of trainer '{experiment.trainer}' there are {there}"
            )
    return trainer, backbone


def _notes(experiment: Experiment) -> tuple[str, ...]:
    """What a person should know of the settings before the first epoch, a line each."""
    shrunk = destroys_small_defects(experiment.augmentation, experiment.preprocessing.size)
    notes = [f"augmentation {line}" for line in shrunk]
    if experiment.data.balance in ("class", "class-group") and experiment.training.loss.class_weights == "balanced":
        notes.append(
            f"data.balance: {experiment.data.balance} and class_weights: balanced both make up for rare classes, "
            "which then count twice; keep one of them"
        )
    warmup, epochs = experiment.training.schedule.warmup_epochs, experiment.training.epochs
    if warmup >= epochs:
        notes.append(
            f"schedule.warmup_epochs {warmup:g} takes all {epochs} epochs: the learning rate never stays at its value"
        )
    return tuple(notes)


def _report(split_kind: str, findings: LeakFindings) -> LeakReport:
    return LeakReport(
        split_kind=split_kind,
        checked_pairs=findings.checked_pairs,
        leaks=len(findings),
        allowed=len(findings) > 0,
        examples=findings.examples(),
    )


def make_plan(experiment: Experiment, progress: Progress, *, folds: int | None = None, crossed: bool = False) -> Plan:
    """Read the manifest and check everything that can be checked before the first epoch.

    crossed: for a cross-validation, where folds take the place of sides (``folds`` makes new ones).
    Raises one-line errors for classes with too few images, missing files, labels or settings that do not fit.
    """
    trainer, backbone = check_settings(experiment)
    rank, world = place_of(trainer)
    if experiment.training.batch_size < 2 * world and world > 1:
        batch = experiment.training.batch_size
        raise ConfigError(f"batch_size {batch} leaves {world} processes under 2 images each; raise it")
    manifest = leave_out(Manifest.read(experiment.data.manifest), experiment.data.exclude)
    if crossed:
        manifest = _with_folds(manifest, experiment, folds)
    targets = targets_of(manifest, experiment.task, experiment.data.positive)
    pictures = _pictures(manifest, experiment, targets)
    manifest = _check_sides(manifest, targets, experiment, crossed=crossed)
    _refuse_deep_files(manifest, experiment)
    if told := lost(manifest):
        raise DataError(told)
    pictures.check(range(len(pictures)))
    manifest = complete(manifest, threads=experiment.data.workers or None, stage=progress.stage)
    findings = find_leaks(manifest, "folds") if crossed else find_leaks(manifest)
    plan = Plan(
        experiment=experiment,
        manifest=manifest,
        targets=targets,
        groups=manifest.group_ids(),
        pictures=pictures,
        trainer=trainer,
        backbone=backbone,
        leaks=_report("folds" if crossed else manifest.about.split_kind or "given", findings),
        findings=findings,
        notes=_notes(experiment) if rank == 0 else (),
    )
    class_weights(plan, np.arange(len(manifest)))
    return plan


def _with_folds(manifest: Manifest, experiment: Experiment, folds: int | None) -> Manifest:
    from lopore.data.split import fold_manifest

    numbered = all(row.fold is not None for row in manifest.rows)
    if folds is None and numbered and len({row.fold for row in manifest.rows}) > 1:
        return manifest
    return fold_manifest(manifest, folds or 5, seed=experiment.seed).manifest


def _pictures(manifest: Manifest, experiment: Experiment, targets: Targets) -> Pictures:
    files = [manifest.file(row) for row in manifest.rows]
    if experiment.task != "segmentation":
        return Pictures(files, experiment.preprocessing, cache_mb=experiment.data.cache_mb)
    names = {name: number + 1 for number, name in enumerate(targets.classes)}
    without = [row for row in manifest.rows if not row.mask and not all(is_sound(label) for label in row.labels)]
    if without:
        bare = counted(len(without), "image with a defect has", "images with a defect have")
        raise DataError(
            f"{bare} no mask, such as {plain(without[0].path, 80)}; "
            "give masks in the manifest, or leave their class out with data.exclude"
        )
    marked = [[names[label] for label in row.labels if label in names] for row in manifest.rows]
    return Pictures(
        files,
        experiment.preprocessing,
        masks=[manifest.mask_file(row) for row in manifest.rows],
        mask_classes=[found[0] if len(found) == 1 else 0 if found else -1 for found in marked],
        classes=len(targets.classes),
        cache_mb=experiment.data.cache_mb,
    )


def _check_sides(manifest: Manifest, targets: Targets, experiment: Experiment, *, crossed: bool) -> Manifest:
    if crossed:
        refuse_thin_classes(targets, np.arange(len(manifest)), "the whole set")
        return replace(manifest, rows=tuple(replace(row, split="") for row in manifest.rows))
    splits = np.array([row.split for row in manifest.rows])
    sides = {name: np.flatnonzero(splits == name) for name in ("train", "val")}
    if not len(sides["train"]):
        raise DataError(f"no image of {experiment.data.manifest} is on the train side; run `lopore data split` on it")
    refuse_thin_classes(targets, sides["train"], "train")
    settings = experiment.training
    wanted = settings.select_by != "last" or settings.early_stopping is not None
    if not len(sides["val"]):
        if wanted:
            raise DataError(
                "no image is on the val side, which selects the epoch; split with `lopore data split`, or set "
                "training.select_by to last and leave early_stopping out"
            )
    elif wanted:
        missing = lacking(targets, sides["val"])
        if missing:
            raise DataError(f"val holds no image of {', '.join(missing)}, so no epoch can be selected; split again")
    return manifest


def lacking(targets: Targets, rows: Rows) -> list[str]:
    """The classes that these rows lack, where they lack so many that no epoch can be selected by them; else none."""
    counts = targets.count(rows)
    missing = [name for name, count in counts.items() if count == 0]
    return missing if len(missing) >= len(counts) - 1 and len(counts) > 1 else []


def _refuse_deep_files(manifest: Manifest, experiment: Experiment) -> None:
    record = experiment.preprocessing
    deep = [row for row in manifest.rows if (row.depth or 8) > 8]
    if deep and record.depth == 8 and record.window.mode == "full":
        have = counted(len(deep), "image has", "images have")
        raise ConfigError(
            f"{have} more than 8 bits, such as {plain(deep[0].path, 80)}, and preprocessing keeps 8: "
            "set preprocessing.window.mode to percentile, fixed or tags, or preprocessing.depth to 16"
        )


def class_weights(plan: Plan, train: Rows) -> tuple[float, ...] | None:
    """Weights in the order of the classes, or None; ConfigError for a name that is no class.

    Balanced, every class weighs as much in sum as any other; of several labels, having one as much as lacking it.
    """
    asked = plan.experiment.training.loss.class_weights
    if asked == "none":
        return None
    counts = plan.targets.count(train)
    if asked == "balanced" and plan.experiment.task == "multilabel":
        return tuple(max(1, len(train) - count) / max(1, count) for count in counts.values())
    if asked == "balanced":
        return tuple(len(train) / (len(counts) * max(1, count)) for count in counts.values())
    unknown = sorted(set(asked) - set(counts))
    if unknown:
        have = f"{', '.join(counts)}{did_you_mean(unknown[0], counts, most=1)}"
        raise ConfigError(f"loss.class_weights names {plain(unknown[0], 40)!r}; the classes are {have}")
    return tuple(float(asked.get(name, 1.0)) for name in counts)


def _network_request(experiment: Experiment, classes: tuple[str, ...]) -> NetworkRequest:
    record, model = experiment.preprocessing, experiment.model
    return NetworkRequest(
        backbone=model.backbone,
        outputs={"binary": 1, "segmentation": len(classes) + 1}.get(experiment.task, len(classes)),
        channels=record.channels,
        size=record.size,
        depth=record.depth,
        mean=record.mean,
        std=record.std,
        pretrained=model.pretrained,
        pretrained_sha256=model.pretrained_sha256,
        dropout=model.dropout,
        segmentation=experiment.task == "segmentation",
    )


def make_learner(plan: Plan, train: Rows) -> Learner:
    """The framework's learner for these training rows."""
    experiment, settings, classes = plan.experiment, plan.experiment.training, plan.targets.classes
    batches = count_batches(len(train), settings.batch_size, plan.place[1])
    request = LearnRequest(
        task=experiment.task,
        classes=classes,
        network=_network_request(experiment, classes),
        loss=settings.loss,
        optimizer=settings.optimizer,
        schedule=settings.schedule,
        epochs=settings.epochs,
        steps_per_epoch=-(-batches // settings.accumulate),
        batch_size=settings.batch_size,
        class_weights=class_weights(plan, train),
        accumulate=settings.accumulate,
        average=settings.average,
        freeze=experiment.model.freeze,
        precision=settings.precision,
        compile=settings.compile,
        seed=experiment.seed,
        deterministic=settings.deterministic,
        device=settings.device,
        threads=settings.threads,
    )
    source = discover().trainers.sources[plan.trainer.key]
    learner = call_entry("trainer", plan.trainer.key, source, lambda: plan.trainer.learner(request))
    return guarded(learner, plan.trainer, len(classes))
