"""What goes to the browser: the overview, the window that is looked at, the values along a line, the heat's levels."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made.modules import awake_after

import lopore_app
from lopore.affine import Affine
from lopore.preprocessing.geometry import Geometry
from lopore_app.inspection.films import HEAT_PIXELS
from lopore_app.inspection.session import coarser
from lopore_app.viewer.pixels import (
    OVERVIEW_PIXELS,
    WINDOW_PIXELS,
    Blob,
    Region,
    along,
    auto_window,
    cut,
    levels,
    parse_line,
    smaller,
)

FRONT = Path(lopore_app.__file__).parent / "viewer" / "front"
FILM = "f" * 64


def region(x0: float, y0: float, x1: float, y1: float, density: float = 1.0) -> Region:
    found = Region.parse({"film": FILM, "x0": x0, "y0": y0, "x1": x1, "y1": y1, "density": density}, FILM)
    assert found is not None
    return found


def test_a_blob_is_the_pixels_as_they_are_and_equal_pixels_have_one_name() -> None:
    pixels = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    blob = Blob.of(pixels)
    assert np.array_equal(np.frombuffer(blob.content, "<u2").reshape(3, 4), pixels)
    assert blob.facts == {"w": 4, "h": 3, "depth": 16, "channels": 1}
    assert Blob.of(pixels.copy()).identity == blob.identity
    assert Blob.of(pixels.reshape(4, 3)).identity != blob.identity


def test_a_large_film_is_never_sent_whole() -> None:
    film = np.zeros((2000, 8640), np.uint16)
    assert smaller(film, OVERVIEW_PIXELS).size <= 1.01 * OVERVIEW_PIXELS
    for density in (0.05, 0.3, 1.0):
        found = cut(film, Affine(), region(0, 0, 8640, 2000, density))
        assert found is not None
        assert found[0].size <= 1.01 * WINDOW_PIXELS


def test_a_small_film_is_sent_as_it_is() -> None:
    film = np.arange(640 * 640, dtype=np.uint32).astype(np.uint8).reshape(640, 640)
    assert smaller(film, OVERVIEW_PIXELS) is film


def test_a_window_at_full_size_holds_the_film_pixels_themselves() -> None:
    film = np.random.default_rng(0).integers(0, 65536, (900, 1200)).astype(np.uint16)
    found = cut(film, Affine(), region(100.4, 50.6, 400, 300))
    assert found is not None
    pixels, (x0, y0, x1, y1) = found
    assert (x0, y0, x1, y1) == (100, 50, 400, 300)
    assert np.array_equal(pixels, film[50:300, 100:400])


@given(st.sampled_from([1, 2, 3]), st.integers(0, 59), st.integers(0, 39))
def test_a_window_of_a_turned_picture_shows_the_same_place(quarters: int, column: int, row: int) -> None:
    film = np.zeros((40, 60), np.uint8)
    film[row, column] = 255
    turned = np.rot90(film, -quarters)
    move = {
        1: Affine(xx=0, xy=-1, x0=40, yx=1, yy=0, y0=0),
        2: Affine(xx=-1, x0=60, yy=-1, y0=40),
        3: Affine(xx=0, xy=1, x0=0, yx=-1, yy=0, y0=60),
    }[quarters]
    found = cut(np.ascontiguousarray(turned), move.inverse(), region(column, row, column + 1, row + 1))
    assert found is not None
    assert (found[0] == 255).all()


def test_a_region_beside_the_picture_is_none() -> None:
    assert cut(np.zeros((10, 10), np.uint8), Affine(), region(20, 20, 30, 30)) is None


@pytest.mark.parametrize(
    "said",
    [
        None, 3, [], {"film": FILM}, {"film": FILM, "x0": 1, "y0": 0, "x1": 0, "y1": 5, "density": 1},
        {"film": FILM, "x0": 0, "y0": 0, "x1": float("nan"), "y1": 5, "density": 1},
        {"film": FILM, "x0": 0, "y0": 0, "x1": 5, "y1": 5, "density": 99},
        {"film": "another", "x0": 0, "y0": 0, "x1": 5, "y1": 5, "density": 1},
        {"film": FILM, "x0": "0", "y0": 0, "x1": 5, "y1": 5, "density": 1},
    ],
)  # fmt: skip
def test_a_region_that_makes_no_sense_is_none(said: object) -> None:
    assert Region.parse(said, FILM) is None


def test_values_along_a_line_are_those_of_the_film() -> None:
    film = np.add.outer(100 * np.arange(50), np.arange(80)).astype(np.uint16)
    values = along(film, Affine(), (10.5, 5.5, 40.5, 5.5))
    assert values == [500 + column for column in range(10, 41)]
    beyond = along(film, Affine(), (-500, 5.5, 500, 5.5))
    assert 500 <= min(beyond) < 502
    assert 577 < max(beyond) <= 579


def test_the_same_line_over_a_mirrored_picture_gives_the_same_values() -> None:
    film = np.random.default_rng(1).integers(0, 256, (40, 60)).astype(np.uint8)
    mirrored = Affine(xx=-1, x0=60)
    line = (3.2, 4.1, 50.7, 33.3)
    assert along(film[:, ::-1], mirrored, line) == pytest.approx(along(film, Affine(), line), abs=0.02)


def test_a_line_that_makes_no_sense_is_none() -> None:
    assert parse_line({"film": FILM, "points": [1, 2, 3, 4]}, FILM) == (1, 2, 3, 4)
    for points in (None, [1, 2, 3], [1, 2, 3, float("inf")], ["1", 2, 3, 4], "1234"):
        assert parse_line({"film": FILM, "points": points}, FILM) is None
    assert parse_line({"film": "another", "points": [1, 2, 3, 4]}, FILM) is None


def test_heat_levels_follow_the_given_scale_and_not_the_picture() -> None:
    values = np.array([[0.0, 0.5, 1.0, np.nan, 9.0]], np.float32)
    assert levels(values, (0.0, 1.0)).tolist() == [[0, 128, 255, 0, 255]]
    assert levels(values, (0.0, 10.0)).tolist() == [[0, 13, 26, 0, 230]]


def test_eight_bits_are_shown_as_they_are_and_sixteen_between_their_percentiles() -> None:
    assert auto_window(np.full((4, 4), 90, np.uint8)) == (0, 255)
    deep = np.linspace(20000, 30000, 10000).astype(np.uint16).reshape(100, 100)
    low, high = auto_window(deep)
    assert 20000 <= low < 20050
    assert 29950 < high <= 30000


def test_a_coarser_heat_map_covers_the_same_field() -> None:
    fine = Geometry((2000, 8640), (224, 224), Affine(xx=224 / 8640, yy=224 / 2000))
    coarse = coarser(fine, HEAT_PIXELS)
    height, width = coarse.original
    assert height * width <= 1.01 * HEAT_PIXELS
    assert coarse.to_input(width, height) == pytest.approx((224, 224))


def test_the_front_end_asks_no_network_and_writes_no_markup() -> None:
    for path in FRONT.glob("*.js"):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacentHTML|\beval\b|document\.write", text), path


def test_the_core_of_a_session_needs_no_framework() -> None:
    code = "import lopore_app.inspection.session, lopore_app.viewer.pixels"
    assert not awake_after(code, "torch", "tensorflow", "onnxruntime")
