"""Nothing of one visitor is in another one's files, and a log holds what its own visitor said."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from made.app import serving
from made.images import even
from made.models import publish, record_for
from made.visitor import Visitor

from lopore.preprocessing.enhancement_chain import Chain
from lopore_app.inspection.films import Upload
from lopore_app.inspection.save_panel import log_of
from lopore_app.inspection.session import InspectionSession
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
        return content.decode()
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
