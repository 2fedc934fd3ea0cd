"""lopore from Python: the records are those of the commands, arrays go in as they are, and a notebook shows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made.models import publish_areas
from made.whole_films import disc, ground

import lopore
from lopore.errors import ConfigError, ImageError, ModelError
from lopore.record.folder import ModelFolder


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), np.tile(np.arange(0, 240, 3, np.uint8), (64, 1)))
    return path


@pytest.fixture
def model(model_folder: ModelFolder) -> Any:
    with lopore.open(model_folder.path) as opened:
        yield opened


def test_a_model_opens_by_folder_and_says_what_it_is(model: Any) -> None:
    assert repr(model) == (
        "<lopore model bright/1: torch/bright_or_dark, multiclass, classes no_defect, pore, opened by onnxruntime>"
    )
    assert model.classes == ("no_defect", "pore")


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="no model"):
        lopore.open("")
    with pytest.raises(ModelError, match="found none in"):
        lopore.open("nowhere/model.onnx")


def test_predict_of_a_path_is_what_the_command_prints(
    model: Any, model_folder: ModelFolder, film: Path, invoke: Callable[..., Any]
) -> None:
    printed = json.loads(invoke("predict", str(film), "--model", str(model_folder.path), "--json").stdout)
    answer = json.loads(model.predict(film).model_dump_json())
    shared = printed.keys() & answer.keys()
    assert {"scores", "decision", "sha256", "notes", "model"} <= shared
    assert {key: answer[key] for key in shared} == {key: printed[key] for key in shared}


def test_an_array_is_answered_as_the_same_file(model: Any, tmp_path: Path) -> None:
    pixels = (np.arange(64 * 96).reshape(64, 96) % 200).astype(np.uint8)
    before, path = pixels.copy(), tmp_path / "same.png"
    cv2.imwrite(str(path), pixels)
    one, other = model.predict(pixels), model.predict(path)
    assert one.scores == other.scores and one.depth == other.depth == 8
    assert np.array_equal(pixels, before)


def test_sixteen_bits_are_never_cut_to_eight_in_silence(model: Any) -> None:
    with pytest.raises(ConfigError, match="array has 16 bits and the model takes 8"):
        model.predict(np.full((64, 96), 40_000, np.uint16))


def test_colour_arrays_become_grey_as_colour_files_do(model: Any, tmp_path: Path) -> None:
    colour = np.random.default_rng(1).integers(0, 255, (40, 50, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "colour.png"), colour[:, :, ::-1])
    assert model.predict(colour).scores == pytest.approx(model.predict(tmp_path / "colour.png").scores, abs=1e-3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((8, 8), np.float32), "the array is float32; give uint8 or uint16"),
        (np.zeros((8, 8, 4), np.uint8), r"the array has shape \(8, 8, 4\)"),
        (np.zeros((0, 8), np.uint8), r"the array has shape \(0, 8\)"),
        (np.zeros((4, 4), np.uint8), "at least 8 x 8 are needed"),
    ],
)
def test_an_array_that_is_no_image_is_refused_in_one_line(model: Any, wrong: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        model.predict(wrong)


def test_many_files_are_answered_in_order_and_a_bad_one_stops_nothing(model: Any, film: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    first, second, third = model.predict_many([film, bad, film])
    assert isinstance(second, lopore.Failure) and first.scores == third.scores


def test_a_heat_map_has_the_size_of_its_image_and_draws_itself(model: Any, film: Path) -> None:
    heat = model.explain(film, class_name="pore", explainer="occlusion")
    assert heat.values.shape == (64, 80) and heat.overlay().shape == (64, 80, 3)
    assert heat.plot().get_title().startswith("pore, occlusion")
    with pytest.raises(ConfigError, match="no class 'crack'"):
        model.explain(film, class_name="crack")


def test_a_notebook_shows_names_as_text_and_loads_nothing(model: Any, film: Path) -> None:
    path = film.rename(film.with_name("<img src=x onerror=alert(1)>.png"))
    shown = model.predict(path)._repr_html_()
    assert "&lt;img src=x" in shown and "<img src=x" not in shown
    assert "http" not in shown and "data:image/jpeg;base64," in shown
    assert model.predict(path).plot().get_title()


def test_options_of_inspect_are_checked_with_near_names(model: Any, film: Path) -> None:
    with pytest.raises(ConfigError, match=r"treshold.*threshold"):
        model.inspect(film, treshold=0.4)


def test_a_film_is_inspected_from_an_array_with_mm_only_where_they_are_known(tmp_path: Path) -> None:
    pixels = ground(90, 160)
    disc(pixels, 60.5, 40.5, 12)
    with lopore.open(publish_areas(tmp_path / "areas").path) as areas:
        plain, known = areas.inspect(pixels), areas.inspect(pixels, mm_per_pixel=0.5)
    (mark,), (metric,) = plain.indications, known.indications
    assert mark.centre == pytest.approx((60.5, 40.5), abs=1) and mark.length_mm is None
    assert metric.length_mm == pytest.approx(metric.length_px * 0.5, abs=1e-3)
    assert lopore.FilmReport.from_json(known.to_json()).indications == known.indications
    assert "[mm]" in known._repr_html_() and "[px]" in plain._repr_html_()
    assert len(known.plot().lines) == 1


def test_index_split_and_train_are_the_commands(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, low in (("no_defect", 10), ("pore", 160)):
        (tmp_path / "films" / name).mkdir(parents=True)
        for number in range(6):
            image = rng.integers(low, low + 60, (48, 64), np.uint8)
            cv2.imwrite(str(tmp_path / "films" / name / f"W{number}{name[0]}_1.png"), image)
    films = lopore.index_films(tmp_path / "films", group_pattern=r"^(W\d+\w)_")
    assert sorted(films.class_counts) == ["no_defect", "pore"] and len(films) == 12
    parts = lopore.split_films(films, test=0.34, val=0.33)
    assert {row.split for row in parts.rows} == {"train", "val", "test"}
    with pytest.raises(ConfigError, match="the config"):
        lopore.train({"nonsense": 1})
