"""Nothing of one visitor is in another one's files, and a log holds what its own visitor said."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from made.app import serving
from made.images import coded, even
from made.models import publish, publish_areas, record_for
from made.visitor import SECONDS, Visitor
from made.whole_films import disc, ground

from lopore.preprocessing.enhancement_chain import Chain
from lopore_app.inspection.save_panel import log_of
from lopore_app.inspection.session import InspectionSession
from lopore_app.inspection.upload import Upload
from lopore_app.inspection.view import entry_of, view_of
from lopore_app.review import records
from lopore_app.review.records import entries, keep, review

PLANTED = "planted-name-of-the-other-visitor.png"
FILES = ("Log (JSON)", "Images and tables (ZIP)", "Report to print (HTML)")


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    publish(tmp_path / "models" / "final" / "bright" / "1", record=record_for())
    with serving(tmp_path) as port:
        yield port


def _text(content: bytes) -> str:
    if not content.startswith(b"PK"):
        return content.decode("utf-8", "replace")
    archive = zipfile.ZipFile(io.BytesIO(content))
    return " ".join([*archive.namelist(), *(archive.read(name).decode("latin-1") for name in archive.namelist())])


def test_a_name_that_one_visitor_plants_is_in_none_of_the_other_s_files_also_after_the_visit(port: int) -> None:
    with Visitor(port) as other:
        other.upload((PLANTED, even(255)), ("planted-broken.png", b"no film"))
        other.waits_for("pore")
        log = json.loads(other.download("Prediction log"))
        assert [one["film"] for one in log["predictions"]] == [PLANTED]
        assert [one["film"] for one in log["unanswered"]] == ["planted-broken.png"]
        assert log["predictions"][0]["explainer"] is None
        with Visitor(port) as visitor:
            visitor.upload(("own.png", even(250)))
            visitor.waits_for("pore")
            _has_its_own_alone(visitor)
    with Visitor(port) as later:
        later.upload(("own.png", even(255)))  # the very pixels that the other visitor had
        later.waits_for("pore")
        _has_its_own_alone(later)


def film_with_a_pore() -> bytes:
    pixels = ground(96, 320)
    disc(pixels, 150, 48, 12)
    return coded(".png", pixels)


def read_a_film(visitor: Visitor, name: str, reader: str, note: str) -> dict[str, bytes]:
    """Inspect a film on the page Film, accept its mark with a note, and take every file of it."""
    visitor.upload((name, film_with_a_pore()))
    visitor.texts_entered = {"Reviewer": reader, "Level": f"{reader} level", "Note": note}
    until = time.monotonic() + SECONDS
    while not any(visitor.elements("button", "Inspect the film")):  # the first run draws the page's own field
        assert time.monotonic() < until
        visitor.run("film", visitor.files)
    visitor.run("film", visitor.files, pressed="Inspect the film")
    while not any(visitor.elements("button", "Accept (A)")):
        assert time.monotonic() < until, visitor.texts("alert")
        assert not visitor.texts("exception")
        time.sleep(0.2)
        visitor.run("film", visitor.files)
    visitor.run("film", visitor.files, pressed="Accept (A)")
    labels = [
        one.download_button.label for one in visitor.drawn.values() if one.WhichOneof("type") == "download_button"
    ]
    assert len(labels) > 6, labels
    return {label: visitor.download(label) for label in labels}


def test_nothing_of_one_reader_of_films_is_in_another_one_s_page_or_files(tmp_path: Path) -> None:
    publish_areas(tmp_path / "models" / "final" / "areas" / "1")
    # Without a browser no PDF is printed: it is the report's page, which is looked at here.
    with serving(tmp_path, LOPORE_BROWSER="none") as port, Visitor(port) as other:
        planted = read_a_film(other, PLANTED, "planted-reader", "planted-note")
        for label, words in (
            ("Marks (CSV)", ("planted-reader", "planted-note")), ("Session (JSON)", (PLANTED,)),
            ("Report (HTML)", (PLANTED, "planted-reader")), ("Everything (ZIP)", (PLANTED, "planted-note")),
        ):  # fmt: skip
            for word in words:
                assert word in _text(planted[label]), (label, word)
        with Visitor(port) as visitor:  # the very film, under another name, at the same time
            own = read_a_film(visitor, "own.png", "own-reader", "own-note")
            drawn = str(list(visitor.drawn.values()))
            for page in ("records", "models", ""):
                visitor.run(page)
                drawn += str(list(visitor.drawn.values()))
    assert "own-reader" in drawn
    assert "planted" not in drawn
    for label, content in own.items():
        assert b"planted" not in content, label
        assert "planted" not in _text(content), label
    assert "own-note" in _text(own["Marks (CSV)"])


def _has_its_own_alone(visitor: Visitor) -> None:
    files = {"Prediction log": visitor.download("Prediction log")}
    drawn = str(list(visitor.drawn.values()))
    visitor.run("records")
    files |= {label: visitor.download(label) for label in FILES}
    for label, content in files.items():
        assert "planted" not in _text(content), label
        assert "own.png" in _text(content), label
    assert "planted" not in drawn + str(list(visitor.drawn.values()))


def test_a_log_is_made_of_what_it_was_given_and_keeps_every_verdict(session: InspectionSession) -> None:
    state: dict[str, object] = {}
    uploads = [Upload.of(f"{value}.png", even(value)) for value in (240, 250, 255)]
    for upload in uploads:
        answer = view_of(session, upload, Chain(), None).answer
        assert answer is not None
        review(state, keep(state, entry_of(session, upload, answer)), "reject", note=upload.name)
    asked = [(upload, Chain()) for upload in uploads]
    for threshold in (None, 0.6):
        log = json.loads(log_of(session, asked, threshold, entries(state), ()))
        assert [one["review"]["verdict"] for one in log["predictions"]] == ["reject"] * 3
        assert [one["review"]["note"] for one in log["predictions"]] == [upload.name for upload in uploads]
    assert len(entries(state)) == 3  # asking for a file writes nothing down


def test_no_download_asks_for_a_session_where_there_is_none(
    session: InspectionSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamlit.runtime.state import session_state_proxy

    def nobody() -> None:
        raise AssertionError("a file is made outside of every session")

    upload = Upload.of("a.png", even(255))
    session.scored(session.film(upload), Chain())
    monkeypatch.setattr(session_state_proxy, "get_session_state", nobody)
    assert json.loads(log_of(session, [(upload, Chain())], None, (), ()))["predictions"]


def test_records_hold_no_state_of_their_own() -> None:
    held = [name for name, value in vars(records).items() if isinstance(value, dict | list | set) and name[:2] != "__"]
    assert held == []
