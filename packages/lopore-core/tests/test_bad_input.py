"""What users really do wrong, through the real command line: one clear line, a status, nothing half-written."""

from __future__ import annotations

import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from click.testing import Result
from made.codings import bomb
from made.commands import error_line
from made.folders import checksums
from made.plugins import SOFTMAX

from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.reading.encode import write_radiograph

Run = Callable[..., subprocess.CompletedProcess[str]]
Invoke = Callable[..., Result]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits of a process as Linux keeps them")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
# Root may write anywhere until this one ability is taken from it.
UNPRIVILEGED = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search") if ROOT else ()


def one_line(text: str) -> str:
    assert "Error: " not in text
    return error_line(text)


def cut_jpeg() -> bytes:
    content = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8))[1].tobytes()
    return content[: len(content) // 2]


BAD_FILES = {
    "cut.jpg": (cut_jpeg, "is cut short or damaged"),
    "huge.png": (partial(bomb, 40_000), "is 40000 x 40000 px (1600 million); allowed are 200 million"),
    "one.png": (lambda: write_radiograph(np.full((1, 1), 9, np.uint8), None), "is 1 x 1 px; at least 8 x 8 are needed"),
    "empty.png": (lambda: b"", "is empty"),
    "text.png": (lambda: b"no image", "is no image that lopore knows; allowed are PNG, JPEG"),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("command", ["predict", "explain", "index"])
def test_a_bad_picture_is_one_line_and_the_rest_goes_on(films: Path, invoke: Invoke, command: str, name: str) -> None:
    make, said = BAD_FILES[name]
    (films / "pore" / name).write_bytes(make())
    arguments = {
        "predict": ("predict", "films", "--model", "bright", "--out", "out.csv"),
        "explain": ("explain", "films", "--model", "bright", "--out", "heat"),
        "index": ("data", "index", "films", "--out", "out.csv", "--groups", "none"),
    }[command]
    found = invoke(*arguments)
    assert found.exit_code == 1
    lines = [line for line in found.stderr.splitlines() if name in line]
    assert len(lines) == 1
    assert said in lines[0]
    assert "Traceback" not in found.stderr
    if command == "explain":
        assert len(checksums(Path("heat"))) == 12
    else:
        assert len(Path("out.csv").read_text().splitlines()) == 13


def test_a_huge_header_costs_no_memory(films: Path, lopore: Run) -> None:
    (films.parent / "huge.png").write_bytes(bomb(40_000))

    def one_gigabyte() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    found = lopore("data", "check", "huge.png", preexec=one_gigabyte)
    assert found.returncode == 1
    found = lopore("predict", "huge.png", "--model", "bright", "--threads", 1)
    assert "allowed are 200 million" in one_line(found.stderr)


def test_an_empty_class_is_named_and_no_manifest_is_written(films: Path, invoke: Invoke) -> None:
    (films / "crack").mkdir()
    found = invoke("data", "index", "films", "--out", "out.csv")
    assert found.exit_code == 1
    assert "crack is a class folder without any image; put images in, or remove it" in one_line(found.stderr)
    assert not Path("out.csv").exists()


def test_a_table_of_labels_with_missing_files_names_them(films: Path, invoke: Invoke) -> None:
    Path("labels.csv").write_text("path,label\nfilms/pore/pore0.png,pore\nfilms/pore/gone.png,pore\n")
    found = invoke("data", "index", "labels.csv", "--out", "out.csv")
    assert found.exit_code == 1
    assert "films/pore/gone.png is not there" in one_line(found.stderr)
    assert not Path("out.csv").exists()


@pytest.fixture
def experiment(films: Path) -> Path:
    """A config and manifest that train in a moment, with a framework of one NumPy layer."""
    rows = []
    for path in sorted(films.rglob("*.png")):
        number = int(path.stem[-1])
        side = "train" if number < 4 else "val"
        name = f"films/{path.parent.name}/{path.name}"
        rows.append(Row(path=name, labels=(path.parent.name,), group=path.stem, family=path.stem, split=side))
    Manifest(tuple(rows), films.parent).write(films.parent / "films.csv")
    data: dict[str, Any] = {
        "name": "little", "trainer": "softmax", "task": "multiclass", "data": {"manifest": "films.csv", "workers": 1},
        "preprocessing": {"size": 32}, "model": {"backbone": "cells"},
        "training": {"epochs": 1, "batch_size": 4}, "exports": [],
    }  # fmt: skip
    path = films.parent / "little.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("batch_size: 4", "bach_size: 4", "unknown key 'training.bach_size', did you mean 'batch_size'?"),
        ("backbone: cells", "backbone: resnot18", "no backbone 'softmax/resnot18'"),
        ("trainer: softmax", "trainer: softmx", "no trainer 'softmx'; did you mean softmax?"),
        ("films.csv", "gone.csv", "gone.csv"),
        ("task: multiclass", "task: multi", "task: Input should be 'binary', 'multiclass'"),
        ("epochs: 1", "epochs: many", "training.epochs: Input should be a valid integer"),
    ],
)
def test_a_wrong_config_is_one_line_before_anything_is_written(
    experiment: Path, softmax: None, invoke: Invoke, before: str, after: str, said: str
) -> None:
    text = experiment.read_text()
    assert before in text
    experiment.write_text(text.replace(before, after))
    there = checksums(experiment.parent)
    found = invoke("train", "--config", "little.yaml")
    assert found.exit_code == 1
    assert said in one_line(found.stderr)
    assert found.stdout == ""
    assert checksums(experiment.parent) == there


