"""Runs of `lopore train` with TensorFlow: the YAML of PyTorch, killed processes, damaged checkpoints."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from tf_films import films

from lopore.cli import main
from lopore.model import ModelFolder
from lopore_tf.state import STATE_FILE, weights_of

SETTINGS: dict[str, Any] = {
    "name": "made", "trainer": "tf", "task": "binary", "seed": 3, "exports": [],
    "data": {"manifest": "films.csv", "positive": "pore", "workers": 1},
    "preprocessing": {"size": 32},
    "augmentation": {"horizontal_flip": True, "vertical_flip": True},
    "model": {"backbone": "resnet18", "dropout": 0.2},
    "training": {
        "epochs": 2, "batch_size": 8, "optimizer": {"learning_rate": 0.003}, "average": 0.9, "deterministic": True,
        "threads": 1, "device": "cpu",
    },
}  # fmt: skip
SPLITS = ("train", "train", "train", "train", "val", "test")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """36 films of 36 welds in two classes with a split, and the YAML, in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    pixels, targets = films(36)
    with (tmp_path / "films.csv").open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["path", "labels", "group", "split", "sha256"])
        for number, (picture, target) in enumerate(zip(pixels, targets, strict=True)):
            path = f"films/{number:02d}.png"
            cv2.imwrite(str(tmp_path / path), picture[..., 0])
            kind, side = ("pore" if target else "ok"), SPLITS[number // 2 % len(SPLITS)]
            rows.writerow([path, kind, f"weld {number}", side, f"{number:064x}"])
    (tmp_path / "made.yaml").write_text(yaml.safe_dump(SETTINGS))
    return tmp_path


def lopore(*words: str) -> dict[str, Any]:
    done = CliRunner().invoke(main, ["train", *words, "--json"])
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


def log_of(run: str) -> list[dict[str, str]]:
    with Path("models", "checkpoints", run, "training_log.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.skipif(find_spec("lopore_torch") is None, reason="lopore-torch is not installed")
def test_one_yaml_trains_in_both_frameworks_and_a_damaged_checkpoint_is_passed_over(made: Path) -> None:
    told = {
        trainer: lopore("--config", "made.yaml", "--set", f"trainer={trainer}", "--run-name", trainer)
        for trainer in ("torch", "tf")
    }
    logs = {trainer: log_of(trainer) for trainer in told}
    assert [list(row) for row in logs["torch"]] == [list(row) for row in logs["tf"]]
    assert [row["learning_rate"] for row in logs["torch"]] == [row["learning_rate"] for row in logs["tf"]]
    records = {trainer: ModelFolder.read(Path(said["model"])).record for trainer, said in told.items()}
    assert (records["torch"].formats, records["tf"].formats) == (("pth",), ("keras",))
    assert records["torch"].preprocessing_fingerprint == records["tf"].preprocessing_fingerprint
    assert set(records["torch"].architecture) <= set(records["tf"].architecture)

    checkpoint = Path("models/checkpoints/tf/epoch-0002", STATE_FILE)
    damaged = bytearray(checkpoint.read_bytes())
    damaged[-1] ^= 1
    checkpoint.write_bytes(damaged)
    resumed = CliRunner().invoke(main, ["train", "--resume", "tf"])
    assert resumed.exit_code == 0, resumed.output
    assert "epoch-0002 is damaged" in " ".join(resumed.output.split())
    assert "going on after epoch 1" in " ".join(resumed.output.split())
    timed = ("seconds", "data_wait_seconds")
    again = [{name: value for name, value in row.items() if name not in timed} for row in log_of("tf")]
    assert again == [{name: value for name, value in row.items() if name not in timed} for row in logs["tf"]]


def _start(*words: str) -> subprocess.Popen[str]:
    command: Sequence[str] = [sys.executable, "-m", "lopore", "train", *words, "--json"]
    return subprocess.Popen(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _finished(process: subprocess.Popen[str]) -> Path:
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err[-3000:]
    assert err == ""
    return Path(json.loads(out)["model"])


@pytest.mark.slow
def test_a_run_killed_and_resumed_ends_with_the_same_bits_as_one_that_was_not(made: Path) -> None:
    from lopore_tf.start import keras

    words = ("--config", "made.yaml", "--epochs", "4")
    whole = _start(*words, "--run-name", "whole")
    killed = _start(*words, "--run-name", "killed")
    end = time.monotonic() + 240
    while not Path("models/checkpoints/killed/epoch-0001").is_dir():
        assert killed.poll() is None, killed.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not Path("models/checkpoints/killed/epoch-0004").is_dir()
    again = _finished(_start("--resume", "killed"))
    one, two = (
        weights_of(keras.models.load_model(folder / "model_best.keras")) for folder in (_finished(whole), again)
    )
    assert one.keys() == two.keys()
    assert all(np.array_equal(one[name], two[name]) for name in one)
    columns = ("loss", "val_loss", "val_auc", "learning_rate")
    assert [[row[name] for name in columns] for row in log_of("whole")] == [
        [row[name] for name in columns] for row in log_of("killed")
    ]
