"""An open model over a whole film: which tiles, which classes, and the map of probabilities on disk."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore.arrays import gives_maps
from lopore.contracts import FreeSizeSession
from lopore.data.class_names import is_sound
from lopore.errors import ConfigError, LoporeError

from .film_dense import HALO, dense_strips
from .film_map import FilmMap, MapFacts, probability_levels
from .film_scales import Scale, Strips, joined_strips
from .film_windows import FilmTiling, Maps, blended_strips
from .predict import images_at_once, score_images
from .segment import segment_images
from .tiling import TiledLine, step_for

if TYPE_CHECKING:
    from lopore.arrays import PixelBatch
    from lopore.models.opening import OpenModel
    from lopore.preprocessing.film_input import FilmInput
    from lopore.record.model import ModelRecord

STATE_SECONDS = 5.0
"""How often a running map notes on disk how far it is."""
MAP_HALO, DENSE_TILE, DENSE_SAMPLES = 96, 1024, 8
"""Of a segmentation model's dense way: halo and tile in network pixels, and tiles that are compared."""
Tick = Callable[[int, int], None]


class Cancelled(LoporeError):  # noqa: N818 - it is asked for, not a mistake
    """The work was stopped on request; what is done lies on disk and the next run goes on from there."""


@dataclass(frozen=True, kw_only=True)
class CoverOptions:
    """How tiles cover a film.

    overlap: share of a tile that its neighbour sees too, 0 to 0.9. halo: pixels at a tile's inner ends whose answers
    are not used, since the network sees less around them. tile: (height, width) instead of the record's, where the
    network takes any size.
    """

    mode: Literal["windows", "dense"] = "windows"
    overlap: float = 0.5
    halo: int = 0
    tile: tuple[int, int] | None = None
    batch_size: int | None = None


def defect_classes(record: ModelRecord) -> tuple[str, ...]:
    """The classes of which a film's map is made: of a classifier those that are no defect-free class."""
    if gives_maps(record.task):
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
    judged: Callable[[FilmMap], None] = lambda film_map: None,
) -> FilmMap:
    """The film's map in ``folder``; a map that an earlier run of the same work left there is gone on with.

    exact: probabilities (thresholds) that the map keeps apart exactly. tick: told (done, all) tiles; what it raises
    ends the run, and what is done stays. judged: told of the map after each strip, up to whose end no later tile
    changes a value. Raises ConfigError for options that do not fit the model, LoporeError where
    the disk is full, and what the model raises.
    """
    options = options or CoverOptions()
    tiling = tiling_of(model, film, options)
    move = Affine(xx=float(tiling.cell), yy=float(tiling.cell)).then(film.to_film)
    levels = tuple(float(value) for value in probability_levels(exact))
    classes, exclusive = defect_classes(model.record), gives_maps(model.record.task)
    facts = MapFacts(_key(model, film, options), classes, tiling.map_shape, move, levels, exclusive)
    film_map = FilmMap.start(folder, facts)
    if film_map.complete:
        return film_map
    saved = time.monotonic()
    try:
        for strip in map_strips(model, film, tiling, options, film_map.done, tick):
            padded = film_map.append(strip)
            judged(film_map)
            if padded and options.mode == "dense" and not model.record.tta_scales:
                film_map.notes = dense_notes(model, film, tiling, film_map)
            if padded or time.monotonic() - saved > STATE_SECONDS:
                film_map.save_state()
                saved = time.monotonic()
    except BaseException:
        film_map.save_state()  # Ctrl-C and a refused disk too leave what is done
        raise
    return film_map


def map_strips(
    model: OpenModel, film: FilmInput, tiling: FilmTiling, options: CoverOptions, begin: int, tick: Tick
) -> Iterator[Maps]:
    """Probabilities strip after strip from pixel ``begin`` of the map on, before they are written as bytes.

    The record's scale and its ``tta_scales``, joined on ``tiling``.
    """
    if not model.record.tta_scales:
        return _strips_at(model, film, tiling, options, begin, tick)
    films = [film, *(film.scaled(times) for times in model.record.tta_scales)]
    # What one scale's tile cuts another shows whole, so half of the overlap does, at less than half of the cost.
    sparse = replace(options, overlap=options.overlap / 2)
    tilings = [tiling, *(replace(tiling_of(model, one, sparse), rows_first=tiling.long_rows) for one in films[1:])]
    done, total = [0] * len(films), sum(one.count for one in tilings)

    def strips_of(number: int) -> Strips:
        def count(here: int, _: int) -> None:
            done[number] = here
            tick(sum(done), total)

        return lambda start: _strips_at(model, films[number], tilings[number], options, start, count)

    known = [Scale(one.shape, tilings[number], strips_of(number)) for number, one in enumerate(films)]
    return joined_strips(known, begin, exclusive=gives_maps(model.record.task))


