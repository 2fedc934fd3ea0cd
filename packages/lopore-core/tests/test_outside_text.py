"""Text from outside stays text: markup, escapes and formulas in every string of a record, a class and a file name."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import Result
from made.models import publish, record_for

from lopore.data.cells import cell_text, safe_cell, shown_cell
from lopore.record.interval import Interval
from lopore.record.model import Explanation, LeakReport, Threshold

Invoke = Callable[..., Result]
ESCAPES = "\x1b]0;owned\x07\x1b[31m\x9b2J\u202e\r\n"
MARKUP = "<img src=x onerror=alert(1)>![m](http://planted.example/a.png)"
FORMULAS = ("=1+1", " =1+1", "\t=1+1", "+1", "-1", "@SUM(A1)", "\u00a0=1", "'=1", "\uff1d1+1", "\n=1")
CLASSES = ("=HYPERLINK(1)", "<img src=x onerror=alert(1)>")
NAMES = (f"{MARKUP.replace('/', '_')}.png", " =1+1.png", "esc\x1b[31m\x07.png", "two\nlines.png", "bidi\u202e.png")


def planted() -> dict[str, Any]:
    """Every string of a record that is free."""
    text = f"=cmd {ESCAPES}{MARKUP}"
    return {
        "classes": CLASSES, "created": text, "framework": text, "backbone": text, "licence": text,
        "metrics_split": text, "data_fingerprint": text,
        "split_fingerprint": text, "versions": {text: text}, "training_grey": {text: 1.0},
        "metrics": {text: Interval(value=0.5), "roc_auc": Interval(value=0.5, low=0.1, high=0.9)},
        "threshold": Threshold(value=0, rule=text, chosen_on=text),
        "leaks": LeakReport(split_kind=text, leaks=1, examples=(text,)),
        "explanation": Explanation(layer=text, reason=text),
        "architecture": {text: text, "converted_from": {"model": text, "framework": text}},
    }  # fmt: skip


@pytest.fixture
def films(tmp_path: Path, invoke: Invoke) -> Path:
    """Films of hostile names in folders of hostile classes, beside a hostile model ``bright``."""
    publish(tmp_path / "models" / "final" / "bright" / "1", record=record_for(**planted()))
    for number, name in enumerate(CLASSES):
        folder = tmp_path / "films" / name
        folder.mkdir(parents=True)
        for one in NAMES:
            noise = np.random.default_rng(len(one)).integers(0, 60, (40, 40)) + 190 * number
            (folder / one).write_bytes(cv2.imencode(".png", noise.astype(np.uint8))[1].tobytes())
    return tmp_path / "films"


def assert_no_control(text: str, where: str) -> None:
    wrong = re.findall(r"[^\n\r -~\u00a0-\u2027\u202f-\u2065\u206a-\U0010ffff]", text.replace("\r\n", "\n"))
    assert not wrong, (where, wrong[:5])
    assert "\r" not in text.replace("\r\n", "\n"), where


def cells(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.reader(stream):
            yield from row


def assert_sound_table(path: Path) -> None:
    for cell in cells(path):
        assert_no_control(cell, path.name)
        assert "\n" not in cell
        is_number = re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", cell)
        assert is_number or not re.match(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]", cell), (path.name, cell)


def test_nothing_planted_reaches_a_terminal_or_a_table_raw(films: Path, tmp_path: Path, invoke: Invoke) -> None:
    commands: list[tuple[Any, ...]] = [
        ("show", "bright"), ("models",), ("predict", "--model", "bright", films),
        ("predict", "--model", "bright", "--out", tmp_path / "answers.csv", films),
        ("predict", "--model", "bright", "--out", tmp_path / "answers.json", films),
        ("explain", "--model", "bright", "--out", tmp_path / "maps", films),
        ("data", "index", films, "--out", tmp_path / "manifest.csv"), ("data", "check", tmp_path / "manifest.csv"),
        ("enhance", "--chain", "invert", "--out", tmp_path / "enhanced", films),
        ("eval", "bright", "--manifest", tmp_path / "manifest.csv", "--split", "all", "--out", tmp_path / "report"),
    ]  # fmt: skip
    for command in commands:
        done = invoke(*command)
        assert "unexpected" not in done.stderr, (command, done.stderr)
        assert "Traceback" not in done.output
        assert_no_control(done.stdout, str(command))
        assert_no_control(done.stderr, str(command))
    assert_sound_table(tmp_path / "answers.csv")
    assert len(json.loads((tmp_path / "answers.json").read_text(encoding="utf-8"))) == len(CLASSES) * len(NAMES)
    assert_sound_files(tmp_path / "report", {".csv", ".html", ".json"})


def assert_sound_files(folder: Path, kinds: set[str]) -> None:
    """Tables without formulas, pages without live markup or addresses, nothing with control characters."""
    files = [file for file in folder.rglob("*") if file.suffix in {".csv", ".html", ".json", ".svg"}]
    assert {file.suffix for file in files} == kinds
    for file in files:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".csv":
            assert_sound_table(file)
        elif file.suffix == ".json":
            json.loads(text)
        else:
            assert_no_control(text.replace("\t", " "), file.name)
            assert "<img src=x" not in text, file.name
            assert "http://planted.example" not in re.sub(r">[^<]*<", "><", text), file.name


def test_nothing_planted_is_live_in_what_inspect_report_compare_and_pod_write(
    films: Path, tmp_path: Path, invoke: Invoke
) -> None:
    names = [f'"=1+1 {MARKUP}"', '"\x1b[31mred"', '" +1"']
    lines = [f"{size / 10},{int(size > 14 or size % 5 == 0)},{names[size % 3]}" for size in range(1, 60)]
    table = tmp_path / f"{MARKUP.replace('/', '_')}.csv"
    table.write_text("\n".join(["size_mm,hit,film", *lines]), encoding="utf-8")
    out = tmp_path / "out"
    manifest = tmp_path / "manifest.csv"
    invoke("data", "index", films, "--out", manifest)
    commands: list[tuple[Any, ...]] = [
        ("inspect", "bright", films, "--out", out / "inspected", "--no-pdf"),
        ("inspect", "bright", films, "--json"), ("predict", "--model", "bright", "--json", films),
        ("show", "bright", "--json"), ("models", "--json"),
        ("report", "bright", "--manifest", manifest, "--split", "all", "--out", out / "page"),
        ("compare", "bright", "bright", "--manifest", manifest, "--split", "all", "--out", out / "two"),
        ("pod", table, "--group", "film", "--out", out / "pod"),
    ]  # fmt: skip
    for command in commands:
        done = invoke(*command)
        assert "unexpected" not in done.stderr, (command, done.stderr)
        assert "Traceback" not in done.output
        assert_no_control(done.stdout, str(command))
        assert_no_control(done.stderr, str(command))
    assert_sound_files(out / "inspected", {".csv", ".html", ".json"})
    for folder in (one for one in out.iterdir() if one.name != "inspected"):
        assert_sound_files(folder, {file.suffix for file in folder.rglob("*")} & {".csv", ".html", ".json", ".svg"})
    assert {one.name for one in out.iterdir()} == {"inspected", "page", "two", "pod"}


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_that_a_spreadsheet_would_run_is_quoted_and_read_back_as_it_was(text: str) -> None:
    assert safe_cell(text).startswith("'")
    assert cell_text(safe_cell(text)) == text
    assert not re.match(r"\s*[=+\-@\uff1d]", shown_cell(text))


def test_numbers_stay_numbers_in_tables() -> None:
    assert [shown_cell(value) for value in (-1, -0.5, 3, None, ("a", "b"))] == ["-1", "-0.5", "3", "", "a|b"]
