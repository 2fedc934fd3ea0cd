"""Image quality of made films with a known answer: noise, contrast, clipped and dead pixels, lines, wires."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from made.images import Array

from lopore.reading.film_source import ArrayFilm
from lopore.reading.grey_survey import survey_greys
from lopore.reading.image_quality import (
    Region,
    assess,
    contrast_to_noise,
    quality_along,
    signal_to_noise,
)
from lopore.reading.line_marks import find_lines
from lopore.reading.windows import open_film
from lopore.reading.wire_indicator import DIAMETERS_MM, WireIndicator, find_wires

PITCH = 0.05


def plate(height: int = 600, width: int = 1400, noise: float = 40.0, seed: int = 1) -> Array:
    """A detector's image of a plate with a thicker seam along its rows: 16 bits, signal 20000, seam 12000."""
    generator = np.random.default_rng(seed)
    y = np.arange(height)[:, None] / height
    signal = 20000 - 8000 * np.exp(-(((y - 0.5) / 0.12) ** 2)) + 600 * np.sin(np.arange(width)[None] / 300)
    blurred = cv2.GaussianBlur(signal, (0, 0), 2)
    image: Array = (blurred + generator.normal(0, noise, signal.shape)).round().astype(np.uint16)
    return image


def detector(pixels: Array, **facts: float) -> ArrayFilm:
    return ArrayFilm(pixels, polarity="detector", **facts)  # type: ignore[arg-type]


def test_snr_is_signal_over_noise_and_a_slope_is_no_noise() -> None:
    film = detector(plate(), pixel_pitch_mm=PITCH)
    found = signal_to_noise(film, Region(100, 20, 500, 120), resolution_um=100.0, resolution_source="duplex wire")
    assert found.noise == pytest.approx(40, rel=0.05)
    assert found.ratio == pytest.approx(found.signal / 40, rel=0.05)
    assert found.normalised == pytest.approx(found.ratio * 88.6 / 100)
    assert (found.resolution_um, found.resolution_source) == (100.0, "duplex wire")


def test_snrn_without_a_measured_resolution_is_a_bound_and_says_so() -> None:
    region = Region(100, 20, 500, 120)
    found = signal_to_noise(detector(plate(), pixel_pitch_mm=PITCH), region)
    assert found.normalised == pytest.approx(found.ratio * 88.6 / 50)
    assert found.resolution_source is not None
    assert "SNRn is at most this" in found.resolution_source
    unknown = signal_to_noise(detector(plate()), region)
    assert (unknown.normalised, unknown.resolution_um, unknown.resolution_source) == (None, None, None)


def test_signal_of_a_film_grows_with_dose_and_unknown_polarity_is_said() -> None:
    region, image = Region(100, 20, 500, 120), plate()
    as_film = signal_to_noise(ArrayFilm(65535 - image, polarity="film"), region)
    assert as_film.ratio == pytest.approx(signal_to_noise(detector(image), region).ratio)
    assert any("does not say whether" in note for note in signal_to_noise(ArrayFilm(image), region).notes)


def test_snr_of_one_grey_and_of_too_small_regions() -> None:
    even = detector(np.full((100, 100), 900, np.uint16))
    assert math.isinf(signal_to_noise(even, Region(0, 0, 100, 60)).ratio)
    with pytest.raises(ValueError, match="20 x 55"):
        signal_to_noise(even, Region(0, 0, 54, 54))
    with pytest.raises(ValueError, match="is not on"):
        signal_to_noise(even, Region(50, 50, 150, 150))


def test_cnr_is_the_step_over_the_noise_and_is_followed_along_the_seam() -> None:
    film = detector(plate())
    found = contrast_to_noise(film, Region(200, 290, 260, 310), Region(200, 20, 400, 80))
    assert found.ratio == pytest.approx(abs(found.contrast) / 40, rel=0.05)
    assert found.contrast == pytest.approx(-7900, rel=0.05)
    stretches = quality_along(film, (280, 320), (20, 100), stretch=350)
    assert [stretch.x0 for stretch in stretches] == [0, 350, 700, 1050]
    for stretch in stretches:
        assert stretch.beside.ratio == pytest.approx(stretch.beside.signal / 40, rel=0.06)
        assert stretch.contrast.contrast < -7000


def test_used_and_clipped_greys_are_counted() -> None:
    image = plate()
    film = survey_greys(detector(image))
    assert (film.lowest, film.highest) == (int(image.min()), int(image.max()))
    assert film.clipped_at == ()
    assert film.range_used == pytest.approx((film.usual[1] - film.usual[0] + 1) / 65536)
    clipped = np.minimum(image, 20100)
    found = survey_greys(detector(clipped))
    assert [value for value, _ in found.clipped_at] == [20100]
    assert found.clipped_at[0][1] == pytest.approx((clipped == 20100).mean())
    few = assess(detector((image >> 8).astype(np.uint8)))
    assert any("grey values are in use" in note for note in few.notes)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_dead_pixels_are_found_where_they_lie_and_flaws_are_none(dtype: type[np.generic]) -> None:
    image = plate(1300, 4500)
    places = [(100, 100), (4095, 510), (4096, 514), (3000, 700), (4400, 1290), (511, 1023)]
    for x, y in places:
        image[y, x] = 65535 if (x + y) % 2 else 0
    cv2.circle(image, (1500, 300), 6, 9000, -1)
    cv2.line(image, (200, 900), (420, 960), 30000, 1)
    if dtype == np.uint8:
        image = (image >> 8).astype(np.uint8)
    found = survey_greys(detector(image))
    assert sorted(found.dead_places) == sorted(places)
    assert found.dead_pixels == len(places)


