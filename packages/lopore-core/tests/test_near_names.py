"""A name that is misspelt is told the name it was meant to be, and an odd setting is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from made.commands import error_line
from made.runs import config

from lopore.record.folder import ModelFolder

Invoke = Callable[..., Result]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("predict", "films", "--model", "bright", "--runtime", "onxruntime"), "; did you mean onnxruntime?"),
        (("predict", "films", "--model", "bright", "--runtime", "onxx"), "; did you mean onnx?"),
        (("predict", "films", "--model", "brihgt"), "; did you mean bright?"),
        (
            ("explain", "films", "--model", "bright", "--out", "o", "--explainer", "ocklusion"),
            "; did you mean occlusion?",
        ),
        (("explain", "films", "--model", "bright", "--out", "o", "--class", "pores"), "; did you mean pore?"),
        (("export", "bright", "--to", "onxx", "--images", "films"), "; did you mean onnx"),
        (("convert", "bright", "--to", "trch", "--images", "films"), "; did you mean torch?"),
    ],
)
def test_a_misspelt_choice_that_plugins_fill_names_the_near_one(
    films: Path, invoke: Invoke, words: tuple[str, ...], said: str
) -> None:
    pytest.importorskip("lopore_onnx")
    pytest.importorskip("lopore_torch")
    done = invoke(*words)
    assert done.exit_code == 1
    assert said in error_line(done.stderr)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name=2026-13-45", "--set name: '2026-13-45' is no YAML value; put text that looks like a date"),
        ("name=2026-01-05", "name: Input should be a valid string (got 2026-01-05); put it in quotes"),
        ("name=5", "name: Input should be a valid string (got 5); put it in quotes"),
        ("name=[", "--set name: '[' is no YAML value"),
        ("data.x=!!python/object:os.system", "--set data.x: '!!python/object:os.system' is no YAML value"),
        (f"seed={'9' * 6000}", "--set seed: '999"),
        ("seed=99999999999999999999999", "seed: Input should be less than 4294967296"),
        ("training.epochs=1e400", "training.epochs: Input should be a valid integer"),
        ("=3", "'=3' is not KEY=VALUE, such as training.loss.name=focal"),
        ("   =3", "' =3' is not KEY=VALUE"),
        ("x", "'x' is not KEY=VALUE"),
        ("training..epochs=3", "'training..epochs=3' is not KEY=VALUE"),
        (".=3", "'.=3' is not KEY=VALUE"),
        ("training.epoch=3", "unknown key 'training.epoch', did you mean 'epochs'?"),
        ("data=3", "data: Input should be a mapping"),
        ("training.epochs=", "training.epochs: Input should be a valid integer (got nothing)"),
        ("name=\x1b[31m", "is no YAML value"),
    ],
)
def test_an_odd_setting_is_one_line(welds: Path, softmax: None, invoke: Invoke, text: str, said: str) -> None:
    config(welds)
    done = invoke("train", "--config", "little.yaml", "--set", text)
    assert done.exit_code == 1
    line = error_line(done.stderr)
    assert said in line
    assert len(line) < 400
    assert "\x1b" not in line
    assert "unexpected" not in line
    assert not Path("models").exists()


LACK = "has no column path, image, file or filename; it has"
TABLES = [
    ("imagepath,class\n", f"{LACK} imagepath, class; 'imagepath' looks like image_path: rename it to path"),
    ("bild,class\n", f"{LACK} bild, class; rename the one that names the files to path"),
]


@pytest.mark.parametrize(("header", "said"), TABLES)
def test_a_table_without_a_known_path_column_says_what_to_rename(
    films: Path, invoke: Invoke, header: str, said: str
) -> None:
    Path("labels.csv").write_text(f"{header}films/pore/pore0.png,pore\n", encoding="utf-8")
    done = invoke("data", "index", "labels.csv")
    assert done.exit_code == 1
    assert said in error_line(done.stderr)


def test_a_column_that_nearly_has_a_known_name_is_told_and_so_are_unused_ones(films: Path, invoke: Invoke) -> None:
    Path("labels.csv").write_text(
        "path,lable,film_no,inspector\nfilms/pore/pore0.png,pore,7,Ana\nfilms/pore/pore1.png,pore,8,Ana\n",
        encoding="utf-8",
    )
    done = invoke("data", "index", "labels.csv")
    assert done.exit_code == 0, done.stderr
    assert "note: column 'lable' is not used; it looks like label: rename it to labels" in done.stdout
    assert "note: not used: columns film_no, inspector" in done.stdout
    assert "note: 2 images have no label: no column is called label, class or the like" in done.stdout


def test_a_misspelt_column_option_names_the_near_column(films: Path, invoke: Invoke) -> None:
    Path("labels.csv").write_text("path,kind,weld no\nfilms/pore/pore0.png,pore,7\n", encoding="utf-8")
    done = invoke("data", "index", "labels.csv", "--label-column", "kinds")
    assert "has no column 'kinds'; it has path, kind, weld no; did you mean kind?" in error_line(done.stderr)


def test_a_table_whose_columns_are_all_known_has_no_remark(films: Path, invoke: Invoke) -> None:
    Path("labels.csv").write_text("path,labels,group\nfilms/pore/pore0.png,pore,7\n", encoding="utf-8")
    assert "not used" not in invoke("data", "index", "labels.csv").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export", "bright", "--to", "onxx"), "to 'onxx'; installed: "),
        (("convert", "bright", "--to", "onnx"), "framework 'onnx' is not installed"),
        (("convert", "bright", "--to", "torch"), "is a torch model already"),
    ],
)
def test_a_wrong_target_is_told_before_pictures_are_looked_for(
    model_folder: ModelFolder, invoke: Invoke, words: tuple[str, ...], said: str
) -> None:
    pytest.importorskip("lopore_torch")
    assert said in error_line(invoke(*words).stderr)


@pytest.mark.parametrize("name", ["out.CSV", "out.Json", "out.JSONL"])
def test_the_suffix_of_the_answers_may_be_in_capitals(films: Path, invoke: Invoke, name: str) -> None:
    assert invoke("predict", "films", "--model", "bright", "--out", name).exit_code == 0
    assert Path(name).stat().st_size


def test_a_misspelt_flaw_names_the_near_one(invoke: Invoke) -> None:
    line = error_line(invoke("data", "synth", "made", "--class", "porosity").stderr)
    assert line.endswith("; did you mean pore?")


def test_a_set_without_labels_is_told_so_by_an_evaluation(
    films: Path, model_folder: ModelFolder, invoke: Invoke
) -> None:
    assert invoke("data", "index", "films/pore", "--out", "bare.csv").exit_code == 0
    line = error_line(invoke("eval", "bright", "--manifest", "bare.csv").stderr)
    assert "train" not in line
    assert "no image carries a label" in line
