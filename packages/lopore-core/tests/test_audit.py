"""Records: an append-only chain that tells of every change, and decisions made again."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import Result
from made.commands import error_line, lopore
from made.models import publish, publish_areas, record_for
from made.postgres import PostgresServer
from made.service import free_port
from made.whole_films import disc, ground

from lopore.audit import AuditTrail, Draft, Receipt, open_trail, verify
from lopore.audit.facts import inspection_drafts, prediction_draft
from lopore.errors import ConfigError, DataError, LoporeError
from lopore.indications import inspect_film
from lopore.indications.acceptance_profile import profile_of_bytes
from lopore.inference.decisions import decide
from lopore.inference.predict import Prediction, predict_files
from lopore.models.opening import open_model
from lopore.reading.windows import open_film
from lopore.record.folder import ModelFolder
from lopore.record.model import Threshold

pytest.importorskip("sqlalchemy")
RULES = b"title: Invented\nsource: nobody\nedition: '1'\ninvented: true\nrules:\n- {name: none, check: not_permitted}\n"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "records")
    address: str = request.getfixturevalue("postgres").address
    with open_trail(address, create=True) as trail, trail.engine.begin() as link:
        link.exec_driver_sql("DROP TABLE lopore_records, lopore_records_head")
    return address


def drafts(count: int, first: int = 0) -> list[Draft]:
    return [Draft("review", {"verdict": "accept", "note": f"ä \x00 {first + n}"}) for n in range(count)]


def free_of_triggers(trail: AuditTrail) -> None:
    with trail.engine.begin() as link:
        if trail.engine.dialect.name == "sqlite":
            link.exec_driver_sql("DROP TRIGGER lopore_no_update")
            link.exec_driver_sql("DROP TRIGGER lopore_no_delete")
        else:
            link.exec_driver_sql("DROP TRIGGER lopore_append_only ON lopore_records")


def test_what_is_appended_is_read_and_the_chain_is_whole(place: str) -> None:
    with open_trail(place, create=True) as trail:
        receipts = trail.append(drafts(3)) + trail.append(drafts(2, 3))
        assert [one.number for one in receipts] == [1, 2, 3, 4, 5]
        assert [row.data["note"] for row in trail.records()] == [f"ä \x00 {n}" for n in range(5)]
        assert [row.number for row in trail.records(newest=2)] == [4, 5]
        assert trail.find("4").hash == trail.find(receipts[3].id[:10]).hash == receipts[3].hash
        found = verify(trail, expected=str(receipts[2]))
        assert found.sound and (found.records, found.head) == (5, receipts[-1].hash)
        with pytest.raises(DataError, match="no record begins"):
            trail.find("77")


def test_several_writers_make_one_chain(place: str) -> None:
    open_trail(place, create=True).close()

    def write(number: int) -> None:
        with open_trail(place, create=True) as own:
            for step in range(5):
                own.append(drafts(2, 100 * number + step))

    with ThreadPoolExecutor(4) as writers:
        list(writers.map(write, range(4)))
    with open_trail(place) as trail:
        assert verify(trail).records == 40 and verify(trail).sound


def test_no_receipt_is_lost_when_postgresql_is_killed_under_load(postgres: PostgresServer) -> None:
    receipts: list[Receipt] = []

    def write() -> None:
        with contextlib.suppress(LoporeError), open_trail(postgres.address, create=True) as own:
            while True:
                receipts.extend(own.append(drafts(3)))

    writers = [threading.Thread(target=write) for _ in range(4)]
    for one in writers:
        one.start()
    until = time.monotonic() + 20
    while len(receipts) < 200 and time.monotonic() < until:
        time.sleep(0.005)
    postgres.kill()
    for one in writers:
        one.join()
    postgres.start()
    with open_trail(postgres.address) as trail:
        kept = {row.number: row.hash for row in trail.records()}
        assert verify(trail).sound and len(receipts) >= 200
    assert all(kept[one.number] == one.hash for one in receipts)


def test_the_database_refuses_changes(place: str) -> None:
    with open_trail(place, create=True) as trail:
        trail.append(drafts(2))
        for words in ("UPDATE lopore_records SET body = '{}'", "DELETE FROM lopore_records"):
            with pytest.raises(Exception, match="append-only"), trail.engine.begin() as link:
                link.exec_driver_sql(words)
        assert verify(trail).sound


CHANGES = {
    **{
        f"a byte of {column}": (f"UPDATE lopore_records SET {column} = '{value}' WHERE number = 3", 3)
        for column, value in {
            "id": "0" * 32, "kind": "verdict", "written": "2020-01-01", "about": "x", "body": '{"note":1}',
            "hash": "f" * 64, "previous": "f" * 64,
        }.items()
    },
    "a row removed": ("DELETE FROM lopore_records WHERE number = 3", 4),
    "the last row removed": ("DELETE FROM lopore_records WHERE number = 5", 5),
    "the first row removed": ("DELETE FROM lopore_records WHERE number = 1", 2),
    "all rows removed": ("DELETE FROM lopore_records", 5),
    "rows exchanged": (";".join(f"UPDATE lopore_records SET number = {new} WHERE number = {old}"
                                for old, new in ((2, 30), (3, 2), (30, 3))), 2),
    "a row moved to the end": ("UPDATE lopore_records SET number = 6 WHERE number = 3", 4),
    "the head removed": ("DELETE FROM lopore_records_head", 0),
    "an older head": ("UPDATE lopore_records_head SET number = 4", 5),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_found(place: str, change: str) -> None:
    statements, number = CHANGES[change]
    with open_trail(place, create=True) as trail:
        trail.append(drafts(5))
        free_of_triggers(trail)
        with trail.engine.begin() as link:
            for words in statements.split(";"):
                link.exec_driver_sql(words)
        found = verify(trail)
        assert not found.sound and found.faults[0].number == number, found.faults


def test_a_chain_that_was_written_anew_is_found_by_a_receipt(tmp_path: Path) -> None:
    with open_trail(str(tmp_path / "true"), create=True) as trail:
        receipt = str(trail.append(drafts(3))[1])
    with open_trail(str(tmp_path / "false"), create=True) as other:
        other.append(drafts(3))
        assert verify(other).sound and verify(other, expected=receipt).faults[0].number == 2
        assert verify(other, expected=f"9:{'0' * 64}").faults[0].what == "the record of the receipt is not there"
        with pytest.raises(ConfigError, match="NUMBER:HASH"):
            verify(other, expected="2:abc")


def test_any_flipped_byte_of_a_record_in_the_file_is_found(tmp_path: Path) -> None:
    with open_trail(str(tmp_path), create=True) as trail:
        trail.append(drafts(4))
    path = tmp_path / "lopore-records.sqlite"
    with sqlite3.connect(path) as link:
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    begins = content.index(b'{"note"')
    for place in range(begins, begins + 40, 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with open_trail(str(tmp_path)) as trail:
            assert not verify(trail).sound, place


def test_a_damaged_file_and_a_missing_one_are_one_line(tmp_path: Path) -> None:
    assert "no records in" in error_line(lopore("records", "verify", "--records", tmp_path).stderr)
    assert "postgresql://USER" in error_line(lopore("records", "list", "--records", "mysql://x/y").stderr)
    with open_trail(str(tmp_path), create=True) as trail:
        trail.append(drafts(400))
    path = tmp_path / "lopore-records.sqlite"
    path.write_bytes(path.read_bytes()[:8192] + bytes(8192) + path.read_bytes()[16384:])
    done = lopore("records", "verify", "--records", tmp_path)
    assert done.exit_code == 1 and "lopore: " in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) and not (tmp_path / "elsewhere").exists()


def test_an_answer_that_does_not_come_is_an_error_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(LoporeError) as told:
        open_trail(f"postgresql://lopore:secret@127.0.0.1:{free_port()}/base")
    assert "secret" not in str(told.value) and "\n" not in str(told.value)


def test_a_password_comes_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lopore.audit.database import url_of

    (tmp_path / "secret").write_text("s3cret\n")
    monkeypatch.setenv("LOPORE_RECORDS_PASSWORD_FILE", str(tmp_path / "secret"))
    assert url_of("postgresql://lopore@host/base").password == "s3cret"
    assert url_of("postgresql://lopore:own@host/base").password == "own"
    monkeypatch.setenv("LOPORE_RECORDS_PASSWORD_FILE", str(tmp_path / "absent"))
    with pytest.raises(ConfigError, match="cannot be read"):
        url_of("postgresql://lopore@host/base")


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(records, films): a prediction, one at a threshold of the reviewer, an inspection with its verdict, a review."""
    place = tmp_path_factory.mktemp("decided")
    (place / "films").mkdir()
    cv2.imwrite(str(place / "films" / "small.png"), np.tile(np.arange(0, 240, 3, np.uint8), (64, 1)))
    whole = ground(200, 400)
    disc(whole, 200.5, 100.5, 14)
    cv2.imwrite(str(place / "films" / "whole.png"), whole)
    bright = open_model(ModelFolder.read(publish(place / "models" / "bright" / "1").path))
    areas = open_model(ModelFolder.read(publish_areas(place / "models" / "areas" / "1").path))
    (answer,) = predict_files(bright, [place / "films" / "small.png"])
    assert isinstance(answer, Prediction)
    raised = bright.record.model_copy(update={"threshold": Threshold(value=0.99, rule="argmax", chosen_on="val")})
    moved = decide(raised, list(answer.scores.values()))
    profile = profile_of_bytes(RULES, source="rules")
    with open_film(place / "films" / "whole.png") as source:
        found = inspect_film(areas, source, profile=profile)
    first = prediction_draft(bright, answer, by="service")
    review = Draft("review", {"review": {"verdict": "accept"}}, about=first.id)
    with open_trail(str(place / "records"), create=True) as trail:
        trail.append([first, prediction_draft(bright, answer.model_copy(update={"decision": moved}), by="app")])
        trail.append([*inspection_drafts(areas, found, profile, by="service"), review])
    return place / "records", place / "films"


