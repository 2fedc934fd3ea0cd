"""From a config and a manifest to a checked plan, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import ANOMALY, gives_maps
from lopore.augmentation.small_defects import destroys_small_defects
from lopore.config.experiment import Experiment
from lopore.data.check import lost
from lopore.data.class_names import is_sound
from lopore.data.image_cache import ImageCache
from lopore.data.index import complete
from lopore.data.leaks import LeakFindings, find_leaks
from lopore.data.manifest import Manifest
from lopore.data.sound_alone import one_defect, sound_alone
from lopore.data.sound_class import declare_sound
from lopore.data.targets import Targets, leave_out, targets_of
from lopore.data.tile_samples import films_of, tile_samples
from lopore.data.tiles import FilmTiles
from lopore.errors import ConfigError, DataError
from lopore.messages import counted, plain
from lopore.plugins.learner_guard import process_rank_of
from lopore.plugins.registry import discover
from lopore.record.model import LeakReport

from .build_request import class_weights
from .check_data_set import check_abstention_films as check_abstention_films
from .check_data_set import check_contract
from .check_data_set import check_splits as check_splits
from .check_data_set import refuse_deep_files as refuse_deep_files
from .check_settings import check_settings
from .losses import chosen_losses
from .plan import Plan

if TYPE_CHECKING:
    from lopore.progress import Progress


def _notes(experiment: Experiment) -> tuple[str, ...]:
    """What a person should know of the settings before the first epoch, a line each."""
    shrunk = destroys_small_defects(experiment.augmentation, experiment.preprocessing.size)
    notes = [f"augmentation {line}" for line in shrunk]
    if experiment.data.balance in ("class", "class-group") and experiment.training.loss.class_weights == "balanced":
        notes.append(
            f"data.balance: {experiment.data.balance} and class_weights: balanced both make up for rare classes, "
            "which then count twice; keep one of them"
        )
    losses = chosen_losses(experiment.training.loss, experiment.task, experiment.trainer, discover().losses)
    weighed = experiment.training.loss.class_weights != "none"
    if losses and weighed and not any(one.term.weighs_classes for one in losses):
        named = " and ".join(one.term.name for one in losses)
        notes.append(f"loss.class_weights changes nothing, {named} does not use it; set data.balance: class instead")
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


@dataclass(frozen=True)
class _Samples:
    """What is learned from: a row, a target and pixels a sample. owners: the row of each sample's image."""

    manifest: Manifest
    owners: NDArray[np.int64]
    targets: Targets
    pixels: ImageCache | FilmTiles

    @property
    def tiled(self) -> bool:
        return isinstance(self.pixels, FilmTiles)


def _samples(manifest: Manifest, experiment: Experiment) -> _Samples:
    """The images of a manifest, or the tiles that cover its films; files are there and fit the settings."""
    refuse_deep_files(manifest, experiment)
    if message := lost(manifest):
        raise DataError(message)
    manifest = one_defect(manifest) if experiment.task == ANOMALY else manifest
    if experiment.preprocessing.resize == "tile":
        bare = experiment.task == ANOMALY
        films = films_of(manifest, experiment.preprocessing, experiment.data.cache_mb, bare=bare)
        made = tile_samples(manifest, films, experiment.task, experiment.data.positive)
        made.tiles.check()
        return _Samples(made.manifest, np.array([tile.film for tile in made.tiles.tiles]), made.targets, made.tiles)
    targets = targets_of(manifest, experiment.task, experiment.data.positive)
    images = _images(manifest, experiment, targets)
    images.check(range(len(images)))
    return _Samples(manifest, np.arange(len(manifest)), targets, images)


