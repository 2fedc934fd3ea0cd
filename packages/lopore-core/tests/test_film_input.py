"""A film read in parts as the network sees it: any window holds the pixels of the whole film."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lopore.contracts import Enhancer, NoParams
from lopore.errors import ConfigError
from lopore.preprocessing import film_chain
from lopore.preprocessing.enhancement_chain import Chain, ChainStep
from lopore.preprocessing.film_input import FilmInput
from lopore.preprocessing.film_layers import ScaledLayer, blocks
from lopore.preprocessing.pipeline import percentile_limits, stretch_between
from lopore.preprocessing.resampling import resize
from lopore.reading.film_source import ArrayFilm
from lopore.record.preprocessing import Preprocessing, Window

RNG = np.random.default_rng(0)


def random_film(shape: tuple[int, int] = (83, 131), dtype: Any = np.uint16, **facts: Any) -> ArrayFilm:
    return ArrayFilm(RNG.integers(0, np.iinfo(dtype).max, shape, dtype=dtype), **facts)


def whole(film: ArrayFilm) -> Any:
    return film.read(0, 0, *film.shape)


def windows_of(shape: tuple[int, int], count: int = 25) -> list[tuple[int, int, int, int]]:
    tops, lefts = RNG.integers(0, shape[0], count), RNG.integers(0, shape[1], count)
    return [
        (int(y), int(x), int(RNG.integers(1, shape[0] - y + 1)), int(RNG.integers(1, shape[1] - x + 1)))
        for y, x in zip(tops, lefts, strict=True)
    ]


@pytest.mark.parametrize("shape", [(83, 131), (40, 66), (166, 262), (101, 97), (7, 300), (1, 1)])
def test_every_window_of_a_scaled_film_holds_the_pixels_of_the_whole(shape: tuple[int, int]) -> None:
    layer = ScaledLayer(random_film(), shape)
    whole = layer.read(0, 0, *shape)
    for y, x, height, width in windows_of(shape):
        assert np.array_equal(layer.read(y, x, height, width), whole[y : y + height, x : x + width])


@pytest.mark.parametrize("shape", [(40, 66), (166, 262), (101, 97)])
def test_a_scaled_film_is_resized_as_images_are(shape: tuple[int, int]) -> None:
    film = random_film()
    found = ScaledLayer(film, shape).read(0, 0, *shape)
    assert np.abs(found - resize(whole(film), shape)).max() < 0.51  # rounding, and the order of float32 sums


@pytest.mark.parametrize("shape", [(10, 1000), (1000, 10), (64, 64), (1, 1)])
def test_blocks_cover_a_film_once(shape: tuple[int, int]) -> None:
    seen = np.zeros(shape, int)
    for y, x, height, width in blocks(shape, pixels=500):
        seen[y : y + height, x : x + width] += 1
        assert height * width <= 500 or 1 in (height, width)
    assert (seen == 1).all()


def test_a_film_of_another_pitch_is_seen_at_the_size_that_the_network_learned() -> None:
    record = Preprocessing(depth=16, resize="tile", size=(64, 64), mm_per_pixel=0.1)
    film = FilmInput(random_film((80, 120), pixel_pitch_mm=0.05), record)
    assert (film.shape, film.factor, film.mm_per_pixel) == ((40, 60), 0.5, 0.1)
    assert film.to_film(60, 40) == (120, 80)
    assert not film.notes


def test_without_a_pitch_a_film_is_taken_at_its_own_pixels_and_the_notes_say_so() -> None:
    record = Preprocessing(depth=16, resize="tile", size=(64, 64), mm_per_pixel=0.1)
    film = FilmInput(random_film((80, 120)), record)
    assert (film.shape, film.mm_per_pixel) == ((80, 120), None)
    assert "not known" in film.notes[0]
    given = FilmInput(random_film((80, 120)), record, pitch_mm=0.05)
    assert given.shape == (40, 60)


def test_a_pitch_that_cannot_be_right_is_refused() -> None:
    record = Preprocessing(depth=16, resize="tile", size=(64, 64), mm_per_pixel=0.1)
    with pytest.raises(ConfigError, match=r"one of them is wrong"):
        FilmInput(random_film(pixel_pitch_mm=10.0), record)


def test_what_lies_beyond_the_film_is_mirrored_however_far() -> None:
    film = random_film((5, 7), np.uint8)
    seen = FilmInput(film, Preprocessing(size=(64, 64))).read(-3, 4, 30, 40)
    wanted = np.pad(whole(film), ((3, 22), (0, 37)), mode="reflect")[:30, 4:44]
    assert np.array_equal(seen[..., 0], wanted)


def test_a_percentile_window_is_that_of_the_whole_film() -> None:
    film = random_film((90, 50))
    record = Preprocessing(size=(64, 64), window=Window(mode="percentile", low=2, high=97))
    wanted = stretch_between(whole(film), *percentile_limits(whole(film), 2, 97), np.dtype(np.uint8))
    seen = FilmInput(film, record).read(10, 5, 30, 40)
    assert np.array_equal(seen[..., 0], wanted[10:40, 5:45])


def test_a_deep_film_is_not_cut_to_eight_bits_in_silence() -> None:
    with pytest.raises(ConfigError, match="16 bits and the model takes 8"):
        FilmInput(random_film(), Preprocessing(size=(64, 64)))


def test_an_enhancement_of_unknown_reach_is_made_on_the_whole_film_and_the_notes_say_so() -> None:
    flip = Enhancer(name="odd", summary="-", params=NoParams, apply=lambda pixels, params: pixels - pixels.min())
    chain = Chain((ChainStep(flip, NoParams(), "lopore"),))
    film = random_film((30, 40))
    seen = FilmInput(film, Preprocessing(depth=16, size=(64, 64)), chain)
    assert np.array_equal(seen.read(3, 4, 5, 6)[..., 0], (whole(film) - whole(film).min())[3:8, 4:10])
    assert "memory grows" in seen.notes[-1]


def test_an_enhancement_that_moves_pixels_is_refused_on_a_film() -> None:
    moves = Enhancer(
        name="odd", summary="-", params=NoParams, apply=lambda pixels, params: pixels, motion=lambda shape, params: None
    )  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="moves pixels"):
        film_chain.enhanced_layer(random_film(), Chain((ChainStep(moves, NoParams(), "lopore"),)))


def test_a_film_in_three_channels_repeats_its_grey() -> None:
    film = random_film((20, 20), np.uint8)
    seen = FilmInput(film, replace_channels(Preprocessing(size=(64, 64)))).read(0, 0, 20, 20)
    assert seen.shape == (20, 20, 3)
    assert np.array_equal(seen[..., 2], whole(film))


def replace_channels(record: Preprocessing) -> Preprocessing:
    return Preprocessing(**{**record.model_dump(), "channels": 3})


def test_a_deeper_record_keeps_the_fractions_of_the_means_that_a_coarser_scale_takes() -> None:
    pixels = np.full((64, 64), 100, np.uint8)
    pixels[::2] = 101
    record = Preprocessing(resize="tile", size=(32, 32), depth=16, mm_per_pixel=0.2)
    seen = FilmInput(ArrayFilm(pixels, pixel_pitch_mm=0.05), record).read(0, 0, 16, 16)
    assert np.abs(seen[2:-2].astype(float) / 257 - 100.5).max() < 0.01


def test_the_enhancements_of_the_record_are_applied_once_and_after_those_of_the_user() -> None:
    film = random_film(dtype=np.uint8)
    record = Preprocessing(size=(32, 32), channels=1, enhance=({"name": "unsharp-mask"},))
    user = Chain.parse(({"name": "invert"},))
    once = Chain.parse(({"name": "unsharp-mask"},)).apply(whole(film))[0]
    after = Chain.parse(({"name": "invert"}, {"name": "unsharp-mask"})).apply(whole(film))[0]
    seen = [FilmInput(film, record, chain).read(0, 0, *film.shape)[..., 0] for chain in (None, user)]
    np.testing.assert_array_equal(seen[0], once)
    np.testing.assert_array_equal(seen[1], after)
