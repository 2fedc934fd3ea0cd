"""What the app records beside the service: answers once, what the reviewer said, and only what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made.images import even
from made.models import publish, publish_areas
from made.whole_films import disc, ground

from lopore.audit import open_trail, verify
from lopore.indications import inspect_film
from lopore.inference.predict import answer_images, describe_prepared, prepare
from lopore.models.opening import open_model
from lopore.reading.windows import open_film
from lopore.record.folder import ModelFolder
from lopore_app.film.film_review import Reviewer, review_of
from lopore_app.review.kept_records import record_answer, record_film_review, record_inspection, record_review
from lopore_app.review.records import Entry, keep, review

pytest.importorskip("sqlalchemy")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOPORE_RECORDS", str(tmp_path / "records"))
    return tmp_path


def kept(place: Path) -> list[Any]:
    with open_trail(str(place / "records")) as trail:
        assert verify(trail).sound
        return list(trail.records())


def test_an_answer_is_recorded_once_and_its_review_names_it(place: Path) -> None:
    model = open_model(ModelFolder.read(publish(place / "bright" / "1").path))
    prepared = prepare(model.record, even(255), name="film.png")
    prediction = describe_prepared(model, prepared, answer_images(model, [prepared.pixels])[0])
    state: dict[str, Any] = {}
    entry = Entry.of(model, prediction, film="film.png")
    assert record_answer(state, model, entry) == record_answer(state, model, entry)
    record_review(state, review(state, keep(state, entry), "reject", note="a scratch"))
    answer, said = kept(place)
    assert answer.data["prediction"] == prediction.model_dump(mode="json") and answer.data["by"] == "app"
    assert said.about == answer.id and said.data["review"]["verdict"] == "reject"


def test_of_a_film_s_review_only_what_changed_is_recorded(place: Path) -> None:
    model = open_model(ModelFolder.read(publish_areas(place / "areas" / "1").path))
    film: Any = ground(200, 400)
    for x in (80.5, 200.5, 320.5):
        disc(film, x, 100.5, 14)
    cv2.imwrite(str(place / "film.png"), np.asarray(film))
    with open_film(place / "film.png") as source:
        found = inspect_film(model, source)
    state: dict[str, Any] = {}
    seen, reader = review_of(found), Reviewer(name="A. Reader")
    for _ in range(2):
        record_inspection(state, model, found, None)
        record_film_review(state, seen)
    decided = seen.decided(2, "rejected", reader, note="a scratch")
    record_film_review(state, decided)
    drawn = decided.drawn("box", (10, 10, 30, 30), "pore", reader)
    record_film_review(state, drawn)
    record_film_review(state, drawn.erased(4))
    film_record, *reviews = kept(place)
    assert len(film_record.data["inspection"]["indications"]) == 3
    said = [one.data["review"] for one in reviews]
    assert [[mark["number"] for mark in one["marks"]] for one in said] == [[2], [4], []]
    assert said[0]["marks"][0]["note"] == "a scratch" and said[2]["erased"] == [4]
    assert {one.about for one in reviews} == {film_record.id}


def test_nothing_is_written_where_no_place_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOPORE_RECORDS", raising=False)
    monkeypatch.chdir(tmp_path)
    model = open_model(ModelFolder.read(publish(tmp_path / "bright" / "1").path))
    prepared = prepare(model.record, even(255), name="film.png")
    prediction = describe_prepared(model, prepared, answer_images(model, [prepared.pixels])[0])
    assert record_answer({}, model, Entry.of(model, prediction, film="film.png")) is None
    assert [one.name for one in tmp_path.iterdir()] == ["bright"]
