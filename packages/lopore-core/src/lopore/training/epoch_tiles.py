"""The tiles of one training epoch: drawn anew from the films, and on request where the network was fooled."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lopore.contracts import Batch, Learner
from lopore.data.batches import evaluation_batches, training_batches
from lopore.data.tile_samples import tile_labels
from lopore.data.tiles import FilmTiles, Tile, draw

from .plan import Plan, Rows, samples_per_epoch


def tile_batches(plan: Plan, tiles: FilmTiles, train: Rows, learner: Learner, epoch: int) -> Iterator[Batch]:
    """Batches of one epoch. train: numbers of the tiles that cover the training films.

    The same (seed, epoch, weights) draw the same tiles, so that a resumed run ends as one that never stopped.
    """
    settings, experiment = plan.experiment.data.tiles, plan.experiment
    hard = _hard_tiles(plan, tiles, train, learner) if settings.hard_share and epoch else []
    films = sorted({tiles.tiles[int(number)].film for number in train})
    count = samples_per_epoch(plan, train)
    drawn = draw(tiles.films, films, count, settings, seed=experiment.seed, epoch=epoch, hard=hard)
    shown = FilmTiles(tiles.films, drawn, has_masks=tiles.has_masks)
    return training_batches(
        shown,
        tile_labels(shown, plan.targets, plan.manifest.defect_classes),
        np.arange(count),
        batch_size=experiment.training.batch_size,
        epoch=epoch,
        augmenter=plan.augmenter(),
        workers=experiment.data.workers,
        process_rank=plan.process_rank,
    )


def _hard_tiles(plan: Plan, tiles: FilmTiles, train: Rows, learner: Learner) -> list[Tile]:
    """The training tiles without a mark whose defect scores are highest: a tenth of them, 8 at least."""
    unmarked = np.array([number for number in train if not tiles.is_marked(int(number))], np.int64)
    if not len(unmarked):
        return []
    batches = evaluation_batches(
        tiles, unmarked, batch_size=plan.experiment.training.batch_size, workers=plan.experiment.data.workers
    )
    scores = learner.predict(batches)
    wanted = {plan.targets.positive} if plan.targets.positive else set(plan.manifest.defect_classes)
    defects = [number for number, name in enumerate(plan.targets.classes) if name in wanted]
    order = np.argsort(-scores[:, defects].max(axis=1), kind="stable")
    return [tiles.tiles[int(number)] for number in unmarked[order[: max(8, len(order) // 10)]]]