def _strips_at(
    model: OpenModel, film: FilmInput, tiling: FilmTiling, options: CoverOptions, begin: int, tick: Tick
) -> Iterator[Maps]:
    record = model.record
    if options.mode == "dense" and not gives_maps(record.task):
        session = free_size_session(model)
        halo = -(-(options.halo or HALO) // session.stride) * session.stride
        chosen = [record.classes.index(name) for name in defect_classes(record)]
        return dense_strips(film, tiling, session, chosen, halo=halo, begin=begin, tick=tick)
    size = options.batch_size or (1 if options.mode == "dense" else images_at_once(record))
    return blended_strips(film, tiling, network_of(model, tiling), batch_size=size, begin=begin, tick=tick)


def free_size_session(model: OpenModel) -> FreeSizeSession:
    """The session, where its network takes other sizes than the record's; else ConfigError."""
    if not isinstance(model.session, FreeSizeSession):
        raise ConfigError(
            f"{model.folder.title} as {model.format} takes tiles of one size here; use mode windows, or dense with its "
            "pth file and lopore-torch"
        )
    return model.session


def tiling_of(model: OpenModel, film: FilmInput, options: CoverOptions) -> FilmTiling:
    """Where the tiles lie; ConfigError for an overlap or halo that leaves nothing of a tile."""
    record = model.record
    height, width = options.tile or record.preprocessing.size
    if options.mode == "dense":
        stride = free_size_session(model).stride
        if gives_maps(record.task):
            return _dense_maps(film, options.halo or MAP_HALO, stride)
        if height % stride or width % stride:
            raise ConfigError(f"tiles of {width} x {height} px are no multiples of {stride} px; use mode windows")
        return _dense_windows(film, (height, width), options.overlap, stride)
    if not 0 <= options.overlap <= 0.9:
        raise ConfigError(f"overlap {options.overlap:g} is outside 0 to 0.9; 0.5 is usual")
    if not 0 <= options.halo < min(height, width) // 2:
        raise ConfigError(
            f"a halo of {options.halo} px leaves nothing of a tile of {height} x {width} px; take at most "
            f"{min(height, width) // 2 - 1}"
        )
    stride = next(size for size in (32, 16, 8, 1) if height % size == 0 == width % size)
    stride = stride if gives_maps(record.task) else 1
    cell = 1 if gives_maps(record.task) else _cell(height, width, options.overlap)
    grid = max(stride, cell)
    lines = [
        TiledLine(length, tile, step_for(tile, options.overlap, options.halo, grid), options.halo, grid)
        for length, tile in zip(film.shape, (height, width), strict=True)
    ]
    return FilmTiling(lines[0], lines[1], cell)


def _dense_maps(film: FilmInput, halo: int, stride: int) -> FilmTiling:
    """Large tiles of a segmentation model, side by side, each with a halo: nearly every pixel is computed once."""
    halo = -(-halo // stride) * stride
    lines = []
    for length in film.shape:
        tile = min(-(-max(DENSE_TILE, 4 * halo) // stride), -(-length // stride)) * stride
        lines.append(TiledLine(length, tile, max(tile - 2 * halo, stride), halo if tile > 2 * halo else 0, stride))
    return FilmTiling(lines[0], lines[1])


def _dense_windows(film: FilmInput, tile: tuple[int, int], overlap: float, stride: int) -> FilmTiling:
    """The windows of a patch classifier, each beginning on a cell of its features."""
    lines = [
        TiledLine(length, side, step_for(side, overlap, 0, stride), 0, stride)
        for length, side in zip(film.shape, tile, strict=True)
    ]
    return FilmTiling(lines[0], lines[1], math.gcd(_cell(*tile, overlap), stride))


def dense_notes(model: OpenModel, film: FilmInput, tiling: FilmTiling, film_map: FilmMap) -> tuple[str, ...]:
    """How far the dense way differs from windows of their own, measured on tiles spread over the film."""
    record = model.record
    height, width = record.preprocessing.size
    places = spread_tiles(film.shape, (height, width), tiling.down.stride, DENSE_SAMPLES)
    batch = [film.read(top, left, height, width) for top, left in places]
    if gives_maps(record.task):
        middle = slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)
        own = segment_images(model, batch)[(slice(None), slice(None), *middle)]
        shared = np.stack([_map_window(film_map, top, left, height, width) for top, left in places])
        far = np.abs(own - shared[(slice(None), slice(None), *middle)]).max(axis=(1, 2, 3))
    else:
        chosen = [record.classes.index(name) for name in film_map.classes]
        own = score_images(model, batch)[:, chosen]
        session = free_size_session(model)
        halo = HALO // session.stride * session.stride
        shared = np.stack([_shared_score(session, film, corner, (height, width), halo)[chosen] for corner in places])
        far = np.abs(own - shared).max(axis=1)
    text = (
        f"dense: on {len(places)} tiles spread over the film the probabilities differ from windows of their own by "
        f"{far.mean():.3f} in the mean and {far.max():.3f} at most"
    )
    return (text,)


def spread_tiles(shape: tuple[int, int], tile: tuple[int, int], stride: int, most: int) -> list[tuple[int, int]]:
    """(top, left) of at most ``most`` tiles that lie on the film and on the grid, spread along its longer side."""
    ends = [max(length - side, 0) // stride for length, side in zip(shape, tile, strict=True)]
    tops = np.linspace(0, ends[0], most).astype(int) if shape[0] >= shape[1] else np.full(most, ends[0] // 2)
    lefts = np.full(most, ends[1] // 2) if shape[0] >= shape[1] else np.linspace(0, ends[1], most).astype(int)
    return sorted({(int(top) * stride, int(left) * stride) for top, left in zip(tops, lefts, strict=True)})


def _map_window(film_map: FilmMap, top: int, left: int, height: int, width: int) -> NDArray[np.float32]:
    rows, columns = film_map.facts.shape
    part = [
        film_map.read(number, top, left, min(height, rows - top), min(width, columns - left))
        for number in range(len(film_map.classes))
    ]
    padded = np.zeros((len(part), height, width), np.float32)
    padded[:, : part[0].shape[0], : part[0].shape[1]] = part
    return padded


def _shared_score(
    session: FreeSizeSession, film: FilmInput, corner: tuple[int, int], tile: tuple[int, int], halo: int
) -> NDArray[np.float32]:
    """A window's scores (K,) from features that see the film around it."""
    top, left = max(corner[0] - halo, 0), max(corner[1] - halo, 0)
    pixels = film.read(top, left, corner[0] - top + tile[0] + halo, corner[1] - left + tile[1] + halo)
    scores: NDArray[np.float32] = session.window_scores(pixels, tile, [corner[0] - top], [corner[1] - left])[0]
    return scores


def _cell(height: int, width: int, overlap: float) -> int:
    """Network pixels to a pixel of a patch classifier's map: the largest divisor of a tile up to a quarter step."""
    most = max(1, int(min(height, width) * (1 - overlap)) // 4)
    return max(size for size in range(1, most + 1) if height % size == 0 == width % size)


def network_of(model: OpenModel, tiling: FilmTiling) -> Callable[[PixelBatch], Maps]:
    """Maps (N, K, h, w) of a batch of tiles: a segmentation model's own, or a classifier's scores over the tile."""
    record = model.record
    if gives_maps(record.task):
        return lambda batch: segment_images(model, list(batch))
    chosen = [record.classes.index(name) for name in defect_classes(record)]
    size = tiling.down.tile // tiling.cell, tiling.across.tile // tiling.cell

    def scores_over_tiles(batch: PixelBatch) -> Maps:
        scores = score_images(model, list(batch))[:, chosen]
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
        "seen": [record.tta_views, record.tta_scales],
        "options": {name: value for name, value in asdict(options).items() if name != "batch_size"},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]
