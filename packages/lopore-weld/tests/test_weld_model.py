"""The shipped model: whole, small, opened by ONNX Runtime alone, and it finds made pores where they lie."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import cv2
import numpy as np
import pytest

import lopore_weld
from lopore.indications import InspectionOptions, inspect_film
from lopore.inference.film_doubts import film_turned
from lopore.models.catalogue import find_models, locate_model
from lopore.models.opening import OpenModel, open_model
from lopore.preprocessing.enhancement_chain import Chain
from lopore.preprocessing.film_input import FilmInput
from lopore.reading.film_source import ArrayFilm
from lopore.reading.windows import open_film
from lopore.record.folder import ModelFolder
from lopore.synthesis.film import make_film
from lopore.synthesis.spec import FilmSpec, Flaw, Seam
from lopore.synthesis.whole_film import whole_film

PORES_MM = ((-24.0, 0.0), (-8.0, 2.0), (9.0, -2.0), (25.0, 1.0))


@pytest.fixture(autouse=True)
def _no_models_of_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LOPORE_BLOCK", raising=False)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def opened() -> OpenModel:
    return open_model(ModelFolder.read(lopore_weld.MODELS), runtime="onnxruntime", threads=1)


def test_the_sums_of_all_files_are_those_of_the_record() -> None:
    folder = ModelFolder.read(lopore_weld.MODELS)
    assert set(folder.record.formats) == {"onnx", "pth"}
    assert list(folder.damaged_files()) == []
    assert sum(path.stat().st_size for path in folder.path.iterdir()) < 10e6


def test_it_is_found_by_name_through_its_entry_point() -> None:
    assert {entry.value for entry in entry_points(group="lopore.models", name="weld")} == {"lopore_weld:MODELS"}
    assert locate_model("weld").path == lopore_weld.MODELS
    assert lopore_weld.MODELS in [item.path for item in find_models()]


def test_its_score_is_of_marks_on_real_films_not_of_made_tiles() -> None:
    record = ModelFolder.read(lopore_weld.MODELS).record
    assert record.main_score is not None
    assert (record.main_score[0], set(record.metrics)) == ("hits", {"hits"})
    assert record.metrics_split == "7 real films at 2 false calls a film"


def test_it_opens_without_a_deep_learning_framework() -> None:
    code = (
        "import sys; from lopore.models.opening import open_model; from lopore.models.catalogue import locate_model; "
        "model = open_model(locate_model('weld'), runtime='onnxruntime'); "
        "assert model.format == 'onnx', model.format; "
        "assert not {'torch', 'tensorflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def made_film(folder: Path, *, flaws: bool) -> tuple[Path, list[tuple[float, float]]]:
    """A film of 70 x 30 mm at 0.05 mm a pixel, and the places of its pores in pixels."""
    spec = FilmSpec(
        size=(600, 1400), pixel_pitch_mm=0.05, plate_thickness_mm=12.0, quanta=30_000.0, grain_size_mm=0.03,
        seam=Seam(seed=3, width_mm=14.0, cap_mm=2.5, ripple_mm=0.05, lumps_mm=0.1),
    )  # fmt: skip
    pores = [Flaw(kind="pore", centre_mm=place, size_mm=(1.2, 1.0, 1.0)) for place in PORES_MM] if flaws else []
    film = make_film(spec, pores, np.random.default_rng(7))
    path = folder / "film.png"
    cv2.imwrite(str(path), film.pixels)
    return path, [truth.centre_px for truth in film.flaws]


def test_made_pores_are_found_at_their_places_and_a_sound_film_stays_quiet(opened: OpenModel, tmp_path: Path) -> None:
    counts = {}
    for flaws in (True, False):
        path, places = made_film(tmp_path, flaws=flaws)
        with open_film(path, mm_per_pixel=0.05) as film:
            found = inspect_film(opened, film, options=InspectionOptions(overlap=0.25))
        counts[flaws] = len(found.indications)
        for x, y in places:
            near = min(np.hypot(mark.centre[0] - x, mark.centre[1] - y) for mark in found.indications)
            assert near < 10  # half a millimetre
    assert counts[False] <= 1
    assert counts[True] <= len(PORES_MM) + 2


def test_an_inverted_film_cannot_be_judged_and_the_film_as_it_is_can() -> None:
    record, turn = ModelFolder.read(lopore_weld.MODELS).record, Chain.parse([{"name": "invert"}])
    told = {"as it is": 0, "inverted": 0, "inverted twice": 0}
    for seed in range(4, 14):
        pixels = whole_film(seed, length_mm=100.0, pixel_pitch_mm=0.1).pixels
        negative = np.asarray(np.iinfo(pixels.dtype).max - pixels, pixels.dtype)
        for how, seen, chain in (
            ("as it is", pixels, None),
            ("inverted", negative, None),
            ("inverted twice", negative, turn),
        ):
            film = FilmInput(ArrayFilm(seen, pixel_pitch_mm=0.1), record.preprocessing, chain)
            told[how] += any(doubt.blocks for doubt in film_turned(record, film))
    assert told["as it is"] == told["inverted twice"] == 0
    assert told["inverted"] >= 4  # of ten; a film without letters and wires has no plain side
