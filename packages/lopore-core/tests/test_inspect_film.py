"""A film becomes indications of known place and size, whatever its tiles, turn and pitch."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from made.models import bright_areas, publish, publish_areas, record_for
from made.whole_films import bar, disc, ground
from numpy.typing import NDArray

from lopore.data.appearance import Appearance
from lopore.data.likeness import fit_likeness
from lopore.errors import ConfigError
from lopore.indications.film_inspection import FilmInspection
from lopore.indications.indication import Indication
from lopore.indications.inspect_film import inspect_film
from lopore.indications.options import Excluded, InspectionOptions
from lopore.inference.cover_film import Cancelled
from lopore.inference.film_map import FilmMap
from lopore.models.opening import OpenModel, open_model
from lopore.reading.film_source import ArrayFilm
from lopore.record.model import Threshold
from lopore.record.preprocessing import Preprocessing

PORES = [(40.5, 30.5, 8), (100, 61, 13), (250.25, 95.75, 25), (310, 20, 10)]
LINE = ((60.0, 110.0), (220.0, 118.0), 6)


@pytest.fixture(scope="module")
def areas(tmp_path_factory: pytest.TempPathFactory) -> OpenModel:
    """Brightness is the probability of a pore."""
    return open_model(publish_areas(tmp_path_factory.mktemp("models") / "areas"))


def made_film(scale: float = 1.0) -> NDArray[np.uint8]:
    pixels = ground(round(140 * scale), round(347 * scale))
    for x, y, diameter in PORES:
        disc(pixels, x * scale, y * scale, diameter * scale)
    (x0, y0), (x1, y1), width = LINE
    bar(pixels, (x0 * scale, y0 * scale), (x1 * scale, y1 * scale), round(width * scale))
    return pixels


def nearest(found: FilmInspection, x: float, y: float) -> Indication:
    return min(found.indications, key=lambda mark: math.dist(mark.centre, (x, y)))


def sizes(found: FilmInspection) -> list[tuple[float, float, float]]:
    return sorted((mark.area_px, mark.length_px, mark.width_px) for mark in found.indications)


def check(found: FilmInspection) -> None:
    """Place within 1 px, length within 2 px or 2 %, area within 5 %."""
    assert len(found.indications) == len(PORES) + 1
    for x, y, diameter in PORES:
        mark = nearest(found, x, y)
        assert math.dist(mark.centre, (x, y)) < 1
        assert abs(mark.length_px - diameter) < 2
        assert abs(mark.width_px - diameter) < 2
        assert mark.area_px == pytest.approx(math.pi * diameter**2 / 4, rel=0.05)
        assert mark.diameter_px == pytest.approx(diameter, rel=0.03)
    (x0, y0), (x1, y1), width = LINE
    mark = nearest(found, (x0 + x1) / 2, (y0 + y1) / 2)
    assert math.dist(mark.centre, ((x0 + x1) / 2, (y0 + y1) / 2)) < 1
    length = math.dist((x0, y0), (x1, y1)) + width
    assert abs(mark.length_px - length) < max(2, 0.02 * length)
    assert abs(mark.width_px - width) < 2
    assert mark.orientation_deg == pytest.approx(math.degrees(math.atan2(y0 - y1, x1 - x0)), abs=1.5)


def test_a_film_unlike_those_of_training_is_told_by_its_tiles(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    films = [np.rint(rng.normal(90, 8, (64, 160))).clip(0, 255).astype(np.uint8) for _ in range(40)]
    tiles = [Appearance.of(film[:32, left : left + 32, None]) for film in films for left in (0, 64, 128)]
    grey, likeness = fit_likeness(tiles, np.repeat(np.arange(40), 3), whole_films=True)
    plan = Preprocessing(size=(32, 32), resize="tile")
    record = record_for(
        name="areas", task="segmentation", classes=("pore", "slag"), preprocessing=plan, training_grey=grey,
        likeness=likeness, threshold=Threshold(value=0.6, rule="f1", chosen_on="val"),
    )  # fmt: skip
    model = open_model(publish(tmp_path / "areas", bright_areas(), record))
    assert not [one for one in inspect_film(model, ArrayFilm(films[0])).doubts if one.kind == "appearance"]
    soft = cv2.GaussianBlur(films[0], (0, 0), 2)
    found = inspect_film(model, ArrayFilm(np.asarray(soft)))
    assert not found.judged
    (told,) = [one.text for one in found.doubts if "less sharp" in one.text]
    assert told.endswith("At most 5% of films like them are marked so (40 training films, held out in folds).")


@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
def test_a_made_film_gives_its_marks_with_their_place_and_size(areas: OpenModel, overlap: float) -> None:
    check(inspect_film(areas, ArrayFilm(made_film()), options=InspectionOptions(overlap=overlap)))


def test_a_film_turned_by_180_degrees_gives_the_same_table(areas: OpenModel) -> None:
    film = made_film()
    found = inspect_film(areas, ArrayFilm(film))
    turned = inspect_film(areas, ArrayFilm(film[::-1, ::-1].copy()))
    for mark in found.indications:
        other = nearest(turned, film.shape[1] - mark.centre[0], film.shape[0] - mark.centre[1])
        assert math.dist(other.centre, (film.shape[1] - mark.centre[0], film.shape[0] - mark.centre[1])) < 0.02
        assert (other.area_px, other.length_px, other.width_px) == (mark.area_px, mark.length_px, mark.width_px)
        assert other.orientation_deg == pytest.approx(mark.orientation_deg, abs=0.11)


def test_a_film_standing_upright_gives_the_same_sizes(areas: OpenModel) -> None:
    film = made_film()
    found = inspect_film(areas, ArrayFilm(film))
    upright = inspect_film(areas, ArrayFilm(np.ascontiguousarray(film.T)))
    sizes = [
        sorted((mark.area_px, mark.length_px, mark.width_px) for mark in each.indications) for each in (found, upright)
    ]
    assert sizes[0] == sizes[1]
    assert upright.film.height == found.film.width


def test_a_film_cut_at_another_place_gives_the_same_marks(areas: OpenModel) -> None:
    film = made_film()
    found = inspect_film(areas, ArrayFilm(film))
    cut = inspect_film(areas, ArrayFilm(film[7:, 13:].copy()))
    for mark in found.indications:
        other = nearest(cut, mark.centre[0] - 13, mark.centre[1] - 7)
        assert other.centre == pytest.approx((mark.centre[0] - 13, mark.centre[1] - 7), abs=0.01)
        assert (other.area_px, other.length_px) == (mark.area_px, mark.length_px)


def test_a_film_scanned_twice_as_fine_gives_the_same_table_in_mm(tmp_path: Path) -> None:
    plan = Preprocessing(size=(32, 32), resize="tile", mm_per_pixel=0.1)
    record = record_for(
        name="areas", task="segmentation", classes=("pore", "slag"), preprocessing=plan,
        threshold=Threshold(value=0.5, rule="f1", chosen_on="val"),
    )  # fmt: skip
    model = open_model(publish(tmp_path / "scaled", bright_areas(), record))
    coarse = inspect_film(model, ArrayFilm(made_film(), pixel_pitch_mm=0.1))
    fine = inspect_film(model, ArrayFilm(made_film(2.0), pixel_pitch_mm=0.05))
    assert len(fine.indications) == len(coarse.indications) == len(PORES) + 1
    for mark in coarse.indications:
        other = min(
            fine.indications, key=lambda each: math.dist(each.position_mm or (0, 0), mark.position_mm or (0, 0))
        )
        assert other.position_mm == pytest.approx(mark.position_mm, abs=0.05)
        assert other.length_mm == pytest.approx(mark.length_mm, abs=0.2)
        assert other.area_mm2 == pytest.approx(mark.area_mm2, rel=0.05)
    assert (fine.scale.factor, fine.film.pixel_pitch_mm) == (0.5, 0.05)


def test_millimetres_are_never_invented(areas: OpenModel) -> None:
    found = inspect_film(areas, ArrayFilm(made_film()))
    assert {mark.length_mm for mark in found.indications} == {None}
    assert found.film.pixel_pitch_mm is None
    with pytest.raises(ConfigError, match=r"not known.*--mm-per-pixel"):
        inspect_film(areas, ArrayFilm(made_film()), options=InspectionOptions(minimum_length_mm=1))
    given = inspect_film(areas, ArrayFilm(made_film()), options=InspectionOptions(mm_per_pixel=0.05))
    assert given.film.pitch_from == "given by the user"
    assert {mark.length_mm == pytest.approx(mark.length_px * 0.05, abs=1e-3) for mark in given.indications} == {True}


def test_filters_set_marks_aside_with_the_reason(areas: OpenModel) -> None:
    options = InspectionOptions(
        minimum_length_px=11, exclude=(Excluded(box=(230, 70, 280, 120), reason="lead letter B"),)
    )
    found = inspect_film(areas, ArrayFilm(made_film()), options=options)
    reasons = sorted(item.reason for item in found.set_aside)
    assert len(found.indications) == 2
    assert reasons[0].startswith("in an excluded area: lead letter B")
    assert all("shorter than 11 px" in reason for reason in reasons[1:])
    numbers = [mark.id for mark in found.indications] + [item.indication.id for item in found.set_aside]
    assert sorted(numbers) == list(range(1, len(PORES) + 2))


def test_a_region_counts_only_where_it_reaches_the_threshold(areas: OpenModel) -> None:
    pixels = ground(64, 64)
    pixels[10:20, 10:20] = round(0.55 * 255)
    pixels[40:50, 40:50] = round(0.55 * 255)
    pixels[44, 44] = round(0.7 * 255)
    (mark,) = inspect_film(areas, ArrayFilm(pixels)).indications
    assert mark.box == (40, 40, 50, 50)
    assert 80 <= mark.area_px <= 100  # the edge lies where the probability passes 0.5, between two pixels
    assert mark.peak == pytest.approx(0.7, abs=0.01)


def test_zero_indications_are_an_answer(areas: OpenModel) -> None:
    found = inspect_film(areas, ArrayFilm(ground(50, 90)))
    assert found.indications == ()
    assert FilmInspection.from_json(found.to_json()) == found


def test_the_record_survives_json(areas: OpenModel) -> None:
    found = inspect_film(areas, ArrayFilm(made_film(), pixel_pitch_mm=0.04))
    assert FilmInspection.from_json(found.to_json()) == found


def test_a_stopped_run_goes_on_where_it_was(areas: OpenModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lopore.inference.cover_film.STATE_SECONDS", 0.0)
    film, asked = ArrayFilm(made_film()), []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 6

    options = InspectionOptions(batch_size=4)
    with pytest.raises(Cancelled, match="run it again to go on"):
        inspect_film(areas, film, options=options, work_folder=tmp_path / "work", cancelled=stop)
    there = FilmMap.found(tmp_path / "work")
    assert there is not None
    assert 0 < there.done < 347
    ticks: list[int] = []
    again = inspect_film(
        areas, film, options=options, work_folder=tmp_path / "work",
        progress=lambda stage, done, total: ticks.append(done) if stage == "map" else None,
    )  # fmt: skip
    whole = inspect_film(areas, film, options=options)
    assert ticks[0] > 4
    assert again.indications == whole.indications


def test_a_patch_classifier_of_fixed_size_covers_a_film(model_folder_of_tiles: OpenModel) -> None:
    pixels = ground(96, 160, level=20)
    pixels[32:64, 96:128] = 250
    found = inspect_film(model_folder_of_tiles, ArrayFilm(pixels), options=InspectionOptions(threshold=0.9))
    (mark,) = found.indications
    assert mark.class_name == "pore"
    assert math.dist(mark.centre, (112, 48)) < 4
    assert any("as coarse as its tiles" in note for note in found.notes)


@pytest.fixture
def model_folder_of_tiles(tmp_path: Path) -> OpenModel:
    """``bright_or_dark``: tiles of 16 x 16 px are sound or pore by their mean grey."""
    return open_model(publish(tmp_path / "bright", record=record_for()))


def test_a_mark_between_two_classes_is_one_mark_named_by_the_larger_share(tmp_path: Path) -> None:
    """Brightness speaks for a pore by two thirds and for slag by a third: neither reaches 0.7 alone."""
    plan = Preprocessing(size=(32, 32), resize="tile")
    record = record_for(
        name="areas", task="segmentation", classes=("pore", "slag"), preprocessing=plan,
        threshold=Threshold(value=0.7, rule="f1", chosen_on="val"),
    )  # fmt: skip
    model = open_model(publish(tmp_path / "areas", bright_areas(lines=((0.6, 0.0), (0.3, 0.0))), record))
    film = ground(60, 130)
    disc(film, 50, 30, 16, level=250)
    (mark,) = inspect_film(model, ArrayFilm(film)).indications
    assert mark.class_name == "pore"
    assert mark.peak == pytest.approx(0.9 * 250 / 255, abs=0.01)
    assert mark.class_share == pytest.approx(2 / 3, abs=0.01)
    assert mark.area_px == pytest.approx(math.pi * 16**2 / 4, rel=0.05)
