"""``lopore data``: a place to work is made, wrong words are one line, and made films go through every command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from made.commands import lopore, refused
from made.modules import awake_after

from lopore.config.experiment import load_experiment
from lopore.data.leaks import find_leaks
from lopore.data.manifest import Manifest


def test_init_makes_the_folders_and_a_config_that_is_valid(tmp_path: Path) -> None:
    assert lopore("data", "init", tmp_path).exit_code == 0
    for name in ("data/raw", "data/processed", "data/splits", "models/checkpoints", "models/final", "configs"):
        assert (tmp_path / name).is_dir()
    assert load_experiment(tmp_path / "configs" / "first.yaml").name == "first"
    (tmp_path / "configs" / "first.yaml").write_text("mine", encoding="utf-8")
    assert lopore("data", "init", tmp_path).exit_code == 0
    assert (tmp_path / "configs" / "first.yaml").read_text(encoding="utf-8") == "mine"


def test_init_names_a_file_that_stands_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("", encoding="utf-8")
    refused(lopore("data", "init", tmp_path), "data")


def test_what_is_not_there_is_one_line_and_wrong_usage_is_status_two(tmp_path: Path) -> None:
    refused(lopore("data", "index", tmp_path / "nowhere", "--out", tmp_path / "m.csv"), "nowhere")
    (tmp_path / "bare").mkdir()
    refused(lopore("data", "index", tmp_path / "bare", "--out", tmp_path / "m.csv"), "no image")
    refused(lopore("data", "check", tmp_path / "nowhere.csv"), "nowhere")
    refused(lopore("data", "split", tmp_path / "nowhere.csv"), "nowhere")
    assert lopore("data", "split").exit_code == 2
    assert lopore("data", "split", "m.csv", "--train", "7").exit_code == 2


def test_made_films_go_through_every_command(tmp_path: Path) -> None:
    films, out = tmp_path / "films", tmp_path / "films.csv"
    assert (
        lopore(
            "data", "synth", films, "--films", 12, "--size", 128, "--class", "pore", "--class", "no_defect=8"
        ).exit_code
        == 0
    )
    refused(lopore("data", "synth", films, "--films", 2), "not empty")
    assert lopore("data", "index", films / "labels.csv", "--out", out).exit_code == 0
    manifest = Manifest.read(out)
    assert manifest.class_counts == {"no_defect": 8, "pore": 12}
    assert manifest.about.licence == "CC0-1.0"
    assert all(row.mask and row.mm_per_pixel for row in manifest.rows)
    assert lopore("data", "split", out, "--val", "0").exit_code == 0
    assert len(find_leaks(Manifest.read(out))) == 0
    assert lopore("data", "check", out).exit_code == 0


def test_a_shell_sees_one_line_and_a_status_and_help_wakes_no_numpy(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\ngone.png,pore\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "from lopore.cli import main; main()", "data", "index", "labels.csv"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "gone.png is not there" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]
    assert not awake_after("import lopore.cli.data", "numpy", "cv2", "pydantic")
