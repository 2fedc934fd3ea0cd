"""Two films of one weld side by side: laid over each other, marks matched; and what a film's own file says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made.whole_films import disc
from numpy.typing import NDArray

from lopore.affine import Affine
from lopore_app.film.film_header import header_lines
from lopore_app.film.film_review import FilmReview, Reviewer, empty_review
from lopore_app.film.two_films import changes, laid_over
from lopore_app.film.uploaded_film import read_film
from lopore_app.inspection.upload import Upload

EVA = Reviewer(name="Eva")


def weld(shift: tuple[int, int] = (0, 0), seed: int = 0) -> NDArray[np.uint8]:
    """A film with letters and a weld, both moved by ``shift`` (right, down)."""
    noise = np.random.default_rng(seed)
    pixels = np.rint(noise.normal(100, 3, (300, 900))).astype(np.uint8)
    right, down = shift
    pixels[120 + down : 180 + down] += 40
    for x, y in ((100, 40), (130, 60), (700, 250), (820, 30), (400, 50)):
        disc(pixels, x + right, y + down, 24)
    return pixels


def test_two_films_are_laid_over_each_other_by_what_they_share() -> None:
    found = laid_over(weld(), weld((37, -12), seed=1), (None, None))
    x, y = found.to_first(100 + 37, 40 - 12)
    assert (x, y) == pytest.approx((100, 40), abs=2.5)
    assert "check it by eye" in found.evidence
    scaled = laid_over(weld(), weld(seed=1), (0.05, 0.1))
    assert (scaled.to_first.xx, scaled.to_first.yy) == (2.0, 2.0)


def test_films_that_share_nothing_are_not_shifted() -> None:
    noise = np.random.default_rng(5).integers(0, 255, (300, 900)).astype(np.uint8)
    found = laid_over(weld(), noise, (None, None))
    assert (found.to_first.x0, found.to_first.y0) == (0, 0)
    assert "no shift was found" in found.evidence


def review(places: list[tuple[float, float]]) -> FilmReview:
    made = empty_review("film.png", "a" * 64, 1, (300, 900), None)
    for x, y in places:
        made = made.drawn("box", [x - 5, y - 5, x + 5, y + 5], "pore", EVA)
    return made


def test_marks_before_and_after_a_repair_are_the_same_new_or_gone() -> None:
    after = review([(100, 100), (300, 100), (500, 100)]).decided(3, "rejected", EVA)
    before = review([(137, 90), (600, 100)])
    found = changes(after.marks, before.marks, Affine(x0=-37, y0=12))
    assert [(one.what, one.first, one.second) for one in found] == [("same", 1, 1), ("new", 2, None), ("gone", None, 2)]


def test_the_header_says_what_the_file_says(shared_data: Path) -> None:
    path = next(iter(sorted((shared_data / "diconde-welds").rglob("*.dcm"))))
    upload = Upload.of(path.name, path.read_bytes())
    told = dict(header_lines(upload, read_film(upload)))
    assert told["Format"].startswith("dicom")
    assert told["SHA-256"] == upload.sha256
    assert any(name.endswith("Modality") for name in told)
    assert all(len(text) < 400 for text in told.values())
    assert not any("Pixel Data" in name for name in told)
