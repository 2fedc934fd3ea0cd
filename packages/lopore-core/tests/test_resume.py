"""A run that was cut off, killed or damaged goes on and ends with the bits of one that was not."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from made.learning import same
from made.runs import Listen, StopAt, config, edit_manifest, log_of, run, train_command, weights_of, with_softmax

from lopore.errors import ConfigError, RunError
from lopore.record.folder import ModelFolder
from lopore.training.checkpoints import Checkpoints
from lopore.training.run import train
from lopore.training.run_folder import locked


def test_a_run_cut_off_after_any_epoch_ends_with_the_same_bits(softmax: None, welds: Path) -> None:
    whole = run(config(welds), run_name="whole")
    for epoch in range(1, 6):
        name = f"cut-{epoch}"
        with pytest.raises(KeyboardInterrupt):
            train(config(welds), run_name=name, progress=StopAt(f"epoch {epoch + 1}/"))
        again = run(config(welds), resume=name)
        assert weights_of(again) == weights_of(whole)
        assert [row["epoch"] for row in log_of(again.run_folder)] == list("123456")


def test_a_damaged_last_checkpoint_falls_back_to_the_one_before_and_says_so(softmax: None, welds: Path) -> None:
    whole = run(config(welds), run_name="whole")
    with pytest.raises(KeyboardInterrupt):
        train(config(welds), run_name="cut", progress=StopAt("epoch 5/"))
    broken = Path("models/checkpoints/cut/epoch-0004/state.npz")
    broken.write_bytes(broken.read_bytes()[:-20])
    listen = Listen()
    again = train(config(welds), resume="cut", progress=listen)
    assert any("epoch-0004 is damaged (state.npz was changed)" in line for line in listen.lines)
    assert any("going on after epoch 3" in line for line in listen.lines)
    assert weights_of(again) == weights_of(whole)


def test_resuming_a_finished_run_gives_the_same_model_again(softmax: None, welds: Path) -> None:
    first = run(config(welds), run_name="first")
    again = run(config(welds), resume="first")
    assert again.model_folder == first.model_folder
    assert again.metrics == first.metrics


def test_a_resumed_run_refuses_another_config_data_or_split_in_one_line(softmax: None, welds: Path) -> None:
    run(config(welds), run_name="first")
    with pytest.raises(ConfigError, match=r"training.batch_size was 8 and is 4") as caught:
        run(config(welds, training__batch_size=4), resume="first")
    assert "\n" not in str(caught.value)
    run(config(welds, data__cache_mb=1, training__threads=1), resume="first")
    edit_manifest(welds, lambda rows: rows[0].update(split="val") or rows[1].update(split="val"))
    with pytest.raises(RunError, match=r"the split of films.csv changed"):
        run(config(welds), resume="first")
    with pytest.raises(RunError, match=r"no run 'second' to resume; .*first"):
        run(config(welds), resume="second")


def test_a_second_process_on_one_run_is_refused(softmax: None, welds: Path) -> None:
    run(config(welds), run_name="first")
    code = (
        "import sys, time; from pathlib import Path; from lopore.training.run_folder import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, "models/checkpoints/first"], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match="another process is training"):
            run(config(welds), resume="first")
        other.kill()
    run(config(welds), resume="first")
    with locked(welds / "free"):
        pass


def test_no_half_checkpoint_is_ever_the_last_good_one(softmax: None, welds: Path) -> None:
    folder = run(config(welds), run_name="first").run_folder
    checkpoints = Checkpoints(folder)
    newest = checkpoints.path_for(6)
    for name in ("state.json", "run-state.json", "sha256.json"):
        kept = (newest / name).read_bytes()
        (newest / name).unlink()
        found = checkpoints.last_good()
        assert found is not None
        assert found[0].epoch == 5
        (newest / name).write_bytes(kept)
    found = checkpoints.last_good()
    assert found is not None
    assert found[0].epoch == 6


def _killed_until_done(folder: Path, run_name: str, seed: int, slowly: float, most: int) -> int:
    """Train in a process that is killed at random moments and started again; returns how often it was killed."""
    rng, words = random.Random(seed), ["--run-name", run_name]
    for attempt in range(most + 1):
        process = subprocess.Popen(
            train_command(folder, *words), env=with_softmax(slowly), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        run_folder = folder / "models" / "checkpoints" / run_name
        _wait(lambda at=run_folder: (at / "config.yaml").is_file(), process)
        words = ["--resume", run_name]
        try:
            process.wait(timeout=None if attempt == most else rng.uniform(0.0, 1.2))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            continue
        assert process.stderr is not None
        assert process.returncode == 0, process.stderr.read()
        return attempt
    raise AssertionError("never finished")


def _wait(ready: Any, process: subprocess.Popen[bytes]) -> None:
    while not ready() and process.poll() is None:
        time.sleep(0.01)


def test_a_run_killed_at_random_moments_ends_with_the_same_bits(softmax: None, welds: Path) -> None:
    whole = run(config(welds, training__epochs=8), run_name="whole")
    killed = _killed_until_done(welds, "killed", seed=3, slowly=0.02, most=3)
    assert killed > 0
    again = run(config(welds, training__epochs=8), resume="killed")
    assert weights_of(again) == weights_of(whole)
    assert again.metrics == whole.metrics
    assert not list((welds / "models" / "final").rglob("*.part"))


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lopore_torch") is None, reason="lopore-torch is not installed")
def test_a_torch_run_killed_at_a_random_moment_ends_with_the_same_bits(welds: Path) -> None:
    settings = {
        "trainer": "torch", "model": {"backbone": "resnet10t"}, "exports": [],
        "augmentation": {"horizontal_flip": True, "noise": True}, "training__epochs": 4, "training__ema_decay": 0.9,
        "training__deterministic": True, "training__threads": 1, "training__optimizer": {"learning_rate": 0.003},
    }  # fmt: skip
    experiment = config(welds, **settings)
    killed = subprocess.Popen(
        [*train_command(welds), "--run-name", "killed"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _wait(lambda: (welds / "models/checkpoints/killed/epoch-0001").is_dir(), killed)
    time.sleep(random.Random(1).uniform(0, 0.3))
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert killed.returncode == -signal.SIGKILL
    command = [*train_command(welds), "--resume", "killed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as again:
        whole = run(experiment, run_name="whole").model_folder
        out, err = again.communicate(timeout=200)
    assert again.returncode == 0, err
    assert whole is not None
    import torch

    folders = (whole, Path(json.loads(out)["model"]))
    assert same(*(torch.load(folder / "model_best.pth", weights_only=True) for folder in folders))


def test_a_checkpoint_of_another_run_is_never_resumed(softmax: None, welds: Path) -> None:
    run(config(welds, seed=7), run_name="other")
    with pytest.raises(KeyboardInterrupt):
        train(config(welds), run_name="own", progress=StopAt("epoch 4/"))
    root = Path("models/checkpoints")
    shutil.copytree(root / "other" / "epoch-0006", root / "own" / "epoch-0006")
    shutil.copytree(root / "other" / "best", root / "own" / "best", dirs_exist_ok=True)
    with pytest.raises(RunError, match=r"epoch-0006 was written by another run: its seed is 7, this run's is 0; move"):
        run(config(welds), resume="own")
    assert (root / "own" / "epoch-0006").is_dir(), "what is not the run's own is not removed"
    shutil.rmtree(root / "own" / "epoch-0006")
    run(config(welds), resume="own")


def test_a_run_of_the_same_config_and_seed_is_another_run_too(softmax: None, welds: Path) -> None:
    run(config(welds), run_name="other")
    with pytest.raises(KeyboardInterrupt):
        train(config(welds), run_name="own", progress=StopAt("epoch 4/"))
    root = Path("models/checkpoints")
    shutil.copytree(root / "other" / "epoch-0006", root / "own" / "epoch-0006")
    with pytest.raises(RunError, match="was written by another run"):
        run(config(welds), resume="own")


def test_a_finished_run_resumed_with_another_threshold_rule_publishes_a_further_version(
    softmax: None, welds: Path
) -> None:
    first = run(config(welds), run_name="first")
    rule = {"rule": "fixed", "value": 0.9}
    second = run(config(welds, training__threshold=rule), resume="first")
    assert first.model_folder is not None
    assert second.model_folder == first.model_folder.with_name(f"{first.model_folder.name}-2")
    assert ModelFolder.read(second.model_folder).record.threshold.value == 0.9
    assert ModelFolder.read(first.model_folder).record.threshold.value != 0.9
    assert weights_of(second) == weights_of(first)
    again = run(config(welds, training__threshold=rule), resume="first")
    assert again.model_folder == second.model_folder
