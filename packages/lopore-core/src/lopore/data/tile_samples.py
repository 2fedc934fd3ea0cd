"""Films as samples: a row, a label and a group for each tile, so that what follows takes tiles as it takes images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import ANOMALY, IGNORE, Task, gives_maps
from lopore.errors import DataError
from lopore.messages import did_you_mean, plain
from lopore.record.preprocessing import Preprocessing

from .class_names import is_sound
from .film_masks import FilmFile, Films
from .manifest import Manifest
from .manifest_row import Row
from .targets import Targets
from .tiles import FilmTiles, Tile, cover

SOUND = "no_defect"
"""What a tile without a mark is called where no film carries a label of sound welds."""


@dataclass(frozen=True)
class TileSamples:
    """The tiles that cover the films of a manifest: ``manifest`` has a row a tile, its place in the path
    (``film.png#xywh=left,top,width,height`` in the film's pixels), ``targets`` a label a tile."""

    manifest: Manifest
    targets: Targets
    tiles: FilmTiles


def films_of(manifest: Manifest, record: Preprocessing, cache_mb: int, *, bare: bool = False) -> Films:
    """The films of a manifest by row number; DataError where a film has a defect and no mask.

    bare: such a film is allowed, and nothing is known of its pixels.
    """
    names = {name: number for number, name in enumerate(manifest.defect_classes, start=1)}
    unmasked = [row for row in manifest.rows if not row.mask and any(label in names for label in row.labels)]
    if unmasked and not bare:
        raise DataError(
            f"{plain(unmasked[0].path, 80)} has a defect and no mask; tiles are cut around marks: give masks in the "
            "manifest, or leave the film out with data.exclude"
        )
    files = [
        FilmFile(
            manifest.file(row),
            tuple(manifest.mask_files(row)),
            tuple(names[label] for label in row.labels if label in names),
            row.mm_per_pixel,
        )
        for row in manifest.rows
    ]
    return Films(files, record, len(names), cache_mb)


def tile_samples(manifest: Manifest, films: Films, task: Task, positive: str | None) -> TileSamples:
    """Every film covered by tiles once; tiles of which nothing is known are left out.

    A tile teaches what its mask shows: segmentation, anomaly and multilabel the classes that occur, multiclass the one
    with the most pixels, binary whether the positive class occurs; without a mark it is sound.
    """
    tiles = [tile for film in range(len(films)) for tile in cover(films.shape(film), films.record, film)]
    known = [tile for tile in tiles if _known(films, tile)]
    covering = FilmTiles(films, known, has_masks=gives_maps(task))
    targets = _targets(manifest, task, positive)
    defects = targets.classes if task == ANOMALY else manifest.defect_classes
    targets = replace(targets, labels=tile_labels(covering, targets, defects))
    rows = [_tile_row(manifest.rows[tile.film], films, tile) for tile in covering.tiles]
    return TileSamples(replace(manifest, rows=tuple(rows)), targets, covering)


def tile_labels(tiles: FilmTiles, targets: Targets, defects: Sequence[str]) -> NDArray[Any]:
    """What tiles teach, as ``Targets.labels``; defects: the names of the mask's numbers 1..K."""
    shown = np.array([_pixels_of_classes(tiles.mask(number), len(defects)) for number in range(len(tiles))], np.int64)
    shown = shown.reshape(len(tiles), len(defects))
    if targets.task == "multilabel" or gives_maps(targets.task):
        columns = [list(defects).index(name) if name in defects else -1 for name in targets.classes]
        sound = ~shown.any(axis=1)
        table = [shown[:, column] > 0 if column >= 0 else sound for column in columns]
        return np.stack(table, axis=1).astype(np.float32)
    if targets.task == "binary":
        return (shown[:, list(defects).index(str(targets.positive))] > 0).astype(np.int64)
    sound_number = next(number for number, name in enumerate(targets.classes) if name not in defects)
    numbers = np.array([targets.classes.index(name) for name in defects], np.int64)
    return np.where(shown.any(axis=1), numbers[shown.argmax(axis=1)], sound_number)


def _pixels_of_classes(mask: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    return np.bincount(mask.reshape(-1), minlength=IGNORE + 1)[1 : classes + 1]


def _known(films: Films, tile: Tile) -> bool:
    height, width = films.record.size
    return bool((films.mask(tile.film)[tile.top : tile.top + height, tile.left : tile.left + width] != IGNORE).any())


def _tile_row(row: Row, films: Films, tile: Tile) -> Row:
    """The film's row for one of its tiles; the film stays its group."""
    move = films.to_film(tile.film)
    height, width = films.record.size
    x, y = move.xx * tile.left, move.yy * tile.top
    fragment = f"#xywh={x:.0f},{y:.0f},{move.xx * width:.0f},{move.yy * height:.0f}"
    return replace(row, path=row.path + fragment, group=row.group or row.family or row.path)


def _targets(manifest: Manifest, task: Task, positive: str | None) -> Targets:
    """Classes of a task on tiles, labels still to come."""
    defects = manifest.defect_classes
    none: NDArray[Any] = np.zeros(0, np.int64)
    if task == ANOMALY:
        return Targets(task, (ANOMALY,), None, none)
    if not defects:
        raise DataError("the films carry no label of a defect; tiles need at least one class with masks")
    sound = next((name for name in manifest.classes if is_sound(name)), SOUND)
    if task == "binary":
        if positive not in defects:
            have = f"{plain(', '.join(defects), 300)}{did_you_mean(positive or '', defects, most=1)}"
            raise DataError(f"data.positive is {positive!r}; masks mark {have}")
        other = sound if len(defects) == 1 else f"not {positive}"
        return Targets("binary", (other, str(positive)), positive, none)
    names = defects if task in ("segmentation", "multilabel") else tuple(sorted({*defects, sound}))
    return Targets(task, names, None, none)
