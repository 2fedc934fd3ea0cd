"""A film in one convolutional pass: windows share features, large tiles with a halo are the one pass over the film."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made.learning import request
from torch_models import published, trained

from lopore.contracts import FreeSizeSession
from lopore.errors import ConfigError, ModelError
from lopore.inference import cover_film
from lopore.inference.film_dense import strip_scores, strips_of
from lopore.inference.tiling import TiledLine
from lopore.models.opening import OpenModel, open_model
from lopore.preprocessing.film_input import FilmInput
from lopore.reading.film_source import ArrayFilm
from lopore_torch.learner import TorchLearner


def film_of(model: OpenModel, height: int, width: int) -> FilmInput:
    """Grain with bright discs here and there."""
    rng = np.random.default_rng(0)
    values = rng.normal(90, 8, (height, width))
    rows, columns = np.mgrid[0:height, 0:width]
    for y, x in zip(rng.uniform(0, height, 6), rng.uniform(0, width, 6), strict=True):
        values[np.hypot(rows - y, columns - x) < 9] += 110
    return FilmInput(ArrayFilm(np.clip(values, 0, 255).astype(np.uint8)), model.record.preprocessing)


@pytest.fixture(scope="module")
def classifier() -> OpenModel:
    return open_model(trained("resnet18")[1])


@pytest.fixture(scope="module")
def unet(tmp_path_factory: pytest.TempPathFactory) -> OpenModel:
    asked = request("unet-small", task="segmentation", classes=("pore",), network_outputs=2, network_segmentation=True)
    return open_model(published(TorchLearner(asked), tmp_path_factory.mktemp("unet") / "unet"))


def test_a_window_of_its_own_has_the_scores_of_a_tile(classifier: OpenModel) -> None:
    session = classifier.session
    assert isinstance(session, FreeSizeSession)
    assert session.stride == 32
    tile = np.random.default_rng(0).integers(0, 256, (64, 64, 1), dtype=np.uint8)
    assert np.abs(session.window_scores(tile, (64, 64), [0], [0]) - session.predict(tile[None])).max() < 1e-5


def test_windows_come_row_after_row(classifier: OpenModel) -> None:
    session = classifier.session
    assert isinstance(session, FreeSizeSession)
    image = np.random.default_rng(0).integers(0, 256, (128, 192, 1), dtype=np.uint8)
    all_of_them = session.window_scores(image, (64, 64), [0, 64], [0, 32, 128])
    one = session.window_scores(image, (64, 64), [64], [32])
    assert all_of_them.shape == (6, 2)
    assert np.abs(all_of_them[4] - one[0]).max() < 1e-6
    with pytest.raises(ModelError, match="multiples of 32"):
        session.window_scores(image[:100], (64, 64), [0], [0])


@pytest.mark.parametrize(("height", "width"), [(150, 260), (260, 150), (64, 64), (40, 130)])
def test_both_ways_to_a_map_agree_and_their_difference_is_stated(
    classifier: OpenModel, tmp_path: Path, height: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lopore.inference.film_dense.STRIP_PIXELS", 40_000)
    film = film_of(classifier, height, width)
    maps = {}
    for mode in ("windows", "dense"):
        options = cover_film.CoverOptions(mode=mode)  # type: ignore[arg-type]
        found = cover_film.cover_film(classifier, film, tmp_path / mode, options)
        rows, columns = found.facts.shape
        maps[mode] = found.read(0, 0, 0, rows, columns)
    assert maps["dense"].shape == maps["windows"].shape
    assert np.abs(maps["dense"] - maps["windows"]).mean() < 0.2
    assert found.notes[0].startswith("dense: on ")


def test_a_dense_map_does_not_hang_on_how_the_film_is_cut_into_strips(classifier: OpenModel, tmp_path: Path) -> None:
    film, session = film_of(classifier, 96, 500), classifier.session
    assert isinstance(session, FreeSizeSession)
    tiling = cover_film.tiling_of(classifier, film, cover_film.CoverOptions(mode="dense"))
    count = len(tiling.along.starts)
    whole = strip_scores(film, tiling, session, range(count), 128)
    parts = [strip_scores(film, tiling, session, range(at, min(at + 3, count)), 128) for at in range(0, count, 3)]
    assert np.abs(np.concatenate(parts) - whole).max() < 0.05


def test_strips_hold_every_tile_once() -> None:
    line = TiledLine(1000, 64, 32, 0, 32)
    strips = strips_of(line, 10_000, 64)
    assert [number for first, last in strips for number in range(first, last)] == list(range(len(line.starts)))


def test_large_tiles_with_a_full_halo_are_one_pass_over_the_film(
    unet: OpenModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cover_film, "DENSE_TILE", 448)
    film = film_of(unet, 448, 768)
    options = cover_film.CoverOptions(mode="dense", halo=160)
    tiling = cover_film.tiling_of(unet, film, options)
    assert len(tiling.along.starts) > 1
    strips = list(cover_film.map_strips(unet, film, tiling, options, 0, lambda done, total: None))
    tiles = np.concatenate(strips, axis=1)[0].T
    one_pass = unet.session.segment(film.read(0, 0, 448, 768)[None])[0, 0]  # type: ignore[attr-defined]
    assert np.abs(tiles - one_pass).max() < 1e-4


def test_a_runtime_of_one_size_says_what_to_do_instead(classifier: OpenModel) -> None:
    class Fixed:
        def predict(self, batch: object) -> None: ...
        def close(self) -> None: ...

    model = replace(classifier, session=Fixed())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="use mode windows"):
        cover_film.tiling_of(model, film_of(model, 100, 100), cover_film.CoverOptions(mode="dense"))
