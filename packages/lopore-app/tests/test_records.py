"""Records keep what was said, survive asking again, leave as files that other tools read, and stay bounded."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from made.images import even

from lopore.cli.data import index
from lopore.data.manifest import Manifest
from lopore.errors import ConfigError
from lopore.inference.predict import Prediction, describe_prediction, prepare, score_images
from lopore.inference.predictions_table import COLUMNS
from lopore.models.opening import OpenModel, open_model
from lopore.preprocessing.enhancement_chain import Chain
from lopore.record.folder import ModelFolder
from lopore_app.review import records
from lopore_app.review.prediction_log import corrections_csv, log_json, predictions_csv, shown_name
from lopore_app.review.printed_report import report_html
from lopore_app.review.records import (
    Entry,
    Unanswered,
    entries,
    keep,
    keep_unanswered,
    newest,
    review,
    unanswered,
)
from lopore_app.review.zip_archive import safe_stem, zip_file

HOSTILE = [
    "<img src=x onerror=alert(1)>.png",
    "../../etc/passwd.png",
    "..\\..\\windows\\system32.png",
    "=cmd|' /C calc'!A0.png",
    "a\u202egnp.exe.png",
    "x" * 400 + ".png",
    "CON.png",
    ".hidden.png",
    "line\nbreak.png",
    "\x00null.png",
]


@pytest.fixture
def model(model_folder: ModelFolder) -> OpenModel:
    return open_model(model_folder)


@pytest.fixture
def entry(model: OpenModel) -> Callable[..., Entry]:
    def made(name: str = "film.png", content: bytes | None = None, chain: list[Any] | None = None) -> Entry:
        film = even(255) if content is None else content
        steps = Chain.parse(chain or [])
        prepared = prepare(model.record, film, chain=steps, name=name)
        row = score_images(model, [prepared.pixels])[0]
        prediction = describe_prediction(model, prepared.radiograph, row, steps)
        called = prediction.decision.labels[0]
        return Entry.of(model, prediction, film=name, content=film, explainer="grad-cam", explained_class=called)

    return made


def test_the_same_question_keeps_one_record_with_its_review(entry: Callable[..., Entry]) -> None:
    state: dict[str, Any] = {}
    key = keep(state, entry())
    review(state, key, "reject", note="a scratch")
    assert keep(state, entry()) == key
    assert [one.review.verdict for one in entries(state)] == ["reject"]
    assert keep(state, entry(chain=["invert"])) != key
    assert len(entries(state)) == 2


def test_the_last_answer_for_a_film_stands_alone_and_every_answer_stays(entry: Callable[..., Entry]) -> None:
    state: dict[str, Any] = {}
    first = keep(state, entry())
    keep(state, entry(chain=["invert"]))
    last = keep(state, entry(chain=[{"name": "gamma", "gamma": 2}]))
    review(state, first, "accept")
    assert [one.key for one in newest(entries(state))] == [last]
    assert len(entries(state)) == 3


def test_a_verdict_belongs_to_film_and_call_and_never_to_the_settings(entry: Callable[..., Entry]) -> None:
    state: dict[str, Any] = {}
    before = keep(state, entry(chain=[{"name": "gamma", "gamma": 2}]))
    first = keep(state, entry())
    review(state, first, "reject", note="a scratch")
    later = keep(state, entry(chain=[{"name": "gamma", "gamma": 0.5}]))
    other = keep(state, entry(chain=["invert"]))
    said = {one.key: one.review.verdict for one in entries(state)}
    assert [said[key] for key in (before, first, later, other)] == ["reject", "reject", "reject", "open"]


DOUBT = "The film is large: shrunk 39 times; cut out the weld."
BROKEN = Unanswered(
    "C:\\films\\torn.dcm", "f" * 64, 1, "bright/1", "torn.dcm ends inside its pixels; send it once more"
)


def test_every_doubt_and_every_file_without_an_answer_is_in_every_file_that_leaves(entry: Callable[..., Entry]) -> None:
    found = [replace(entry(), doubts=(DOUBT,), tone="unjudged")]
    archive = zipfile.ZipFile(io.BytesIO(zip_file(found, [BROKEN])))
    files = {
        "log": log_json(found, [BROKEN]),
        "csv": predictions_csv(found, [BROKEN]),
        "report": report_html(found, [BROKEN]),
        "log in the ZIP": archive.read("log.json").decode(),
        "csv in the ZIP": archive.read("predictions.csv").decode(),
    }
    for name, text in files.items():
        assert DOUBT in text, name
        assert "torn.dcm" in text, name
        assert "ends inside its pixels" in text, name
        assert "C:" not in text, name
    assert "ends inside its pixels" in archive.read("README.txt").decode()
    log = json.loads(files["log"])
    assert log["predictions"][0]["judged"] is False
    rows = list(csv.DictReader(io.StringIO(files["csv"])))
    assert [(row["predicted"], row["judged"], row["notes"]) for row in rows] == [
        ("pore", "0", DOUBT),
        ("", "0", BROKEN.reason),
    ]
    assert list(rows[0])[: len(COLUMNS)] == list(COLUMNS)
    assert "cannot be judged" in files["report"]


def test_an_answer_takes_a_file_out_of_those_without_one(entry: Callable[..., Entry]) -> None:
    state: dict[str, Any] = {}
    made = entry()
    keep_unanswered(state, Unanswered(made.film, made.sha256, 1, made.model, "step 'crop' leaves nothing"))
    keep_unanswered(state, BROKEN)
    keep(state, made)
    assert unanswered(state) == (BROKEN,)


def test_a_relabel_needs_a_label_and_an_unknown_verdict_is_one_line(entry: Callable[..., Entry]) -> None:
    state: dict[str, Any] = {}
    key = keep(state, entry())
    with pytest.raises(ConfigError, match="name the right class"):
        review(state, key, "relabel")
    with pytest.raises(ConfigError, match="allowed are open, accept, reject, relabel"):
        review(state, key, "maybe")
    with pytest.raises(ConfigError, match="no record"):
        review(state, "0" * 16, "accept")


def test_records_are_bounded_and_what_a_person_reviewed_goes_last(
    entry: Callable[..., Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_ENTRIES", 3)
    state: dict[str, Any] = {}
    seed = entry()
    first = keep(state, seed)
    review(state, first, "accept")
    for number in range(5):
        keep(state, replace(seed, sha256=f"{number:064d}"))
    assert [one.sha256[-1] for one in entries(state)] == [seed.sha256[-1], "3", "4"]


def test_pictures_of_the_oldest_films_go_when_the_session_holds_too_many_bytes(
    entry: Callable[..., Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_BYTES", 250)
    state: dict[str, Any] = {}
    seed = entry()
    for number in range(4):
        keep(state, replace(seed, sha256=f"{number:064d}", content=bytes(100)))
    assert [one.content is None for one in entries(state)] == [True, True, False, False]


def test_the_log_says_who_answered_what_and_what_the_reviewer_said(
    entry: Callable[..., Entry], model_folder: ModelFolder
) -> None:
    state: dict[str, Any] = {}
    key = keep(state, entry(chain=["invert"]))
    review(state, key, "relabel", "pore", "faint")
    log = json.loads(log_json(entries(state)))
    summary = log["predictions"][0]
    assert summary["sha256"] == entry().sha256
    assert summary["model"]["name"] == "bright/1"
    assert summary["model"]["weights"] == model_folder.record.files[0].sha256
    assert summary["model"]["preprocessing"] == model_folder.record.preprocessing_fingerprint
    assert summary["chain"] == [{"name": "invert"}]
    assert summary["decision"]["rule"] == "argmax"
    assert summary["explainer"] == "grad-cam"
    assert summary["review"]["label"] == "pore"
    assert log["versions"]["lopore-core"]
    assert str(model_folder.path) not in json.dumps(log)


def test_the_zip_opens_the_log_the_tables_and_both_pictures_of_each_film(entry: Callable[..., Entry]) -> None:
    state: dict[str, Any] = {}
    keep(state, entry("one.png", chain=["invert"]))
    keep(state, entry("one.png", even(0)))
    archive = zipfile.ZipFile(io.BytesIO(zip_file(entries(state))))
    assert archive.testzip() is None
    assert sorted(archive.namelist()) == [
        "README.txt", "corrections.csv", "enhanced/0001-one.png", "enhanced/0002-one.png", "log.json",
        "overlays/0001-one.png", "overlays/0002-one.png", "predictions.csv",
    ]  # fmt: skip
    pixels = cv2.imdecode(np.frombuffer(archive.read("enhanced/0001-one.png"), np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels.shape == (40, 40)
    assert (pixels == 0).all()
    assert len(json.loads(archive.read("log.json"))["predictions"]) == 2


def test_a_film_that_left_the_memory_is_named_in_the_zip_and_the_rest_is_there(entry: Callable[..., Entry]) -> None:
    gone = replace(entry("gone.png"), content=None)
    archive = zipfile.ZipFile(io.BytesIO(zip_file([gone, entry("here.png", even(0))])))
    assert "gone.png is no longer in this session" in archive.read("README.txt").decode()
    assert "enhanced/0002-here.png" in archive.namelist()


def test_the_archive_s_page_names_what_is_in_it_and_nothing_else(entry: Callable[..., Entry]) -> None:
    plain, chained = replace(entry(), explainer=None, explained_class=None), entry("b.png", chain=["invert"])
    for found in ([plain], [replace(plain, content=None)], [chained], []):
        archive = zipfile.ZipFile(io.BytesIO(zip_file(found)))
        summary = archive.read("README.txt").decode()
        inside = {name.split("/")[0] for name in archive.namelist() if "/" in name}
        assert {name for name in ("enhanced", "overlays") if f"{name}/" in summary} == inside
        assert all(name in summary for name in archive.namelist() if "/" not in name and name != "README.txt")


def test_no_name_leaves_the_archive_or_becomes_markup_or_a_formula(entry: Callable[..., Entry]) -> None:
    found = [replace(entry(), film=name, sha256=f"{number:064d}") for number, name in enumerate(HOSTILE)]
    archive = zipfile.ZipFile(io.BytesIO(zip_file(found)))
    for name in archive.namelist():
        assert name.isascii()
        assert ".." not in name
        assert not name.startswith("/")
        assert len(name) < 100
    page = report_html(found, images=False)
    assert "<img src=x" not in page
    assert "\u202e" not in page
    for row in csv.reader(io.StringIO(predictions_csv(found))):
        assert not any(cell.startswith(("=", "+", "@", "\t")) for cell in row)


@given(st.text(max_size=300))
def test_a_stem_is_safe_on_every_disk(name: str) -> None:
    stem = safe_stem(name)
    assert 1 <= len(stem) <= 60
    assert stem.isascii()
    assert all(sign.isalnum() or sign in "-_" for sign in stem)


class _Reader(html.parser.HTMLParser):
    """Counts tags and attributes that load or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.images = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name.startswith("on") or (name in ("src", "href") and not (value or "").startswith("data:image/")):
                self.outside.append(f"{tag} {name}={value}")
        if tag in ("script", "link", "iframe", "object"):
            self.outside.append(tag)
        self.images += tag == "img"


