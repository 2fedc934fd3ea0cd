"""Tiles of films: at the network's scale, around every mark however small, with what is not known left out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.images import save
from numpy.typing import NDArray

from lopore.arrays import IGNORE
from lopore.config.experiment import Tiles
from lopore.data.film_masks import Films
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.data.tile_samples import TileSamples, films_of, tile_samples
from lopore.data.tiles import FilmTiles, Tile, cover, draw
from lopore.errors import DataError
from lopore.record.preprocessing import Preprocessing

RECORD = Preprocessing(resize="tile", size=(32, 48), mm_per_pixel=0.1)
BIG, SPECK, LINE = (10, 20, 14, 30), (60, 150, 61, 151), (80, 10, 82, 180)


def marked(*boxes: tuple[int, int, int, int], known: tuple[int, int, int, int] | None = None) -> NDArray[np.uint8]:
    """A mask of 100 x 200: 1 in each box (top, left, bottom, right), 255 outside of ``known``."""
    mask = np.zeros((100, 200), np.uint8)
    for top, left, bottom, right in boxes:
        mask[top:bottom, left:right] = 1
    if known:
        outside = np.ones(mask.shape, np.bool_)
        outside[known[0] : known[2], known[1] : known[3]] = False
        mask[outside] = IGNORE
    return mask


def manifest(place: Path, *masks: NDArray[np.uint8], labels: tuple[str, ...] = ("pore",), mm: float = 0.1) -> Manifest:
    rng = np.random.default_rng(0)
    rows = []
    for number, mask in enumerate(masks):
        save(place / f"{number}.png", rng.integers(0, 256, mask.shape, dtype=np.uint8))
        save(place / "masks" / f"{number}.png", mask)
        mine = labels if mask.any() else ("no_defect",)
        rows.append(
            Row(path=f"{number}.png", labels=mine, mask=(f"masks/{number}.png",), mm_per_pixel=mm, split="train")
        )
    return Manifest(tuple(rows), place)


def films(place: Path, *masks: NDArray[np.uint8], **options: Any) -> Films:
    return films_of(manifest(place, *masks, **options), RECORD, 64)


@pytest.mark.parametrize("shape", [(32, 48), (31, 47), (33, 49), (64, 96), (65, 97), (1, 1), (100, 200)])
def test_a_cover_holds_every_pixel_of_a_film_once(shape: tuple[int, int]) -> None:
    seen = np.zeros((200, 300), int)
    for tile in cover(shape, RECORD):
        seen[tile.top : tile.top + 32, tile.left : tile.left + 48] += 1
    assert (seen[: shape[0], : shape[1]] == 1).all()
    assert len(cover(shape, RECORD)) == -(-shape[0] // 32) * -(-shape[1] // 48)


def test_every_mark_comes_equally_often_however_small_it_is(tmp_path: Path) -> None:
    made = films(tmp_path, marked(BIG, SPECK, LINE), marked(SPECK))
    tiles = draw(made, [0, 1], 400, Tiles(defect_share=1.0), seed=1, epoch=0)
    shown = Counter[tuple[int, int]]()
    for tile in tiles:
        for number, mark in enumerate(made.marks(tile.film)):
            rows, columns = mark.pixels[:, 0] - tile.top, mark.pixels[:, 1] - tile.left
            shown[tile.film, number] += bool(((rows >= 0) & (rows < 32) & (columns >= 0) & (columns < 48)).any())
    assert min(shown.values()) >= 100
    assert len(shown) == 4


def test_the_stated_share_lies_around_marks_and_the_rest_away_from_them(tmp_path: Path) -> None:
    made = films(tmp_path, marked(BIG, SPECK))
    tiles = FilmTiles(made, draw(made, [0], 200, Tiles(defect_share=0.25), seed=1, epoch=0))
    assert sum(tiles.is_marked(number) for number in range(200)) == 50


def test_tiles_lie_on_the_film_and_their_middle_is_known(tmp_path: Path) -> None:
    made = films(tmp_path, marked(BIG, known=(0, 0, 50, 200)))
    for tile in draw(made, [0], 200, Tiles(defect_share=0.0), seed=1, epoch=0):
        assert 0 <= tile.top <= 100 - 32
        assert 0 <= tile.left <= 200 - 48
        assert tile.top + 16 < 50 or tile.top == 0


def test_a_draw_hangs_on_seed_and_epoch_alone(tmp_path: Path) -> None:
    made = films(tmp_path, marked(BIG, SPECK, LINE))
    drawn = [draw(made, [0], 40, Tiles(), seed=seed, epoch=epoch) for seed, epoch in ((1, 0), (1, 0), (1, 1), (2, 0))]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert drawn[0] != drawn[3]


def test_hard_tiles_take_their_share_and_stay_near_their_place(tmp_path: Path) -> None:
    made = films(tmp_path, marked(BIG))
    hard = [Tile(0, 60, 140)]
    tiles = draw(made, [0], 100, Tiles(defect_share=0.5, hard_share=0.5), seed=1, epoch=1, hard=hard)
    near = [tile for tile in tiles if abs(tile.top - 60) <= 8 and abs(tile.left - 140) <= 12]
    assert len(near) >= 50


def test_beyond_the_film_and_beyond_what_was_looked_at_nothing_is_known(tmp_path: Path) -> None:
    made = films(tmp_path, marked(BIG, known=(0, 0, 40, 200)))
    pixels, mask = made.read(0, 20, 180, RECORD.size)
    assert pixels.shape == (32, 48, 1)
    assert (mask[:20, :20] == 0).all()
    assert (mask[20:] == IGNORE).all()
    assert (mask[:, 20:] == IGNORE).all()
    samples = tiles_of(tmp_path, marked(BIG, known=(0, 0, 40, 200)))
    assert {tile.top for tile in samples.tiles.tiles} == {0, 32}


def test_films_of_another_pitch_are_seen_at_the_scale_of_the_network(tmp_path: Path) -> None:
    fine = films(tmp_path, marked((40, 80, 60, 100)), mm=0.05)
    assert fine.shape(0) == (50, 100)
    np.testing.assert_array_equal(np.argwhere(fine.mask(0))[[0, -1]], [[20, 40], [29, 49]])
    with fine.input(0) as film:
        np.testing.assert_array_equal(fine.read(0, 0, 0, RECORD.size)[0], film.read(0, 0, 32, 48))


@pytest.mark.parametrize("cache_mb", [0, 64])
def test_pixels_are_the_same_held_in_memory_or_read_anew(tmp_path: Path, cache_mb: int) -> None:
    made = films_of(manifest(tmp_path, marked(BIG)), RECORD, cache_mb)
    for tile in (Tile(0, 0, 0), Tile(0, 68, 152), Tile(0, 96, 192), Tile(0, 90, 10)):
        with made.input(0) as film:
            wanted = film.read(tile.top, tile.left, 32, 48)
        np.testing.assert_array_equal(made.read(0, tile.top, tile.left, RECORD.size)[0], wanted)


def tiles_of(place: Path, *masks: NDArray[np.uint8], task: Any = "segmentation", **options: Any) -> TileSamples:
    listed = manifest(place, *masks, **options)
    return tile_samples(listed, films_of(listed, RECORD, 64), task, "pore" if task == "binary" else None)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "segmentation"])
def test_a_tile_teaches_what_its_own_mask_shows(tmp_path: Path, task: Any) -> None:
    samples = tiles_of(tmp_path, marked(BIG), marked(), task=task)
    classes, labels = samples.targets.classes, samples.targets.labels
    assert classes == (("no_defect", "pore") if task in ("binary", "multiclass") else ("pore",))
    shown = labels if labels.ndim == 1 else labels[:, 0]
    assert len(shown) == len(samples.tiles) == len(samples.manifest) == 40
    assert [number for number in range(40) if shown[number]] == [0]
    assert samples.manifest.rows[0].path == "0.png#xywh=0,0,48,32"
    assert {row.group for row in samples.manifest.rows} == {"0.png", "1.png"}


def test_a_film_with_a_defect_and_no_mask_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png", marked())
    with pytest.raises(DataError, match=r"a\.png has a defect and no mask"):
        films_of(Manifest((Row(path="a.png", labels=("pore",)),), tmp_path), RECORD, 64)


def test_a_file_that_is_no_film_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    made = films_of(Manifest((Row(path="a.png", labels=("no_defect",)),), tmp_path), RECORD, 64)
    with pytest.raises(DataError, match=r"a\.png"):
        made.shape(0)


def test_a_part_of_a_few_known_pixels_is_found(tmp_path: Path) -> None:
    made = films(tmp_path, marked((1, 1, 2, 2), known=(0, 0, 3, 3)))
    assert set(draw(made, [0], 4, Tiles(defect_share=0.0), seed=0, epoch=0)) == {Tile(0, 0, 0)}
