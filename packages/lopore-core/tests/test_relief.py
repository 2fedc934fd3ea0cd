"""An inverted film is noticed by what stands out on it: letters, wires and beads are bright on a film."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made.models import record_for

from lopore.arrays import Pixels
from lopore.data.relief import fit_relief, relief_of
from lopore.inference.film_doubts import film_turned
from lopore.preprocessing import film_input
from lopore.preprocessing.enhancement_chain import Chain
from lopore.preprocessing.film_input import FilmInput
from lopore.reading.film_source import ArrayFilm
from lopore.record.likeness import TrainingRelief
from lopore.record.preprocessing import Preprocessing
from lopore.synthesis.whole_film import whole_film

RECORD = Preprocessing(channels=1, depth=16, resize="tile", size=(64, 64), mm_per_pixel=0.3)
LETTERED = TrainingRelief(low=-0.03, middle=0.05, high=0.3, false_alarms=0.025, films=150)


def film_of(pixels: Pixels, pitch_mm: float | None = 0.1, chain: Chain | None = None) -> FilmInput:
    return FilmInput(ArrayFilm(pixels, pixel_pitch_mm=pitch_mm), RECORD, chain)


def lettered(dtype: Any = np.uint8, shape: tuple[int, int] = (400, 900)) -> Pixels:
    """Grain with bright bars, 2 mm wide at 0.1 mm a pixel."""
    pixels = np.random.default_rng(0).normal(100, 3, shape)
    for left in range(40, shape[1] - 40, 90):
        pixels[60:140, left : left + 20] = 220
    return np.rint(pixels * (np.iinfo(dtype).max / 255)).astype(dtype)


def inverted(pixels: Pixels) -> Pixels:
    return np.asarray(np.iinfo(pixels.dtype).max - pixels, pixels.dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bright_marks_give_a_relief_above_0_and_the_film_inverted_the_opposite(dtype: Any) -> None:
    pixels = lettered(dtype)
    relief = relief_of(film_of(pixels))
    assert relief is not None
    assert relief > 0.1
    assert relief_of(film_of(inverted(pixels))) == pytest.approx(-relief, abs=0.01)


def test_the_pitch_of_the_scan_changes_a_relief_little() -> None:
    coarse, fine = lettered(), np.kron(lettered(), np.ones((2, 2), np.uint8))
    assert relief_of(film_of(fine, 0.05)) == pytest.approx(relief_of(film_of(coarse, 0.1)), abs=0.05)


def test_a_user_who_inverts_the_film_gets_the_relief_of_the_inverted_film() -> None:
    pixels = lettered()
    turned = film_of(pixels, chain=Chain.parse([{"name": "invert"}]))
    assert relief_of(turned) == relief_of(film_of(inverted(pixels)))


@pytest.mark.parametrize(
    ("pixels", "pitch_mm"),
    [
        (lettered(), None),
        (lettered(), 2.0),
        (lettered(shape=(150, 900)), 0.1),
        (np.full((400, 400), 90, np.uint8), 0.1),
    ],
)
def test_without_pitch_or_size_or_marks_nothing_is_said(pixels: Pixels, pitch_mm: float | None) -> None:
    assert relief_of(film_of(pixels, pitch_mm)) is None


@pytest.mark.parametrize("shape", [(200, 900), (900, 200)])
def test_a_film_made_smaller_in_parts_is_that_made_smaller_at_once(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    film = film_of(lettered(shape=shape))
    at_once = film.coarse(4.0)
    monkeypatch.setattr(film_input, "BLOCK_PIXELS", 30_000)
    assert at_once.shape == (shape[0] // 4, shape[1] // 4)
    assert np.array_equal(film.coarse(4.0), at_once)


def test_made_films_look_as_they_are_and_their_negatives_look_inverted() -> None:
    record = record_for(training_relief=LETTERED)
    films = [whole_film(seed, length_mm=80.0, pixel_pitch_mm=0.1).pixels for seed in range(4, 12)]
    assert sum(bool(film_turned(record, film_of(pixels))) for pixels in films) == 0
    turned = [doubt for pixels in films for doubt in film_turned(record, film_of(inverted(pixels)))]
    assert len(turned) >= len(films) // 2
    assert all(doubt.blocks and doubt.kind == "polarity" for doubt in turned)
    assert "is darker than its ground" in turned[0].text
    assert "turn it with the step invert" in turned[0].text


def test_a_record_that_does_not_know_its_films_says_nothing() -> None:
    assert film_turned(record_for(), film_of(inverted(lettered()))) == ()


def test_bounds_leave_out_one_film_in_40_at_each_end_and_none_of_fewer() -> None:
    values = [number / 1000 for number in range(-100, 100)]
    many, few = fit_relief([*values, None]), fit_relief(values[:20])
    assert many is not None
    assert few is not None
    assert (many.films, many.false_alarms) == (200, 0.025)
    assert sum(value < many.low for value in values) == 4
    assert (few.low, few.high, few.false_alarms) == (values[0], values[19], None)
    assert "20 training films are too few" in few.rate_text
    assert fit_relief([None]) is None


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), st.floats(-1, 1))
def test_films_of_the_other_polarity_are_judged_as_these_are(seen: list[float], relief: float) -> None:
    here, there = fit_relief(seen), fit_relief([-value for value in seen])
    assert here is not None
    assert there is not None
    assert here.is_turned(relief) == there.is_turned(-relief)
    assert not (here.is_turned(relief) and here.is_turned(-relief))
    assert not any(here.is_turned(value) for value in seen if here.false_alarms is None)
