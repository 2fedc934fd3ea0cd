"""What a run will do, as data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lopore.augmentation.augmenter import Augmenter
from lopore.config.experiment import Experiment
from lopore.contracts import Backbone, Trainer
from lopore.data.image_cache import ImageCache
from lopore.data.leaks import LeakFindings
from lopore.data.manifest import Manifest
from lopore.data.sampler import Sampler
from lopore.data.targets import Targets
from lopore.data.tiles import FilmTiles
from lopore.plugins.learner_guard import process_rank_of
from lopore.record.model import LeakReport

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Splits:
    """Row numbers that are learned from, validated on and tested on."""

    train: Rows
    val: Rows
    test: Rows


@dataclass(frozen=True)
class Plan:
    """A checked experiment: samples, their targets and pixels, the trainer, what the leak check found.

    manifest: the images as they lie on disk. samples: one row a sample, the same, or one a tile of each film.
    """

    experiment: Experiment
    manifest: Manifest
    samples: Manifest
    targets: Targets
    groups: Rows
    images: ImageCache | FilmTiles
    trainer: Trainer
    backbone: Backbone
    leaks: LeakReport
    findings: LeakFindings
    notes: tuple[str, ...]

    @property
    def process_rank(self) -> tuple[int, int]:
        return process_rank_of(self.trainer)

    def split_rows(self, name: str) -> Rows:
        return np.array([i for i, row in enumerate(self.samples.rows) if row.split == name], np.int64)

    def splits(self) -> Splits:
        return Splits(self.split_rows("train"), self.split_rows("val"), self.split_rows("test"))

    def sampler(self, train: Rows) -> Sampler:
        return Sampler(
            train,
            self.targets.strata[train],
            self.groups[train],
            self.experiment.data.balance,
            self.experiment.seed,
        )

    def augmenter(self) -> Augmenter:
        return Augmenter(self.experiment.augmentation, self.experiment.preprocessing.size, self.experiment.seed)


def samples_per_epoch(plan: Plan, train: Rows) -> int:
    """Samples that an epoch shows: the training images once, or as many tiles as the config says."""
    if isinstance(plan.images, FilmTiles):
        return plan.experiment.data.tiles.per_epoch or max(2, len(train))
    return len(train)