def make_plan(experiment: Experiment, progress: Progress, *, folds: int | None = None, crossed: bool = False) -> Plan:
    """Read the manifest and check everything that can be checked before the first epoch.

    crossed: for a cross-validation, where folds take the place of splits (``folds`` makes new ones).
    Raises one-line errors for classes with too few images, missing files, labels or settings that do not fit.
    """
    trainer, backbone = check_settings(experiment)
    rank, world = process_rank_of(trainer)
    if experiment.training.batch_size < 2 * world and world > 1:
        batch = experiment.training.batch_size
        raise ConfigError(f"batch_size {batch} leaves {world} processes under 2 images each; raise it")
    manifest = declare_sound(Manifest.read(experiment.data.manifest), experiment.data.sound)
    manifest = leave_out(manifest, experiment.data.exclude)
    if experiment.task == ANOMALY and (crossed or world > 1):
        what = "cross-validated" if crossed else f"learned by {world} processes"
        raise ConfigError(f"task anomaly is not {what}; train it in one process on a split with a val side")
    if crossed:
        manifest = _with_folds(manifest, experiment, folds)
    samples = _samples(manifest, experiment)
    check_splits(samples.manifest, samples.targets, experiment, crossed=crossed)
    manifest = complete(manifest, threads=experiment.data.workers or None, stage=progress.stage)
    findings = find_leaks(manifest, "folds") if crossed else find_leaks(manifest)
    plan = Plan(
        experiment=experiment,
        manifest=manifest,
        samples=_learned(samples, manifest, experiment),
        targets=samples.targets,
        groups=manifest.group_ids()[samples.owners],
        images=samples.pixels,
        trainer=trainer,
        backbone=backbone,
        leaks=_report("folds" if crossed else manifest.about.split_kind or "given", findings),
        findings=findings,
        notes=_notes(experiment) if rank == 0 else (),
    )
    class_weights(plan, np.arange(len(plan.samples)))
    check_contract(plan.targets, plan.groups, plan.split_rows("val"), experiment, crossed=crossed)
    if not crossed:
        check_abstention_films(plan.targets, plan.groups, plan.split_rows("val"), experiment)
    return plan


def _learned(samples: _Samples, manifest: Manifest, experiment: Experiment) -> Manifest:
    """The samples as the plan has them: of task anomaly with nothing but sound ones in the train split.

    manifest: completed by what the files say.
    """
    if experiment.task != ANOMALY:
        return samples.manifest if samples.tiled else manifest
    completed = samples.manifest if samples.tiled else one_defect(manifest)
    return sound_alone(completed, regions=experiment.anomaly.sound_regions)


def _with_folds(manifest: Manifest, experiment: Experiment, folds: int | None) -> Manifest:
    from lopore.data.split import fold_manifest

    numbered = all(row.fold is not None for row in manifest.rows)
    if folds is not None or not numbered or len({row.fold for row in manifest.rows}) < 2:
        manifest = fold_manifest(manifest, folds or 5, seed=experiment.seed).manifest
    return replace(manifest, rows=tuple(replace(row, split="") for row in manifest.rows))


def _images(manifest: Manifest, experiment: Experiment, targets: Targets) -> ImageCache:
    files = [manifest.file(row) for row in manifest.rows]
    if not gives_maps(experiment.task):
        return ImageCache(files, experiment.preprocessing, cache_mb=experiment.data.cache_mb)
    names = {name: number + 1 for number, name in enumerate(targets.classes)}
    without = [row for row in manifest.rows if not row.mask and not all(is_sound(label) for label in row.labels)]
    if without and experiment.task != ANOMALY:
        bare = counted(len(without), "image with a defect has", "images with a defect have")
        raise DataError(
            f"{bare} no mask, such as {plain(without[0].path, 80)}; "
            "give masks in the manifest, or leave their class out with data.exclude"
        )
    marked = [[names[label] for label in row.labels if label in names] for row in manifest.rows]
    return ImageCache(
        files,
        experiment.preprocessing,
        masks=[manifest.mask_files(row) for row in manifest.rows],
        mask_labels=marked,
        classes=len(targets.classes),
        cache_mb=experiment.data.cache_mb,
    )