def test_the_printable_report_is_self_contained_and_says_what_was_reviewed(entry: Callable[..., Entry]) -> None:
    state: dict[str, Any] = {}
    key = keep(state, entry("<script>alert(1)<script>.png"))
    review(state, key, "relabel", "pore", "<b>note</b>")
    keep(state, entry("b.png", even(0)))
    page = report_html(entries(state))
    reader = _Reader()
    reader.feed(page)
    assert reader.outside == []
    assert reader.images == 4
    assert "relabelled: pore" in page
    assert "&lt;b&gt;note&lt;/b&gt;" in page
    assert "certifies nothing" in page


def test_corrections_are_labels_that_data_index_takes(entry: Callable[..., Entry], tmp_path: Path) -> None:
    state: dict[str, Any] = {}
    films = tmp_path / "films"
    films.mkdir()
    for number, (verdict, label) in enumerate([("relabel", "crack"), ("accept", ""), ("reject", ""), ("open", "")]):
        content = even(250 - number)
        (films / f"film {number}.png").write_bytes(content)
        key = keep(state, entry(f"C:\\upload\\film {number}.png", content))
        review(state, key, verdict, label)
    table = tmp_path / "corrections.csv"
    table.write_text(corrections_csv(entries(state)), encoding="utf-8")
    done = CliRunner().invoke(index, [str(table), "--root", str(films), "--out", str(tmp_path / "manifest.csv")])
    assert done.exit_code == 0, done.output
    rows = {row.path: row.labels for row in Manifest.read(tmp_path / "manifest.csv").rows}
    assert rows == {"film 0.png": ("crack",), "film 1.png": ("pore",)}


