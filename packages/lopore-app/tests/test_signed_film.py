"""A film is signed by a person, a change takes the signature away, and every file says what the screen said."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from made.images import coded
from made.models import publish_areas
from made.whole_films import disc, ground

from lopore.errors import ConfigError
from lopore.indications import inspect_film
from lopore.indications.film_inspection import FilmInspection
from lopore.indications.report.film_report import film_report
from lopore.inference.doubts import Doubt
from lopore.models.opening import open_model
from lopore.reading.film_source import ArrayFilm
from lopore_app.film.corrections import corrections_coco
from lopore_app.film.film_review import Caution, FilmReview, Reviewer, review_of
from lopore_app.film.film_work import FilmWork
from lopore_app.film.mark_table import marks_csv
from lopore_app.film.review_store import ReviewStore
from lopore_app.film.reviewed_film import everything_zip, reviewed
from lopore_app.film.two_tabs import merged
from lopore_app.film.uploaded_film import film_source, read_film, unreadable
from lopore_app.inspection.memory import Memory
from lopore_app.inspection.upload import Upload

EVA = Reviewer(name="Eva Rößler", level="RT 2")
DOUBT = "planted doubt: the film is darker than the training films"
NOTE = "planted note: the seam was not found"
QUALITY = "planted quality: 9 of 16 bits are in use"


def pores() -> Upload:
    pixels = ground(120, 330)
    for x, y in ((40.0, 30.0), (160.0, 90.0), (280.0, 60.0)):
        disc(pixels, x, y, 9)
    return Upload.of("film.png", coded(".png", pixels))


@pytest.fixture(scope="module")
def source() -> ArrayFilm:
    upload = pores()
    return film_source(upload, read_film(upload), 0.05)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, source: ArrayFilm) -> FilmInspection:
    model = open_model(publish_areas(tmp_path_factory.mktemp("models") / "areas"))
    doubt = Doubt(kind="appearance", text=DOUBT, blocks=True)
    return inspect_film(model, source).model_copy(update={"doubts": (doubt,), "notes": (NOTE,)})


def decided(found: FilmInspection) -> FilmReview:
    review = review_of(found)
    review = review.warned((*review.cautions, Caution(text=QUALITY, about="film")))
    for mark in review.marks:
        review = review.decided(mark.number, "rejected" if mark.number == 2 else "accepted", EVA)
    return review


def test_a_signature_needs_a_name_and_a_verdict_on_every_mark_and_goes_with_any_change(found: FilmInspection) -> None:
    with pytest.raises(ConfigError, match="3 of 3 marks are open"):
        review_of(found).signed("acceptable", EVA)
    with pytest.raises(ConfigError, match="needs a name"):
        decided(found).signed("acceptable", Reviewer())
    signed = decided(found).signed("not acceptable", EVA)
    assert signed.signature is not None
    assert signed.signature.reader.title == "Eva Rößler (RT 2)"
    assert FilmReview.from_json(signed.to_json()) == signed
    assert review_of(found, signed).signature == signed.signature  # the same marks, found again
    for changed in (
        signed.decided(1, "rejected", EVA), signed.ignoring([0, 0, 9, 9]), signed.with_wire(12, EVA),
        signed.at_pitch(0.1), signed.drawn("box", [10, 80, 20, 100], "pore", EVA), signed.unsigned(),
    ):  # fmt: skip
        assert changed.signature is None
    assert review_of(found).signed("cannot be judged", EVA).signature is not None


def test_every_doubt_on_the_screen_is_in_every_file(
    found: FilmInspection, source: ArrayFilm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOPORE_BROWSER", "none")  # a PDF is the report's page, printed
    review = decided(found).signed("not acceptable", EVA)
    broken = unreadable(Memory(), [pores(), Upload.of("broken.png", b"no film")])
    seen = reviewed(review, found, None, (("Note", QUALITY),), broken)
    content = everything_zip(review, seen, None, source, pores().content)
    archive = zipfile.ZipFile(io.BytesIO(content))
    files: dict[str, str] = {name: archive.read(name).decode("latin-1") for name in archive.namelist()}
    for name in ("marks.csv", "session.json", "corrections.coco.json", "report.html", "inspection.json"):
        for text in (DOUBT, NOTE, QUALITY):
            assert text in files[name], (name, text)
    for name in ("indications.csv", "indications.coco.json"):
        assert DOUBT in files[name]
    dicom = pytest.importorskip("pydicom").dcmread(io.BytesIO(archive.read("indications.dcm")))
    for text in (DOUBT, NOTE, QUALITY, "broken.png"):
        assert text in dicom.ImageComments
    for name in ("report.html", "inspection.json"):
        assert "broken.png" in files[name]
    assert dicom.ApprovalStatus == "APPROVED"
    _says_who(review, seen, source)


def _says_who(review: FilmReview, seen: FilmInspection, source: ArrayFilm) -> None:
    page = film_report(seen, source, None)
    for text in ("Not acceptable", "Eva Rößler (RT 2)", "accepted by Eva Rößler (RT 2)", "rejected by Eva Rößler"):
        assert text in page, text
    row: dict[str, Any] = next(csv.DictReader(io.StringIO(marks_csv(review))))
    assert row["signed"].startswith("not acceptable, Eva Rößler (RT 2)")
    told = json.loads(seen.to_json())
    assert [one["verdict"] for one in told["readings"]] == ["accepted", "rejected", "accepted"]
    assert told["signature"]["answer"] == "not acceptable"
    corrected = json.loads(corrections_coco([review]))["info"]["films"]
    assert [one["film"] for one in corrected] == ["film.png"]


def test_a_film_without_a_mark_has_its_doubts_in_the_table_too(found: FilmInspection) -> None:
    sound = review_of(found.model_copy(update={"indications": ()})).signed("acceptable", EVA)
    (row,) = csv.DictReader(io.StringIO(marks_csv(sound)))
    assert DOUBT in row["doubts"]
    assert row["signed"].startswith("acceptable")
    assert not sound.untouched  # a sound film that was signed is kept


def test_two_tabs_of_one_reader_lose_nothing_of_each_other(found: FilmInspection, tmp_path: Path) -> None:
    store, start = ReviewStore(tmp_path), review_of(found)
    base = store.save(start, EVA.name)
    one = base.decided(1, "accepted", EVA).drawn("box", [10, 80, 20, 100], "pore", EVA).ignoring([0, 0, 9, 9])
    other = base.decided(2, "rejected", EVA).drawn("box", [200, 10, 220, 30], "slag", EVA)
    kept = store.save(one, EVA.name, base)
    assert kept == one
    both = store.save(other, EVA.name, base)
    assert [mark.verdict for mark in both.marks] == ["accepted", "rejected", "open", "accepted", "accepted"]
    assert [mark.number for mark in both.marks] == [1, 2, 3, 4, 5]
    assert {mark.class_name for mark in both.marks[3:]} == {"pore", "slag"}
    assert len(both.ignored) == 1
    assert store.load(base.sha256, 1, EVA.name) == both
    undone = store.save(both.erased(5), EVA.name, both)
    assert [mark.number for mark in undone.marks] == [1, 2, 3, 4]  # what one side takes away stays away
    assert merged(undone.judging(0), undone, undone).ignored == ()


def test_what_was_decided_before_the_name_was_given_joins_what_is_kept(found: FilmInspection, tmp_path: Path) -> None:
    store = ReviewStore(tmp_path)
    store.save(review_of(found).decided(1, "rejected", EVA), EVA.name)
    work = FilmWork()
    work.set_found(found)
    assert work.review is not None
    work.step(work.review.decided(3, "accepted", Reviewer()))
    before = store.load(found.film.sha256, 1, EVA.name)
    assert before is not None
    work.take_kept(before)
    assert [mark.verdict for mark in work.review.marks] == ["rejected", "open", "accepted"]


def test_a_pitch_that_was_given_on_an_earlier_day_is_taken_up_with_its_source(found: FilmInspection) -> None:
    work = FilmWork(
        pitch=0.0403, pitch_from="given by the user", review=review_of(found).drawn("box", [1, 1, 9, 9], "pore", EVA)
    )
    work.measure(0.0403)
    assert work.review is not None
    later = FilmWork()
    later.take_kept(FilmReview.from_json(work.review.to_json()))
    assert (later.pitch, later.pitch_from, later.pitch_restored) == (0.0403, "given by the user", True)
    today = FilmWork(pitch=0.05, pitch_from="given by the user")
    today.take_kept(work.review)
    assert today.pitch == 0.05  # what was given today holds