def test_dead_columns_and_rows_are_found() -> None:
    image = plate()
    assert survey_greys(detector(image)).dead_columns == ()
    image[:, 700] += 60
    image[250, :] -= 300
    found = survey_greys(detector(image))
    assert found.dead_columns == (700,)
    assert found.dead_rows == (250,)


def test_scratches_are_found_and_called_sharp() -> None:
    image = plate(700, 1300)
    assert find_lines(detector(image)) == ()
    cv2.line(image, (300, 100), (520, 180), 26000, 1)
    lines = find_lines(detector(image))
    assert len(lines) == 1
    assert lines[0].sharp
    assert lines[0].brighter
    ends = sorted((lines[0].start, lines[0].end))
    np.testing.assert_allclose(ends, [(300, 100), (520, 180)], atol=4)
    assert any("sharper than radiation draws" in note for note in assess(detector(image)).notes)


def test_a_film_is_assessed_whole_and_its_region_is_named() -> None:
    found = assess(detector(plate(), pixel_pitch_mm=PITCH))
    assert found.region is not None
    assert found.noise is not None
    assert found.noise.noise == pytest.approx(40, rel=0.08)
    assert any("most even" in note for note in found.notes)


def wires_on(image: Array, first: int, *, spacing_mm: float = 5.0, tilt: float = 0.0, per_mm: float = 3000.0) -> Array:
    """Seven wires as a detector sees them: darker by ``per_mm`` grey a mm of metal, blurred to 0.1 mm."""
    height, width = image.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    metal = np.zeros((height, width), np.float32)
    for number in range(7):
        diameter = DIAMETERS_MM[first - 1 + number] / PITCH
        off = x - (400 + number * spacing_mm / PITCH + tilt * (y - height / 2))
        metal += 2 * np.sqrt(np.maximum(0, (diameter / 2) ** 2 - off**2)) * PITCH
    metal[:50], metal[-50:] = 0, 0
    dimmed = image - per_mm * cv2.GaussianBlur(metal, (0, 0), 0.1 / PITCH)
    return dimmed.round().astype(np.uint16)


def wires_of(image: Array, first: int | None = 10) -> WireIndicator | None:
    return find_wires(detector(image, pixel_pitch_mm=PITCH), first_wire=first)


@pytest.mark.parametrize("tilt", [0.0, 0.04, -0.06])
def test_wires_are_found_with_their_distance_and_the_smallest_is_likely(tilt: float) -> None:
    found = wires_of(wires_on(plate(900, noise=30), 10, tilt=tilt))
    assert found is not None
    assert not found.brighter
    assert found.spacing_mm == pytest.approx(5.0, abs=0.1)
    assert found.tilt == pytest.approx(tilt, abs=0.011)
    assert found.wires[0].x == pytest.approx(400 + tilt * (found.wires[0].y - 450), abs=6)
    assert len(found.wires) >= 4
    assert found.smallest == 10 + len(found.visible) - 1
    assert f"likely W {found.smallest}" in found.likely
    assert "confirm on the film" in found.likely


def test_more_noise_hides_thin_wires_first() -> None:
    seen = [wires_of(wires_on(plate(900, noise=noise), 10)) for noise in (10, 400, 1500)]
    counts = [len(found.visible) if found else 0 for found in seen]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] >= 6
    assert counts[-1] < counts[0]


def test_without_the_sets_number_no_wire_is_named() -> None:
    found = wires_of(wires_on(plate(900, noise=30), 10), first=None)
    assert found is not None
    assert found.smallest is None
    assert "depends on the set" in found.likely


def test_plates_scratches_and_letters_are_no_wires() -> None:
    assert wires_of(plate(900)) is None
    scratched = plate(900)
    cv2.line(scratched, (300, 100), (310, 800), 15000, 2)
    assert wires_of(scratched) is None
    lettered = plate(900)
    letters = np.zeros(lettered.shape, np.uint8)
    for number in range(8):
        cv2.putText(letters, "FEDINSLV"[number], (300 + number * 100, 200), 0, 4, 255, 14)
    lettered[letters > 127] = 6000
    assert wires_of(lettered) is None


def test_wires_along_the_rows_are_found_when_asked_for() -> None:
    image = wires_on(plate(900, noise=30), 10).T.copy()
    film = detector(image, pixel_pitch_mm=PITCH)
    found = find_wires(film, first_wire=10, direction="rows")
    assert found is not None
    assert found.wires[0].y == pytest.approx(400, abs=6)
    assert find_wires(film, first_wire=10) is None


def test_wires_need_a_pitch() -> None:
    with pytest.raises(ValueError, match="pixel pitch"):
        find_wires(detector(plate()))
    with pytest.raises(ValueError, match="allowed are 1 to 19"):
        wires_of(plate(), first=20)


def test_wires_of_real_films_lie_where_a_person_sees_them(shared_data: Path) -> None:
    """Columns at which the thickest wire of "10 FE DIN" stands, read off the films by eye, at the wires' middle."""
    seen = {"RRT-28R": 2444, "RRT-30R": 2274, "RRT-22R": 3482, "RRT-98R": 2266, "RRT-40R": 2218}
    for name, column in seen.items():
        with open_film(shared_data / "weld-films" / "films" / f"{name}.png", mm_per_pixel=0.0403) as film:
            found = find_wires(film, first_wire=10)
        assert found is not None
        assert found.brighter
        assert found.wires[0].x == pytest.approx(column, abs=12), name
        assert len(found.wires) >= 4
