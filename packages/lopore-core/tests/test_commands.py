"""predict, enhance, inspect and plugins on good input: files, folders, globs, every form of output."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from lopore.reading.encode import write_radiograph
from lopore.reading.radiograph import read_radiograph
from lopore.record.folder import ModelFolder

Run = Callable[..., subprocess.CompletedProcess[str]]
Invoke = Callable[..., Result]
BRIGHT = np.full((20, 20), 200, np.uint8)


def decisions(text: str) -> dict[str, list[str]]:
    return {entry["source"]: entry["decision"]["labels"] for entry in map(json.loads, text.splitlines())}


def test_predict_takes_files_folders_and_globs_and_each_picture_once(films: Path, invoke: Invoke) -> None:
    found = invoke(
        "predict", "films/pore", "films/*/pore1.png", "films/no_defect/no_defect0.png", "--model", "bright", "--json"
    )
    assert found.exit_code == 0, found.stderr
    answers = decisions(found.stdout)
    assert len(found.stdout.splitlines()) == len(answers) == 7
    assert [labels for source, labels in answers.items() if "no_defect" in source] == [["no_defect"]]
    assert sum(labels == ["pore"] for labels in answers.values()) == 6
    assert found.stderr == "7 predicted, 0 failed\n"


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_the_size_of_a_batch_changes_nothing(films: Path, invoke: Invoke, batch_size: int) -> None:
    alone = invoke("predict", "films", "--model", "bright", "--json", "--batch-size", 5)
    assert invoke("predict", "films", "--model", "bright", "--json", "--batch-size", batch_size).stdout == alone.stdout


def test_csv_json_and_json_lines_hold_the_same_answers(films: Path, invoke: Invoke) -> None:
    for name in ("out/a.csv", "out/a.json", "out/a.jsonl"):
        found = invoke("predict", "films", "--model", "bright/1", "--out", name)
        assert (found.exit_code, found.stdout) == (0, "")
    with Path("out/a.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    whole = json.loads(Path("out/a.json").read_text())
    lines = [json.loads(line) for line in Path("out/a.jsonl").read_text().splitlines()]
    assert whole == lines
    assert [row["path"] for row in table] == [entry["source"] for entry in whole]
    assert [float(row["score:pore"]) for row in table] == pytest.approx(
        [entry["scores"]["pore"] for entry in whole], abs=1e-6
    )
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.csv", "a.json", "a.jsonl"]


def test_no_answer_at_all_is_still_valid_json(films: Path, invoke: Invoke) -> None:
    Path("bad.png").write_text("no image")
    assert invoke("predict", "bad.png", "--model", "bright", "--out", "a.json").exit_code == 1
    assert json.loads(Path("a.json").read_text()) == []


def test_a_chain_is_applied_before_the_model_and_told_in_the_answer(films: Path, invoke: Invoke) -> None:
    pytest.importorskip("lopore_enhance")
    found = invoke("predict", "films/pore", "--model", "bright", "--json", "--chain", "invert")
    answers = [json.loads(line) for line in found.stdout.splitlines()]
    assert {entry["decision"]["labels"][0] for entry in answers} == {"no_defect"}
    assert answers[0]["chain"] == [{"name": "invert"}]


@pytest.mark.parametrize(
    "name",
    [
        "=cmd|'x'!A1.png",
        "-rf.png",
        "two\nlines.png",
        "<script>alert(1)</script>.png".replace("/", "_"),
        "a\x1b[31mred.png",
    ],
)
def test_a_strange_name_stays_one_line_and_no_spreadsheet_runs_it(films: Path, invoke: Invoke, name: str) -> None:
    write_radiograph(BRIGHT, Path(name))
    shown = invoke("predict", "--model", "bright", "--", name)
    assert shown.exit_code == 0, shown.stderr
    assert len(shown.stdout.splitlines()) == 1
    assert "\x1b" not in shown.stdout
    assert invoke("predict", "--model", "bright", "--out", "a.csv", "--", name).exit_code == 0
    with Path("a.csv").open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert row["path"].lstrip("'") == re.sub(r"[\x00-\x1f]", "?", name)
    assert row["path"][0] not in "=+-@"
    assert decisions(invoke("predict", "--model", "bright", "--json", "--", name).stdout) == {name: ["pore"]}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such name")
def test_a_name_that_is_no_utf8_is_predicted_and_written(films: Path, lopore: Run) -> None:
    write_radiograph(BRIGHT, films.parent / os.fsdecode(b"odd/\xff.png"))
    for arguments in (("--json",), ("--out", "a.csv"), ()):
        found = lopore("predict", "odd", "--model", "bright", *arguments)
        assert found.returncode == 0, found.stderr
    assert "pore" in (films.parent / "a.csv").read_text(encoding="utf-8")


def test_json_on_standard_output_is_pure_while_bad_files_are_told_on_standard_error(films: Path, lopore: Run) -> None:
    (films / "pore" / "broken.png").write_bytes((films / "pore" / "pore0.png").read_bytes()[:300])
    found = lopore("predict", "films", "--model", "bright", "--json")
    assert found.returncode == 1
    assert len(decisions(found.stdout)) == 12
    assert "films/pore/broken.png is cut short or damaged" in found.stderr
    assert found.stderr.splitlines()[-1] == "12 predicted, 1 failed"


def test_a_reader_that_closes_early_gets_no_traceback(films: Path, tmp_path: Path) -> None:
    for number in range(400):
        shutil.copyfile(films / "pore" / "pore0.png", films / f"{number}.png")
    command = f"{sys.executable} -m lopore predict films --model bright --json | head -1"
    done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_enhance_keeps_the_depth_and_never_writes_over_a_film(films: Path, invoke: Invoke) -> None:
    pytest.importorskip("lopore_enhance")
    deep = np.arange(400, dtype=np.uint16).reshape(20, 20) * 100
    for name in ("a/film.png", "b/film.png", "a/film-2.png"):
        write_radiograph(deep, Path(name))
    found = invoke("enhance", "a", "b", "--chain", "invert", "--out", "out")
    assert found.exit_code == 0, found.stderr
    written = sorted(Path("out").iterdir())
    assert len(written) == 3
    for path in written:
        assert np.array_equal(read_radiograph(path).pixels, 65535 - deep)
    refused = invoke("enhance", "a", "--chain", "invert", "--out", "a")
    assert refused.exit_code == 1
    assert "would write over the source" in refused.stderr
    assert np.array_equal(read_radiograph(Path("a/film.png")).pixels, deep)


def test_inspect_says_what_a_model_is_and_that_its_files_are_whole(model_folder: ModelFolder, invoke: Invoke) -> None:
    found = invoke("show", "bright")
    assert found.exit_code == 0, found.stderr
    for fact in (
        "bright/1",
        "no_defect, pore",
        "16 x 16 px, grey, 8 bit",
        "the largest score",
        "is as published",
    ):
        assert fact in found.stdout
    assert json.loads(invoke("show", "bright", "--json").stdout)["classes"] == ["no_defect", "pore"]
    assert "bright/1  torch/bright_or_dark  onnx  not scored" in invoke("models").stdout
    listed = json.loads(invoke("models", "--json").stdout)
    assert (listed["model"], listed["formats"], listed["leaks"]) == ("bright/1", ["onnx"], 0)


def test_an_onnx_file_alone_is_a_model(films: Path, model_folder: ModelFolder, invoke: Invoke) -> None:
    shutil.copyfile(model_folder.path / "model.onnx", "carried.onnx")
    shutil.rmtree("models")
    found = invoke("predict", "films/pore", "--model", "carried.onnx", "--json")
    assert set(map(tuple, decisions(found.stdout).values())) == {("pore",)}
    assert invoke("show", "carried.onnx").exit_code == 0


def test_an_altered_model_is_refused_before_it_runs(films: Path, model_folder: ModelFolder, invoke: Invoke) -> None:
    path = model_folder.path / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    for arguments in (("predict", "films", "--model", "bright"), ("show", "bright")):
        found = invoke(*arguments)
        assert found.exit_code == 1
        assert len(found.stderr.splitlines()) == 1
        assert "is not the file that was published (sha256 differs)" in found.stderr


def test_no_model_and_an_unknown_model_say_where_was_looked(tmp_path: Path, invoke: Invoke) -> None:
    assert re.fullmatch(r"lopore: no model in /.*/models/final; .*\n", invoke("models").stderr)
    Path("x.png").touch()
    assert re.fullmatch(
        r"lopore: no model 'nope'; found none in /.*/models/final; .*\n",
        invoke("predict", "x.png", "--model", "nope").stderr,
    )


def test_a_misspelt_command_names_the_near_one(invoke: Invoke) -> None:
    found = invoke("predit")
    assert found.exit_code == 2
    assert "did you mean predict?" in found.stderr


def test_a_bug_is_one_line_and_debug_shows_where(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lopore.models.catalogue.find_models", lambda: 1 / 0)
    found = invoke("models")
    assert found.exit_code == 1
    assert found.stderr.startswith("lopore: unexpected ZeroDivisionError")
    assert len(found.stderr.splitlines()) == 1
    with pytest.raises(ZeroDivisionError):
        invoke("--debug", "models")
