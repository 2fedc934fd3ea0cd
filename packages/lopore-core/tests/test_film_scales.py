"""A film shown at several scales: one map of the two surest, wherever the strips end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made.models import publish_areas
from made.runs import config
from made.whole_films import disc, ground
from numpy.typing import NDArray

from lopore.errors import ConfigError
from lopore.indications.inspect_film import inspect_film
from lopore.inference.cover_film import Cancelled, CoverOptions, cover_film, map_strips, tiling_of
from lopore.models.opening import OpenModel, open_model
from lopore.preprocessing.film_input import FilmInput
from lopore.reading.film_source import ArrayFilm
from lopore.training.check_settings import check_settings


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> OpenModel:
    """Brightness is the probability of a pore."""
    return open_model(publish_areas(tmp_path_factory.mktemp("models") / "areas"))


def at_scales(model: OpenModel, *scales: float) -> OpenModel:
    record = model.record.model_copy(update={"tta_scales": scales})
    return replace(model, folder=replace(model.folder, record=record))


def mapped(model: OpenModel, pixels: NDArray[np.uint8], begin: int = 0) -> NDArray[np.float32]:
    """The whole map from ``begin`` on, (K, height, width)."""
    film, options = FilmInput(ArrayFilm(pixels), model.record.preprocessing), CoverOptions()
    tiling = tiling_of(model, film, options)
    strips = list(map_strips(model, film, tiling, options, begin, lambda done, total: None))
    whole = np.concatenate(strips, axis=1)
    return whole if tiling.long_rows else whole.swapaxes(1, 2)


@settings(max_examples=12)
@given(
    st.integers(40, 150), st.integers(40, 150), st.sampled_from([0.5, 0.7, 1.4, 2.0]), st.floats(0, 1),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_scales_join_to_one_map_whatever_their_strips(
    single: OpenModel, height: int, width: int, scale: float, begin: float, seed: int
) -> None:
    """A smooth film looks alike at each scale, so the map is near that of one; and another begin changes nothing."""
    rows, columns = np.mgrid[:height, :width]
    phase = np.random.default_rng(seed).uniform(0, 6)
    pixels = np.rint(128 + 60 * np.sin(rows / 19 + phase) * np.cos(columns / 23)).astype(np.uint8)
    one, two = mapped(single, pixels), mapped(at_scales(single, scale), pixels)
    assert one.shape == two.shape
    assert np.abs(two - one)[:, 3:-3, 3:-3].max() < 0.03
    start = int(begin * (max(pixels.shape) - 1))
    rest = mapped(at_scales(single, scale), pixels, start)
    np.testing.assert_allclose(rest, two[:, start:] if height >= width else two[:, :, start:], atol=1e-5)


def test_a_mark_keeps_its_place_and_size_at_every_scale(single: OpenModel) -> None:
    pixels = ground(140, 347)
    disc(pixels, 100, 61, 13)
    film = ArrayFilm(pixels)
    (one,) = inspect_film(single, film).indications
    (two,) = inspect_film(at_scales(single, 0.7, 1.4), film).indications
    np.testing.assert_allclose(two.centre, one.centre, atol=0.3)
    assert abs(two.length_px - one.length_px) < 1.5
    assert two.area_px == pytest.approx(one.area_px, rel=0.12)


def test_progress_counts_the_tiles_of_every_scale(single: OpenModel) -> None:
    pixels = ground(140, 347)
    told: list[tuple[int, int]] = []
    model = at_scales(single, 2.0)
    film, options = FilmInput(ArrayFilm(pixels), model.record.preprocessing), CoverOptions()
    sparse = CoverOptions(overlap=options.overlap / 2)
    tiles = [tiling_of(model, film, options).count, tiling_of(model, film.scaled(2.0), sparse).count]
    list(map_strips(model, film, tiling_of(model, film, options), options, 0, lambda *state: told.append(state)))
    assert {total for _, total in told} == {sum(tiles)}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == sum(tiles)


def test_a_stopped_run_of_several_scales_ends_as_one_that_never_was(single: OpenModel, tmp_path: Path) -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (90, 700), dtype=np.uint8)
    model = at_scales(single, 0.6, 1.4)
    film = FilmInput(ArrayFilm(pixels), model.record.preprocessing)
    whole = cover_film(model, film, tmp_path / "whole")

    def stop(done: int, total: int) -> None:
        if done > total // 2:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        cover_film(model, film, tmp_path / "stopped", tick=stop)
    resumed = cover_film(model, film, tmp_path / "stopped")
    assert whole.complete and resumed.complete
    np.testing.assert_array_equal(whole.strip(0, 0, 700), resumed.strip(0, 0, 700))


def test_a_map_of_other_scales_is_not_gone_on_with(single: OpenModel, tmp_path: Path) -> None:
    film = FilmInput(ArrayFilm(ground(90, 300)), single.record.preprocessing)
    done = cover_film(single, film, tmp_path).facts.key
    assert cover_film(at_scales(single, 1.4), film, tmp_path).facts.key != done


@pytest.mark.usefixtures("softmax")
def test_scales_are_for_models_of_tiles(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"tta_scales has 1; allowed are 0\.25 to 4, but 1, which is always seen"):
        config(tmp_path, training__tta_scales=[1.0])
    with pytest.raises(ConfigError, match=r"with preprocessing\.resize 'stretch' each image has one size"):
        check_settings(config(tmp_path, training__tta_scales=[1.4]))