def test_one_image_in_a_class_is_too_few_to_train(experiment: Path, softmax: None, invoke: Invoke) -> None:
    path = experiment.parent / "films.csv"
    lines = path.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not ("pore/pore" in line and ",train," in line and "pore0" not in line)]
    path.write_text("".join(kept))
    there = checksums(experiment.parent)
    found = invoke("train", "--config", "little.yaml")
    assert found.exit_code == 1
    assert "class 'pore' has 1 image in train, at least 2 are needed" in one_line(found.stderr)
    assert checksums(experiment.parent) == there


WRITING = {
    "predict": ("predict", "films", "--model", "bright", "--out", "{}/out.csv"),
    "explain": ("explain", "films/pore/pore0.png", "--model", "bright", "--out", "{}"),
    "eval": ("eval", "bright", "--manifest", "films.csv", "--split", "all", "--out", "{}"),
    "enhance": ("enhance", "films/pore/pore0.png", "--chain", "invert", "--out", "{}"),
    "index": ("data", "index", "films", "--out", "{}/out.csv", "--groups", "none"),
    "split": ("data", "split", "films.csv", "--out", "{}/out.csv"),
    "synth": ("data", "synth", "{}/made", "--films", "1", "--size", "64"),
    "train": ("train", "--config", "little.yaml", "--out", "{}"),
}


@LINUX
@pytest.mark.parametrize("command", WRITING)
def test_a_full_disk_is_one_line_and_leaves_no_half_file(experiment: Path, lopore: Run, command: str) -> None:
    """A process whose files may not grow past 200 bytes meets a real refusal of the system while writing."""
    (experiment.parent / "place").mkdir()

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))

    arguments = [part.format("place") for part in WRITING[command]]
    found = lopore(*arguments, preexec=full, PYTHONPATH=str(SOFTMAX), PYTHONDONTWRITEBYTECODE="1")
    assert found.returncode == 1, found.stderr
    assert "cannot be written (File too large); free space or choose a writable folder" in one_line(found.stderr)
    left = {
        name: size
        for name in checksums(experiment.parent / "place")
        if (size := (experiment.parent / "place" / name).stat().st_size)
    }
    assert not [name for name in left if name.endswith((".part", ".csv", ".html", ".png", "lopore.json"))], left


@LINUX
def test_a_disk_that_fills_up_while_training_says_how_to_go_on(experiment: Path, lopore: Run) -> None:
    """Config and facts of the run still fit, the first image or checkpoint does not."""
    site = {"PYTHONPATH": str(SOFTMAX), "PYTHONDONTWRITEBYTECODE": "1"}
    found = lopore(
        "train", "--config", "little.yaml", "--out", "my models",
        preexec=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (7000, 7000)), **site,
    )  # fmt: skip
    assert found.returncode == 1, found.stderr
    line = found.stderr.splitlines()[-1]
    (run,) = (experiment.parent / "my models" / "checkpoints").iterdir()
    way_out = f"train --resume {run.name} --out 'my models'"
    assert line.endswith(f"(File too large); free space or choose a writable folder, then go on with: lopore {way_out}")
    again = lopore(*shlex.split(way_out), **site)
    assert again.returncode == 0, again.stderr
    assert list((experiment.parent / "my models" / "final" / "little").iterdir())


@LINUX
@pytest.mark.skipif(ROOT and shutil.which("setpriv") is None, reason="root ignores modes, and setpriv is not here")
@pytest.mark.parametrize("command", WRITING)
def test_a_read_only_folder_is_one_line_and_stays_empty(experiment: Path, lopore: Run, command: str) -> None:
    place = experiment.parent / "place"
    place.mkdir(mode=0o500)
    there = checksums(experiment.parent)
    arguments = [part.format("place") for part in WRITING[command]]
    found = lopore(*arguments, before=UNPRIVILEGED, PYTHONPATH=str(SOFTMAX))
    assert found.returncode == 1, found.stderr
    assert re.search(r"Permission denied|is not yours to write in; choose another folder", one_line(found.stderr))
    assert checksums(experiment.parent) == there


def test_a_place_that_cannot_be_written_is_told_before_the_work(experiment: Path, invoke: Invoke) -> None:
    """Nobody predicts ten thousand films to learn at the end that the table has no place."""
    blocker = experiment.parent / "place"
    blocker.write_text("a file where a folder should be")
    Path("folder.csv").mkdir()
    for place, said in (("place/out.csv", "cannot be written"), ("folder.csv", "is a folder; name a file")):
        found = invoke("predict", "films", "--model", "bright", "--out", place)
        assert found.exit_code == 1
        assert "predicted" not in found.stderr
        assert said in one_line(found.stderr)
    assert blocker.read_text() == "a file where a folder should be"