def test_the_last_review_of_a_film_wins_over_an_earlier_one(entry: Callable[..., Entry]) -> None:
    early, late = entry(), entry(chain=["invert"])
    early = replace(early, review=records.Review("accept", when="2026-01-01T00:00:00+00:00"))
    late = replace(late, review=records.Review("relabel", "crack", when="2026-01-02T00:00:00+00:00"))
    lines = corrections_csv([late, early]).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("film.png,crack,relabel,")


def test_a_shown_name_is_one_bounded_line_that_keeps_its_ending(entry: Callable[..., Entry]) -> None:
    names = [shown_name(replace(entry(), film=name)) for name in HOSTILE]
    assert all(name.isprintable() and len(name) <= 120 for name in names)
    assert names[5].endswith("xxxxx.png")
    assert names[1] == "passwd.png"


def test_a_prediction_of_another_shape_still_makes_a_record() -> None:
    several = Prediction.model_validate(
        {
            "source": "a.png", "sha256": "0" * 64, "page": 1, "depth": 8, "scores": {"pore": 0.9, "crack": 0.8},
            "decision": {"labels": ["pore", "crack"], "score": 0.9, "threshold": 0.5}, "model": "m/1",
            "preprocessing": "x", "runtime": "onnxruntime",
        }
    )  # fmt: skip
    state: dict[str, Any] = {}
    key = keep(state, Entry(film="a.png", sha256="0" * 64, prediction=several, model="m/1"))
    review(state, key, "accept")
    assert "a.png,pore|crack,accept" in corrections_csv(entries(state))
