"""Tiles cover a film of any size, and their blended answers show no seam."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lopore.affine import Affine
from lopore.errors import LoporeError
from lopore.inference.film_map import STATE_NAME, FilmMap, MapFacts, encode, probability_levels
from lopore.inference.film_windows import FilmTiling, Maps, blended_strips
from lopore.inference.tiling import TiledLine, step_for
from lopore.preprocessing.film_input import FilmInput
from lopore.reading.film_source import ArrayFilm
from lopore.record.preprocessing import Preprocessing

TILE = 32
AROUND = sorted({n + more for n in (1, TILE // 2, TILE, 2 * TILE, 3 * TILE) for more in (-1, 0, 1)} - {0})


@pytest.mark.parametrize("length", AROUND)
@pytest.mark.parametrize(
    ("halo", "stride", "overlap"), [(0, 1, 0.5), (0, 1, 0.0), (5, 1, 0.25), (8, 16, 0.0), (0, 32, 0.9)]
)
def test_every_pixel_is_answered_for_whatever_the_length(length: int, halo: int, stride: int, overlap: float) -> None:
    line = TiledLine(length, TILE, step_for(TILE, overlap, halo, stride), halo, stride)
    assert line.starts[0] == 0
    assert line.starts[-1] + TILE == line.covered >= length
    assert line.covered - length < max(stride, TILE - length + 1)
    assert list(line.starts) == sorted(set(line.starts))
    assert all(start % stride == 0 for start in line.starts)
    assert (line.total[:length] > 0).all()


def test_a_halo_gives_no_answer_but_at_the_ends_of_the_film() -> None:
    line = TiledLine(100, TILE, 20, halo=6)
    middle = line.weights(1)
    assert not middle[:6].any()
    assert not middle[-6:].any()
    assert line.weights(0)[0] > 0
    assert line.weights(len(line.starts) - 1)[-1] > 0


def test_a_step_that_would_leave_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves gaps"):
        TiledLine(100, TILE, 25, halo=6)


def grey(batch: np.ndarray) -> Maps:  # type: ignore[type-arg]
    return np.asarray(batch[..., 0][:, None] / 255, np.float32)


@pytest.mark.parametrize("shape", [(n, 70) for n in AROUND] + [(70, n) for n in AROUND])
def test_tiles_of_a_network_without_reach_give_the_one_pass_answer(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    film = FilmInput(ArrayFilm(pixels), Preprocessing(size=(TILE, TILE)))
    lines = [TiledLine(length, TILE, step_for(TILE, 0.5), 0, 1) for length in shape]
    tiling = FilmTiling(*lines)
    for begin in (0, max(shape) // 2):
        strips = list(blended_strips(film, tiling, grey, batch_size=3, begin=begin))
        whole = np.concatenate(strips, axis=1)[0]
        wanted = (pixels if tiling.long_rows else pixels.T)[begin:] / 255
        assert np.abs(whole - wanted).max() < 1e-5


def test_tiles_with_the_full_halo_of_a_convolution_are_one_pass_away_from_the_border() -> None:
    import cv2

    pixels = np.random.default_rng(0).integers(0, 256, (150, 210), dtype=np.uint8)

    def blurred(batch: np.ndarray) -> Maps:  # type: ignore[type-arg]
        planes = [item[..., 0].astype(np.float32) for item in batch]
        each = [cv2.boxFilter(plane, -1, (13, 13), borderType=cv2.BORDER_CONSTANT) for plane in planes]
        return np.stack(each)[:, None] / 255

    film = FilmInput(ArrayFilm(pixels), Preprocessing(size=(64, 64)))
    lines = [TiledLine(length, 64, step_for(64, 0.0, halo=6), 6, 1) for length in pixels.shape]
    tiles = np.concatenate(list(blended_strips(film, FilmTiling(*lines), blurred, batch_size=4)), axis=1)[0].T
    one_pass = blurred(film.read(0, 0, 150, 210)[None])[0, 0]
    assert np.abs(tiles - one_pass).max() < 1e-4
    no_halo = [TiledLine(length, 64, 64, 0, 1) for length in pixels.shape]
    seams = np.concatenate(list(blended_strips(film, FilmTiling(*no_halo), blurred, batch_size=4)), axis=1)[0].T
    assert np.abs(seams - one_pass).max() > 0.05  # without a halo the zero padding of each tile is seen


def test_bytes_of_the_map_keep_thresholds_apart_exactly() -> None:
    exact = (0.5, 1e-5, 0.3178, 0.9991)
    levels = probability_levels(exact)
    assert (np.diff(levels) > 0).all()
    assert np.diff(levels).max() < 0.012
    for value in exact:
        just_under = np.nextafter(np.float32(value), np.float32(0))
        low, high = encode(np.array([just_under, value], np.float32), levels)
        assert high == low + 1


def facts(key: str = "one", shape: tuple[int, int] = (40, 90)) -> MapFacts:
    return MapFacts(key, ("pore",), shape, Affine(), tuple(float(value) for value in probability_levels()))


def test_a_map_is_gone_on_with_by_its_own_run_alone(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((1, 90, 40)).astype(np.float32)
    first = FilmMap.start(tmp_path, facts())
    first.append(values[:, :50])
    first.save_state()
    first.append(values[:, 50:60])  # not noted: the next run does it again
    again = FilmMap.start(tmp_path, facts())
    assert again.done == 50
    again.append(values[:, 50:])
    assert again.complete
    assert np.abs(again.read(0, 3, 7, 30, 60) - values[0, 7:67, 3:33].T).max() < 0.006
    assert FilmMap.start(tmp_path, facts(key="another")).done == 0


def test_a_map_whose_state_is_damaged_begins_anew(tmp_path: Path) -> None:
    FilmMap.start(tmp_path, facts()).save_state()
    (tmp_path / STATE_NAME).write_text("{")
    assert FilmMap.found(tmp_path) is None
    assert FilmMap.start(tmp_path, facts()).done == 0


def test_a_map_that_does_not_fit_the_disk_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int, offset: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(LoporeError, match=r"No space left on device.*free space"):
        FilmMap.start(tmp_path, facts())
    assert not list(tmp_path.iterdir())


def test_classes_that_exclude_each_other_have_a_plane_of_their_sum(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((3, 90, 40)).astype(np.float32) / 2  # of some pixels more than 1
    plain = facts()
    each = MapFacts("sum", ("crack", "pore", "slag"), plain.shape, plain.to_film, plain.levels, exclusive=True)
    film_map = FilmMap.start(tmp_path, each)
    film_map.append(values[:, :40])
    film_map.save_state()
    again = FilmMap.start(tmp_path, each)
    again.append(values[:, 40:])
    assert again.complete
    assert each.any_plane == 3
    assert np.abs(again.read(3, 0, 0, 40, 90) - values.sum(axis=0).clip(max=1).T).max() < 0.006
    assert np.abs(again.read(1, 0, 0, 40, 90) - values[1].T).max() < 0.006
    assert plain.any_plane is None
