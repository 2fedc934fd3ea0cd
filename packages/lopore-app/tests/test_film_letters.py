"""A film's number in lead letters: read where a person asks, kept with the film, and said in its report."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from made.images import coded
from made.models import publish_areas
from streamlit.testing.v1 import AppTest

import lopore_app
from lopore.arrays import Pixels
from lopore.indications import inspect_film
from lopore.indications.report.film_report import film_report
from lopore.models.opening import open_model
from lopore_app.film import letters_panel
from lopore_app.film.film_review import FilmReview, empty_review, review_of
from lopore_app.film.film_work import FilmWork, state_text
from lopore_app.film.lead_letters import LeadLetters
from lopore_app.film.letters_panel import letters_lines
from lopore_app.film.letters_run import LettersRun
from lopore_app.film.reviewed_film import reviewed
from lopore_app.film.two_tabs import merged
from lopore_app.film.uploaded_film import film_source, read_film
from lopore_app.inspection.upload import Upload

MAIN = str(Path(lopore_app.__file__).with_name("main.py"))
LEAD = LeadLetters(number="A48", letters=("A48", "10FEDIN"))


def lettered(text: str) -> Pixels:
    """A grainy film, darker than its lead letters."""
    film = np.random.default_rng(3).normal(90, 6, (220, 420)).astype(np.float32)
    letters = cv2.putText(np.zeros(film.shape, np.uint8), text, (40, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 255, 5)
    film += cv2.GaussianBlur(letters, (0, 0), 1.2) * 0.45
    return np.clip(film, 0, 255).astype(np.uint8)


def upload_of(pixels: Pixels) -> Upload:
    return Upload.of("weld.png", coded(".png", pixels))


def test_the_letters_of_a_film_are_read_as_the_command_line_reads_them() -> None:
    pytest.importorskip("rapidocr", reason="the extra letters is not installed")
    upload = upload_of(lettered("SLV25"))
    run = LettersRun(film_source(upload, read_film(upload))).start()
    run.wait(120)
    assert run.error is None
    assert run.result is not None
    assert run.result.number == "SLV25"


def test_a_recogniser_that_is_missing_is_told_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    upload = upload_of(lettered("A"))
    run = LettersRun(film_source(upload, read_film(upload))).start()
    run.wait(60)
    assert "lopore-core[letters]" in str(run.error)


def test_the_number_stays_with_the_film_and_stands_in_its_report(tmp_path: Path) -> None:
    upload = upload_of(lettered("A48"))
    source = film_source(upload, read_film(upload))
    found = inspect_film(open_model(publish_areas(tmp_path / "areas" / "1")), source)
    before = empty_review(upload.name, upload.sha256, 1, source.shape, None).model_copy(update={"lead": LEAD})
    review = review_of(found, before)
    assert FilmReview.from_json(review.to_json()).lead == LEAD
    assert merged(review_of(found), review, None).lead == LEAD
    seen = reviewed(review, found, None)
    assert (seen.film.number, seen.film.letters) == ("A48", LEAD.letters)
    assert "film A48 (likely; confirm on the film)" in film_report(seen, source, None)


def test_a_number_alone_is_no_inspection() -> None:
    work = FilmWork(review=empty_review("weld.png", "0" * 64, 1, (10, 10), None).model_copy(update={"lead": LEAD}))
    assert state_text(work) == "not inspected"


def test_what_is_read_is_called_likely_and_nothing_is_made_up() -> None:
    assert letters_lines(LEAD) == (
        ("Film number", "A48: likely, confirm it on the film"), ("Letters", "A48, 10FEDIN"),
    )  # fmt: skip
    assert letters_lines(LeadLetters(letters=("SLV",)))[0] == ("Film number", "none among the letters")
    assert letters_lines(LeadLetters()) == (("Film number", "no lead letters were read"),)


@pytest.mark.parametrize("installed", [True, False])
def test_the_button_is_there_where_the_recogniser_is_installed(
    installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOPORE_MODELS", "")
    monkeypatch.setattr(letters_panel, "find_spec", lambda name: object() if installed else None)
    page = AppTest.from_file(MAIN, default_timeout=60).run()
    page.switch_page("app_pages/film.py").run()
    page.file_uploader[0].set_value([("weld.png", coded(".png", lettered("A48")), "image/png")]).run()
    assert ("Read the film number" in [one.label for one in page.button]) is installed
