"""Whole made films: equal bytes for equal seeds, truth where it is said to be, every imperfection, a data set."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lopore.arrays import IGNORE
from lopore.errors import ConfigError
from lopore.synthesis.film import make_film
from lopore.synthesis.physics import iron_attenuation_per_mm, tungsten_attenuation_per_mm
from lopore.synthesis.spec import MASK_CLASSES, Flaw
from lopore.synthesis.whole_film import WholeFilmSettings, whole_film, write_whole_films
from lopore.synthesis.whole_film.data_set import class_mask
from lopore.synthesis.whole_film.flaw_recipe import DRAWN_NUMBERS, draw_film_flaws
from lopore.synthesis.whole_film.recipe import sample_spec
from lopore.synthesis.whole_film.visibility import Visibility

SHORT = {"length_mm": 40.0, "height_mm": 30.0, "sound_share": 0.0}


def test_one_seed_makes_the_same_film_and_another_seed_another() -> None:
    films = [whole_film(seed, **SHORT) for seed in (4, 4, 5)]
    assert films[0].pixels.tobytes() == films[1].pixels.tobytes()
    assert films[0].indications == films[1].indications
    assert films[0].pixels.tobytes() != films[2].pixels.tobytes()


@pytest.mark.parametrize(("pitch", "depth"), [(0.05, 8), (0.1, 16), (0.2, 8)])
def test_size_pitch_and_depth_are_what_was_asked(pitch: float, depth: int) -> None:
    film = whole_film(7, length_mm=60.0, height_mm=24.0, pixel_pitch_mm=pitch, bit_depth=depth)
    assert film.pixels.shape == film.mask.shape == (round(24 / pitch), round(60 / pitch))
    assert film.pixels.dtype == (np.uint8 if depth == 8 else np.uint16)
    assert film.spec.pixel_pitch_mm == pitch


def test_every_indication_lies_in_its_box_and_the_mask_has_nothing_else() -> None:
    for seed in range(8):
        film = whole_film(seed, **SHORT)
        boxes = np.zeros(film.mask.shape, bool)
        for mark in film.indications:
            left, top, right, bottom = mark.box_px
            assert (film.mask[top:bottom, left:right] > 0).any()
            assert mark.depth_mm > 0 and mark.cnr >= 0
            boxes[top:bottom, left:right] = True
        assert not (film.mask[~boxes] > 0).any()


def test_all_numbers_of_the_recipe_are_drawn_and_no_other() -> None:
    met = set()
    for seed in range(150):
        rng = np.random.default_rng(seed)
        spec = sample_spec(WholeFilmSettings(length_mm=120), rng)
        met |= {flaw.iso_6520 for flaw in draw_film_flaws(spec, rng)}
    assert met == DRAWN_NUMBERS


def test_a_film_without_flaws_has_no_indication_and_the_share_of_sound_films_is_kept() -> None:
    film = whole_film(3, length_mm=30.0, sound_share=1.0)
    assert not film.indications and not film.mask.any()


def test_tungsten_is_lighter_and_a_pore_darker_than_the_weld_on_film() -> None:
    spec = sample_spec(WholeFilmSettings(length_mm=30, height_mm=30, bit_depth=16), np.random.default_rng(2))
    spec = spec.model_copy(update={"markings": spec.markings.model_copy(update={"first_wire": None, "letters": ()})})
    assert tungsten_attenuation_per_mm(spec.energy_kev) > 5 * iron_attenuation_per_mm(spec.energy_kev)
    grey = {}
    for kind in ("pore", "tungsten_inclusion"):
        flaw = Flaw(kind=kind, centre_mm=(spec.start_mm, 0.0), size_mm=(2.0, 2.0, 1.0))  # type: ignore[arg-type]
        film = make_film(spec, [flaw], np.random.default_rng(1))
        bare = make_film(spec, [], np.random.default_rng(1))
        change = film.pixels.astype(np.float64) - bare.pixels
        grey[kind] = change[film.mask > 0].mean()
        assert film.flaws[0].contrast * grey[kind] < 0  # more light, less grey
    assert grey["pore"] < 0 < grey["tungsten_inclusion"]


def test_detectability_is_the_measured_contrast_over_noise_of_a_large_pore() -> None:
    spec = sample_spec(WholeFilmSettings(length_mm=30, height_mm=30, bit_depth=16), np.random.default_rng(11))
    quiet = spec.markings.model_copy(
        update={"letters": (), "first_wire": None, "scratches": 0, "dust": 0, "film_edge": False, "spatter": 0}
    )
    spec = spec.model_copy(update={"markings": quiet, "fall_off": 0.0, "unevenness": 0.0})
    flaw = Flaw(kind="pore", centre_mm=(spec.start_mm, 0.0), size_mm=(4.0, 4.0, 1.0))
    film, bare = (make_film(spec, flaws, np.random.default_rng(1)) for flaws in ([flaw], []))
    x, y = (round(value) for value in film.flaws[0].centre_px)
    signal = abs(float((film.pixels.astype(np.float64) - bare.pixels)[y - 2 : y + 3, x - 2 : x + 3].mean()))
    second = cv2.filter2D(bare.pixels.astype(np.float64), -1, np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], float))
    noise = np.abs(second[y - 20 : y + 20, x - 20 : x + 20]).mean() * np.sqrt(np.pi / 2) / 6
    assert Visibility.of(spec).cnr(flaw) == pytest.approx(signal / noise, rel=0.5)  # grain is smeared a little
    smaller = replace(flaw, size_mm=(0.5, 0.5, 1.0))
    assert Visibility.of(spec).detectability(smaller) < Visibility.of(spec).detectability(flaw)


def test_a_data_set_is_labelled_as_its_masks_are_and_marks_out_of_sight_do_not_count(tmp_path: Path) -> None:
    wanted = ["pore", "crack"]
    folder = write_whole_films(tmp_path / "set", 6, 2, classes=wanted, margin_px=1, validation=2, **SHORT)
    with (folder / "labels.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["split"] for row in rows] == ["train"] * 4 + ["val"] * 2
    for row in rows:
        mask = cv2.imread(str(folder / row["mask"]), cv2.IMREAD_UNCHANGED)
        names = {("crack", "pore")[value - 1] for value in np.unique(mask) if 0 < value < IGNORE}
        assert names == set(row["labels"].split("|")) - {"no_defect"}
    film = whole_film(1, **SHORT)
    unseen = replace(film, indications=tuple(replace(mark, detectability=0.0) for mark in film.indications))
    assert set(np.unique(class_mask(unseen, MASK_CLASSES[1:], 0))) <= {0, IGNORE}


@pytest.mark.parametrize("wrong", [{"length_mm": 3}, {"receptor": "eye"}, {"colour": 1}, {"bit_depth": 12}])
def test_a_setting_that_cannot_be_is_refused_in_one_line(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="WholeFilmSettings") as caught:
        whole_film(0, **wrong)
    assert "\n" not in str(caught.value)


def test_classes_that_are_not_made_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose from"):
        write_whole_films(tmp_path / "set", 2, classes=["rust"])
    with pytest.raises(ConfigError, match="1 film or more"):
        write_whole_films(tmp_path / "set", 2, validation=2)
