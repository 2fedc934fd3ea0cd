"""What a newcomer does wrong on the first day, and the one line that says what to do next."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import Result
from made.commands import lopore

from lopore.cli.train import _home_of
from lopore.config.experiment import parse_experiment
from lopore.config.yaml_loader import parse_yaml
from lopore.data.layout import FIRST_CONFIG
from lopore.errors import ConfigError, PluginError
from lopore.plugins.registry import discover
from lopore.reading.encode import write_radiograph
from lopore.record.folder import ModelFolder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOPORE_MODELS", raising=False)


def told(result: Result, status: int = 1) -> str:
    """The one line of a mistake; `lopore train` says before that it reads the config."""
    assert result.exit_code == status
    (line,) = [line for line in result.stderr.splitlines() if not line.startswith("reading ")]
    assert line.startswith("lopore: ")
    return re.sub(r'-e "[^"]*/packages/', '"', line)  # in a checkout the advice names its folders


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
    assert told(lopore("show", "out/model.onnx")).startswith("lopore: out/model.onnx is not there; found none in /")
    assert f"{tmp_path / 'models' / 'final'}" in told(lopore("show", "weld"))
    assert "go to the project's folder" in told(lopore("models"))


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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "--epoch", "1"), "No such option '--epoch'. Did you mean '--epochs'? `lopore train --help` shows"),
        (("train", "configs/a.yaml"), "configs/a.yaml stands without its option; say --config configs/a.yaml; `lopore"),
        (("train", "films"), "unexpected extra argument (films); `lopore train --help` shows"),
        (("data", "splt"), "Did you mean 'split'? `lopore data --help` shows"),
        (("predct", "films"), "did you mean predict? `lopore --help` shows"),
        (("predict", "weld", "films"), "Missing option '--model'; `lopore predict --help` shows"),
        (("predict", "--model", "weld", "films", "--device", "gpu"), "'gpu' is no device; choose auto, cpu, cuda,"),
        (("eval", "weld", "--device", "cuda:x"), "'cuda:x' is no device; choose auto, cpu, cuda,"),
        (("predict", "--model", "weld", "films", "--page", "0"), "'--page': 0 is not in the range x>=1"),
        (("--loud",), "No such option '--loud'; `lopore --help` shows"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(words: tuple[str, ...], said: str) -> None:
    assert said in told(lopore(*words), 2)


@pytest.mark.parametrize("words", [(), ("data",)])
def test_a_group_without_a_command_shows_its_help(words: tuple[str, ...]) -> None:
    assert "Commands:" in lopore(*words).output


def test_ctrl_c_is_one_line_and_the_status_that_shells_expect(tmp_path: Path) -> None:
    """Made films are written to a hidden folder first: when it is there the work has begun."""
    with subprocess.Popen(
        [sys.executable, "-m", "lopore", "data", "synth", "films", "--films", "100000"],
        stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as work:  # fmt: skip
        while not list(tmp_path.glob(".films*")):
            assert work.poll() is None
        work.send_signal(signal.SIGINT)
        assert work.communicate(timeout=60) == (None, "lopore: stopped by Ctrl-C\n")
    assert work.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_a_letter_that_the_terminal_lacks_is_written_as_its_number() -> None:
    made_films()
    Path("films/pore").rename("films/Pore \N{WRENCH} \xe4")
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(
        [sys.executable, "-m", "lopore", "data", "index", "films"], capture_output=True, env=environment, check=True
    )
    assert "Pore \\U0001f527 \xe4" in done.stdout.decode("cp1252")
    assert done.stderr == b""


def test_a_report_without_its_library_is_told_before_any_work(
    model_folder: ModelFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    made_films()
    line = told(lopore("eval", "bright", "--manifest", "not-there.csv"))
    assert line == 'lopore: this needs matplotlib: pip install "lopore-core[statistics]"'


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("tensorboard.summary", 'lopore: this needs tensorboard: pip install "lopore-core[train]"'),
        ("no_such_module", "lopore: unexpected ModuleNotFoundError: No module named 'no_such_module'; `lopore --debug"),
    ],
)
def test_a_missing_module_of_an_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch, module: str, said: str) -> None:
    def break_off(*_: object) -> None:
        raise ModuleNotFoundError(f"No module named '{module}'", name=module)

    monkeypatch.setattr("lopore.data.layout.init_layout", break_off)
    assert told(lopore("data", "init")).startswith(said)


def test_a_full_disk_ends_the_work_at_the_first_film(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    made_films()
    monkeypatch.setattr(os, "fsync", full)
    line = told(lopore("enhance", "films/pore", "--chain", "invert", "--out", "out"))
    assert "cannot be written (No space left on device); free space or choose a writable folder" in line
    assert list(Path("out").iterdir()) == []


def test_masks_in_a_folder_of_films_are_not_decided_on(model_folder: ModelFolder) -> None:
    made_films()
    done = lopore("predict", "films", "--model", "bright")
    assert done.exit_code == 0
    assert done.stderr == "note: 3 masks below films are passed over\n3 predicted, 0 failed\n"
    assert lopore("predict", "films/masks", "--model", "bright").stderr == "3 predicted, 0 failed\n"


def test_a_run_that_goes_on_by_its_folder_publishes_beside_it(tmp_path: Path) -> None:
    run = tmp_path / "elsewhere" / "checkpoints" / "run"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text("name: a\n", encoding="utf-8")
    assert _home_of(str(run)) == tmp_path / "elsewhere"
    assert _home_of("elsewhere/checkpoints/run") == Path("elsewhere")
    assert _home_of("run") == _home_of(None) == Path("models")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\ndata:\n\tmanifest: b\n", "line 3 has a tab where YAML wants spaces; put spaces in its place"),
        ("name: a\nseed: 1\nname: b\n", "line 3: key 'name' stands twice; keep one"),
        ("", "a.yaml is empty; a config is a mapping"),
        ("only words", "a.yaml holds no keys; a config is a mapping"),
        ("- a", "a.yaml holds a list; a config is a mapping"),
        ("name: a b\ndata: {manifest: m}", "name: 1 to 64 letters a to z, digits, '.', '_' and '-' are allowed"),
        ("name: a\ndata: {manifest: m}\ntraining: {device: gpu}", "training.device: choose auto, cpu, mps, cuda,"),
    ],
)
def test_a_config_that_is_written_wrong_is_told_in_plain_words(text: str, said: str) -> None:
    Path("a.yaml").write_text(text, encoding="utf-8")
    assert said in told(lopore("train", "--config", "a.yaml"))


def test_a_merge_key_may_be_overridden() -> None:
    text = "a: &a {epochs: 2}\nb: &b {<<: *a, epochs: 3}\nc: {<<: *b, epochs: 4}\n"
    assert parse_yaml(text, source="a")["c"] == {"epochs": 4}


def test_a_split_that_cannot_come_near_its_shares_says_so() -> None:
    for number in range(24):
        pixels = np.random.default_rng(number).integers(0, 255, (32, 32), np.uint8)
        write_radiograph(pixels, Path("films") / ("pore", "ok")[number % 2] / f"W{number // 6}-{number}.png")
    assert lopore("data", "index", "films", "--group-pattern", "^(W[0-9])", "--groups", "none").exit_code == 0
    near = lopore("data", "split", "manifest.csv", "--train", 0.5, "--val", 0.25, "--test", 0.25)
    assert "note:" not in near.stdout
    far = lopore("data", "split", "manifest.csv", "--train", 0.9, "--replace")
    assert "note: train 50% instead of 90%, val 25% instead of 5%, test 25% instead of 5%: groups" in far.stdout
