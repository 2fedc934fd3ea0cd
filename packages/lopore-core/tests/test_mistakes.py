"""What a newcomer does wrong on the first day, and the one line that says what to do next."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from made.commands import lopore

from lopore.config import parse_experiment
from lopore.data.layout import FIRST_CONFIG
from lopore.errors import ConfigError, PluginError
from lopore.model import ModelFolder
from lopore.registry import discover


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)


def told(result: Result) -> str:
    """The one line of a mistake."""
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("lopore: ")
    return line


def test_init_says_what_comes_next(tmp_path: Path) -> None:
    made = lopore("data", "init", "shop")
    assert made.stdout.splitlines()[-1] == "next: put films into shop/data/raw/CLASS/; shop/README.md tells the rest"
    assert "next:" not in lopore("data", "init", "shop").stdout


@pytest.mark.parametrize("key", ["augmentation", "window", "task", "resize", "pretrained"])
def test_what_the_first_config_proposes_in_a_remark_is_accepted(key: str) -> None:
    (line,) = [line for line in FIRST_CONFIG.splitlines() if line.lstrip(" #").startswith(f"{key}:")]
    remark = line.partition("#")[2].strip()
    config = yaml.safe_load(FIRST_CONFIG)
    if key == "augmentation":
        proposed = [yaml.safe_load(remark[remark.index("{") :])]
    elif key == "window":
        proposed = [yaml.safe_load(remark[remark.index("{") : remark.index("}") + 1])]
    else:
        words = remark.partition(":")[0] if key == "pretrained" else remark.replace("(with data.positive)", "")
        proposed = [word.strip() for word in words.split(",")]
    section = {"window": "preprocessing", "resize": "preprocessing", "pretrained": "model"}.get(key)
    for value in proposed:
        (config[section] if section else config)[key] = value
        config["data"]["positive"] = "pore" if value == "binary" else None
        parse_experiment(config, source="first.yaml")


def test_a_size_in_words_is_told_what_a_size_is() -> None:
    config = {"name": "a", "data": {"manifest": "films.csv"}, "preprocessing": {"size": "large"}}
    with pytest.raises(ConfigError, match=r"size is a number of pixels, or \[height, width\] \(got 'large'\)"):
        parse_experiment(config, source="first.yaml")


def test_a_misspelt_backbone_is_told_those_of_its_own_framework() -> None:
    backbones = discover().backbones
    frameworks = sorted({key.partition("/")[0] for key in backbones})
    if len(frameworks) < 2:
        pytest.skip("one framework is installed")
    for framework in frameworks:
        with pytest.raises(PluginError) as caught:
            backbones[f"{framework}/resnt18"]
        named = set(re.findall(r"(\w+)/\w", str(caught.value).partition("installed:")[2]))
        assert named == {framework}


def test_a_model_file_that_is_not_there_is_named_as_a_file_and_the_place_in_full(tmp_path: Path) -> None:
    assert told(lopore("inspect", "out/model.onnx")).startswith("lopore: out/model.onnx is not there; found none in /")
    assert f"{tmp_path / 'models' / 'final'}" in told(lopore("inspect", "weld"))
    assert "go to the project's folder" in told(lopore("inspect"))


def test_counts_of_a_check_are_in_plain_english(tmp_path: Path) -> None:
    assert lopore("data", "synth", "films", "--films", 3, "--size", 64, "--class", "pore").exit_code == 0
    shutil.rmtree("films/masks")
    last = lopore("data", "check", "films").stdout.splitlines()[-1]
    assert re.fullmatch(r"3 images: 0 errors, \d+ warnings?", last)
    assert " 1 errors" not in last
    assert " 1 warnings" not in last


def made_films(*options: object) -> None:
    assert lopore("data", "synth", "films", "--films", 3, "--size", 64, "--class", "pore", *options).exit_code == 0


def test_a_group_pattern_that_fits_no_name_stops_the_indexing(tmp_path: Path) -> None:
    made_films()
    line = told(lopore("data", "index", "films", "--group-pattern", "^(W[0-9]+)"))
    assert re.search(r"no file name fits the group pattern '\^\(W\[0-9\]\+\)', such as film\d+_0\.png; mend it", line)
    assert not (tmp_path / "manifest.csv").exists()


def test_a_misspelt_preset_names_the_near_one() -> None:
    titles = list(discover().presets())
    if not titles:
        pytest.skip("no preset is installed")
    made_films()
    for title in titles:
        line = told(lopore("enhance", "films/pore", "--chain", title[:-1].lower(), "--out", "out"))
        assert f"did you mean '{title}'?" in line
    assert not Path("out").exists()


@pytest.mark.parametrize("text", ["flatten|clahee", "clahe(clip_limt=3)"])
def test_a_misspelt_step_is_not_taken_for_a_preset(text: str) -> None:
    if "clahe" not in discover().enhancers:
        pytest.skip("lopore-enhance is not installed")
    made_films()
    assert "preset" not in told(lopore("enhance", "films/pore", "--chain", text, "--out", "out"))
    assert lopore("enhance", "films/pore", "--chain", "flatten|clahe(tiles=2)", "--out", "out").exit_code == 0


def test_a_plugin_that_is_written_but_not_installed_is_told_so() -> None:
    assert lopore("new-plugin", "weld-contrast", "--kind", "enhancer").exit_code == 0
    line = told(lopore("check-plugin", "weld-contrast"))
    assert line.endswith("the folder weld-contrast is not installed yet: pip install -e weld-contrast")


@pytest.mark.parametrize("out", ["labels.txt", "labels.txt/out", "closed/out"])
def test_a_folder_that_cannot_be_is_told_once_and_before_any_work(out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made_films()
    Path("labels.txt").write_text("text", encoding="utf-8")
    Path("closed").mkdir(mode=0o555)
    writable = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "closed" and writable(path, mode))
    line = told(lopore("enhance", "films/pore", "--chain", "invert", "--out", out))
    assert re.search("is a file; name a folder" if "txt" in out else "is not yours to write in; choose another", line)


def test_a_deep_film_for_an_8_bit_model_is_told_what_the_training_needs(model_folder: ModelFolder) -> None:
    made_films("--bits", 16)
    done = lopore("predict", "films/pore", "--model", "bright")
    assert done.exit_code == 1
    for line in done.stderr.splitlines()[:-1]:
        assert "such films need a model trained with preprocessing.window.mode percentile, fixed or tags" in line
    assert done.stderr.splitlines()[-1] == "0 predicted, 3 failed"