@pytest.fixture
def say(decided: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("LOPORE_RECORDS", str(decided[0]))
    monkeypatch.setenv("LOPORE_MODELS", str(decided[0].parent / "models"))
    return lambda *words: lopore("records", *words)


def test_records_are_listed_shown_and_verified(say: Callable[..., Result]) -> None:
    listed = [json.loads(line) for line in say("list", "--json").stdout.splitlines()]
    assert [one["kind"] for one in listed] == ["prediction", "prediction", "indications", "verdict", "review"]
    assert listed[3]["about"] == listed[2]["id"] and listed[4]["about"] == listed[0]["id"]
    assert json.loads(say("show", "4", "--json").stdout) == listed[3]
    assert "whole.png: 1 indications" in say("list").stdout
    told = json.loads(say("verify", "--json").stdout)
    assert told["sound"] and told["records"] == 5 and told["head"] == listed[4]["hash"]


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_decision_is_made_again(say: Callable[..., Result], decided: tuple[Path, Path], number: int) -> None:
    done = say("replay", str(number), "--film", str(decided[1]), "--json")
    told = json.loads(done.stdout)
    assert told["same"] and told["largest_difference"] <= 1e-6 and told["then"] == told["now"]


def test_what_cannot_be_made_again_says_why(
    say: Callable[..., Result], decided: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*words: object) -> str:
        return error_line(say("replay", *words).stderr)

    assert "is a review" in told("5")
    assert "name it with --film" in told("1")
    publish(tmp_path / "models" / "bright" / "1", record=record_for(created="2026-02-02T00:00:00+00:00"))
    monkeypatch.setenv("LOPORE_MODELS", str(tmp_path / "models"))
    assert "another model than then (record, weights changed)" in told("1", "--film", str(decided[1]))
