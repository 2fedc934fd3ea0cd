"""``lopore train`` in processes of its own: what it prints, which options it takes, two processes as one."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from made.runs import config, log_of, run, train_command, with_softmax

from lopore.config.experiment import load_experiment


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lopore_torch") is None, reason="lopore-torch is not installed")
def test_two_processes_train_as_one_and_only_the_first_writes_and_reports(welds: Path) -> None:
    settings = {
        "trainer": "torch", "model": {"backbone": "resnet10t"}, "augmentation": {"horizontal_flip": True},
        "training__epochs": 2, "training__deterministic": True, "training__threads": 1,
        "training__optimizer": {"learning_rate": 0.003},
    }  # fmt: skip
    alone = run(config(welds, **settings), run_name="one")
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *train_command(welds)[1:]]
    done = subprocess.run([*launch, "--run-name", "two"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    logs = [
        [(float(row["loss"]), float(row["val_loss"])) for row in log_of(welds / "models" / "checkpoints" / name)]
        for name in ("one", "two")
    ]
    np.testing.assert_allclose(logs[1], logs[0], rtol=1e-3)
    assert alone.metrics is not None
    assert told["metrics"]["threshold"]["value"] == pytest.approx(alone.metrics.threshold.value, abs=1e-3)
    assert len(list((welds / "models" / "final" / "little").iterdir())) == 2


def test_json_is_all_that_stands_on_standard_output(softmax: None, welds: Path) -> None:
    config(welds, training__epochs=1)
    done = subprocess.run(train_command(welds), env=with_softmax(), capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert Path(told["model"], "lopore.json").is_file()
    assert told["metrics"]["split"] == "test"
    assert done.stderr == ""


def test_options_of_the_command_go_before_the_config(softmax: None, welds: Path) -> None:
    config(welds)
    words = ("--epochs", "2", "--batch-size", "4", "--seed", "9", "--name", "other", "--run-name", "r",
             "--set", "training.optimizer.name=sgd")  # fmt: skip
    done = subprocess.run(
        [*train_command(welds), *words], env=with_softmax(), capture_output=True, text=True, check=True
    )
    kept = load_experiment(welds / "models/checkpoints/r/config.yaml")
    assert (kept.training.epochs, kept.training.batch_size, kept.seed, kept.name) == (2, 4, 9, "other")
    assert kept.training.optimizer.name == "sgd"
    assert json.loads(done.stdout)["model"].startswith("models/final/other/")
    bad = subprocess.run(
        [*train_command(welds), "--set", "training.epoks=3"],
        env=with_softmax(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert bad.returncode == 1
    assert "did you mean 'epochs'" in bad.stderr
    assert bad.stderr.count("\n") == 1
