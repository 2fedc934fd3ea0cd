"""Runs of `lopore train` with TensorFlow: the YAML of PyTorch, killed processes, damaged checkpoints."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from made.commands import lopore
from made.films import films, write_films
from made.learning import same
from made.runs import log_of

from lopore.record.folder import ModelFolder
from lopore_tf.start import keras
from lopore_tf.state import STATE_FILE, weights_of

SETTINGS: dict[str, Any] = {
    "name": "made", "trainer": "tf", "task": "binary", "seed": 3, "exports": [],
    "data": {"manifest": "films.csv", "positive": "pore", "workers": 1},
    "preprocessing": {"size": 32},
    "augmentation": {"horizontal_flip": True, "vertical_flip": True},
    "model": {"backbone": "resnet18", "dropout": 0.2},
    "training": {
        "epochs": 4, "batch_size": 8, "optimizer": {"learning_rate": 0.003}, "ema_decay": 0.9, "deterministic": True,
        "threads": 1, "device": "cpu",
    },
}  # fmt: skip
RUNS = Path("models", "checkpoints")


def train(*words: str) -> dict[str, Any]:
    done = lopore("train", *words, "--json")
    assert done.exit_code == 0, done.output
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelFolder]:
    """The model of ``whole``, a run without a break over 36 films; the working directory holds run, YAML and films."""
    place = tmp_path_factory.mktemp("runs")
    write_films(place, films(36, side=32), ("train", "train", "train", "train", "val", "test"))
    (place / "made.yaml").write_text(yaml.safe_dump(SETTINGS))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        yield ModelFolder.read(place / train("--config", "made.yaml", "--run-name", "whole")["model"])


def rows_of(run: str) -> list[dict[str, str]]:
    """The log of a run without its times, which no two runs share."""
    timed = ("seconds", "data_wait_seconds")
    return [{name: value for name, value in row.items() if name not in timed} for row in log_of(RUNS / run)]


@pytest.mark.skipif(find_spec("lopore_torch") is None, reason="lopore-torch is not installed")
def test_one_yaml_trains_in_both_frameworks(whole: ModelFolder) -> None:
    told = train("--config", "made.yaml", "--set", "trainer=torch", "--run-name", "torch")
    logs = {run: log_of(RUNS / run) for run in ("torch", "whole")}
    assert [list(row) for row in logs["torch"]] == [list(row) for row in logs["whole"]]
    assert [row["learning_rate"] for row in logs["torch"]] == [row["learning_rate"] for row in logs["whole"]]
    ours, theirs = whole.record, ModelFolder.read(Path(told["model"])).record
    assert (theirs.formats, ours.formats) == (("pth",), ("keras",))
    assert theirs.preprocessing_fingerprint == ours.preprocessing_fingerprint
    assert set(theirs.architecture) <= set(ours.architecture)


def _start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lopore", "train", *words, "--json"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_a_run_killed_and_resumed_ends_with_the_same_bits_as_one_that_was_not(whole: ModelFolder) -> None:
    killed = _start("--config", "made.yaml", "--run-name", "killed")
    end = time.monotonic() + 240
    while not (RUNS / "killed" / "epoch-0001").is_dir():
        assert killed.poll() is None, killed.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    assert not (RUNS / "killed" / "epoch-0004").is_dir()
    again = _start("--resume", "killed")
    out, err = again.communicate(timeout=280)
    assert again.returncode == 0, err[-3000:]
    assert err == ""
    models = (whole.path, Path(json.loads(out)["model"]))
    one, two = (weights_of(keras.models.load_model(folder / "model_best.keras")) for folder in models)
    assert same(one, two)
    assert rows_of("whole") == rows_of("killed")


def test_a_damaged_checkpoint_is_passed_over(whole: ModelFolder) -> None:
    before = rows_of("whole")
    checkpoint = RUNS / "whole" / "epoch-0004" / STATE_FILE
    damaged = bytearray(checkpoint.read_bytes())
    damaged[-1] ^= 1
    checkpoint.write_bytes(damaged)
    resumed = lopore("train", "--resume", "whole")
    assert resumed.exit_code == 0, resumed.output
    assert "epoch-0004 is damaged" in " ".join(resumed.output.split())
    assert "going on after epoch 3" in " ".join(resumed.output.split())
    assert rows_of("whole") == before
