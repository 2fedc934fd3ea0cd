"""An open model over a whole film: which tiles, which classes, and the map of probabilities on disk."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from lopore.affine import Affine
from lopore.data.class_names import is_sound
from lopore.errors import ConfigError, LoporeError

from .film_map import FilmMap, MapFacts, probability_levels
from .film_windows import FilmTiling, Maps, blended_strips
from .predict import pictures_at_once, score_pictures
from .segment import segment_pictures
from .tiling import TiledLine, step_for

if TYPE_CHECKING:
    from lopore.arrays import PixelBatch
    from lopore.models.opening import OpenModel
    from lopore.preprocessing.film_input import FilmInput
    from lopore.record.model import ModelRecord

STATE_SECONDS = 5.0
"""How often a running map notes on disk how far it is."""
Tick = Callable[[int, int], None]


class Cancelled(LoporeError):  # noqa: N818 - it is asked for, not a mistake
    """The work was stopped on request; what is done lies on disk and the next run goes on from there."""


@dataclass(frozen=True, kw_only=True)
class CoverOptions:
    """How tiles cover a film.

    overlap: share of a tile that its neighbour sees too, 0 to 0.9. halo: pixels at a tile's inner ends whose answers
    are
    not used, since the network sees less around them. tile: (height, width) instead of the record's, where the network
    takes any size.
    """

    mode: Literal["windows", "dense"] = "windows"
    overlap: float = 0.5
    halo: int = 0
    tile: tuple[int, int] | None = None
    batch_size: int | None = None


def defect_classes(record: ModelRecord) -> tuple[str, ...]:
    """The classes of which a film's map is made: of a classifier those that are no defect-free class."""
    if record.task == "segmentation":
        return record.classes
    if record.task == "binary":
        return (record.positive or record.classes[-1],)
    return tuple(name for name in record.classes if not is_sound(name)) or record.classes


def cover_film(
    model: OpenModel,
    film: FilmInput,
    folder: Path,
    options: CoverOptions | None = None,
    *,
    exact: tuple[float, ...] = (),
    tick: Tick = lambda done, total: None,
) -> FilmMap:
    """The film's map in ``folder``; a map that an earlier run of the same work left there is gone on with.

    exact: probabilities (thresholds) that the map keeps apart exactly. tick: told (done, all) tiles; what it raises
    ends the run, and what is done stays. Raises ConfigError for options that do not fit the model, LoporeError where
    the disk is full, and what the model raises.
    """
    options = options or CoverOptions()
    tiling = tiling_of(model.record, film, options)
    move = Affine(xx=float(tiling.cell), yy=float(tiling.cell)).then(film.to_film)
    levels = tuple(float(value) for value in probability_levels(exact))
    facts = MapFacts(_key(model, film, options), defect_classes(model.record), tiling.map_shape, move, levels)
    film_map = FilmMap.start(folder, facts)
    if film_map.complete:
        return film_map
    strips = blended_strips(
        film,
        tiling,
        network_of(model, tiling),
        batch_size=options.batch_size or pictures_at_once(model.record),
        begin=film_map.done,
        tick=tick,
    )
    saved = time.monotonic()
    try:
        for strip in strips:
            film_map.append(strip)
            if film_map.complete or time.monotonic() - saved > STATE_SECONDS:
                film_map.save_state()
                saved = time.monotonic()
    except BaseException:
        film_map.save_state()  # Ctrl-C and a refused disk too leave what is done
        raise
    return film_map


def tiling_of(record: ModelRecord, film: FilmInput, options: CoverOptions) -> FilmTiling:
    """Where the tiles lie; ConfigError for an overlap or halo that leaves nothing of a tile."""
    height, width = options.tile or record.preprocessing.size
    if options.mode == "dense":
        raise ConfigError("this model's runtime takes tiles of one size; use mode windows, not dense")
    if not 0 <= options.overlap <= 0.9:
        raise ConfigError(f"overlap {options.overlap:g} is outside 0 to 0.9; 0.5 is usual")
    if not 0 <= options.halo < min(height, width) // 2:
        raise ConfigError(
            f"a halo of {options.halo} px leaves nothing of a tile of {height} x {width} px; take at most "
            f"{min(height, width) // 2 - 1}"
        )
    stride = 32 if record.task == "segmentation" and height % 32 == 0 == width % 32 else 1
    cell = 1 if record.task == "segmentation" else _cell(height, width, options.overlap)
    grid = max(stride, cell)
    lines = [
        TiledLine(length, tile, step_for(tile, options.overlap, options.halo, grid), options.halo, grid)
        for length, tile in zip(film.shape, (height, width), strict=True)
    ]
    return FilmTiling(lines[0], lines[1], cell)


def _cell(height: int, width: int, overlap: float) -> int:
    """Network pixels to a pixel of a patch classifier's map: the largest that divides a tile, a quarter step at
    most."""
    most = max(1, int(min(height, width) * (1 - overlap)) // 4)
    return max(size for size in range(1, most + 1) if height % size == 0 == width % size)


def network_of(model: OpenModel, tiling: FilmTiling) -> Callable[[PixelBatch], Maps]:
    """Maps (N, K, h, w) of a batch of tiles: a segmentation model's own, or a classifier's scores over the tile."""
    record = model.record
    if record.task == "segmentation":
        return lambda batch: segment_pictures(model, list(batch))
    chosen = [record.classes.index(name) for name in defect_classes(record)]
    size = tiling.down.tile // tiling.cell, tiling.across.tile // tiling.cell

    def scores_over_tiles(batch: PixelBatch) -> Maps:
        scores = score_pictures(model, list(batch))[:, chosen]
        return np.broadcast_to(scores[:, :, None, None], (*scores.shape, *size))

    return scores_over_tiles


def _key(model: OpenModel, film: FilmInput, options: CoverOptions) -> str:
    """16 hex digits over all that the map's values depend on."""
    record = model.record
    facts = {
        "film": film.source.sha256,
        "page": film.source.page,
        "scale": [film.shape, film.factor],
        "chain": film.chain_data,
        "model": [model.folder.title, record.preprocessing_fingerprint, [file.sha256 for file in record.files]],
        "format": model.format,
        "options": {name: value for name, value in asdict(options).items() if name != "batch_size"},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]
