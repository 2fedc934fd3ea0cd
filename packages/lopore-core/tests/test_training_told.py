"""What a person reads while a model trains: each thing once, in order, and no bar left behind."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from made.runs import Listen, config

from lopore.config.experiment import Experiment
from lopore.errors import RunError
from lopore.progress import Progress
from lopore.training.epochs import device_summary
from lopore.training.run import train


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(experiment: Experiment, *, folds: int | None = None) -> list[str]:
    heard = Listen()
    train(experiment, cross_validation=folds is not None, folds=folds, progress=heard)
    return heard.lines


def test_a_run_tells_how_it_computes_once_before_its_first_epoch(softmax: None, welds: Path) -> None:
    lines = told(config(welds, training__epochs=3))
    begun = [line.split()[0] for line in lines]
    epochs = ["epoch"] * 3
    assert begun == ["building", "run", "saved", "the", "computing", *epochs, "calibration:", "saved"]
    assert lines[4] == "computing on cpu, in fp64"


def test_the_folds_of_a_cross_validation_do_not_say_the_same_again(softmax: None, welds: Path) -> None:
    lines = told(config(welds, training__epochs=1), folds=3)
    assert sum(line.startswith("fold") for line in lines) == 3
    assert sum(line.startswith("computing") for line in lines) == 1


def test_the_figures_of_the_trial_are_told_and_on_a_cpu_whose_time_they_are() -> None:
    trials = [{"precision": "bf16", "layout": "channels_last", "seconds": 0.0311}]
    trials.append({"precision": "fp32", "layout": "contiguous", "seconds": 0.0502})
    plan = {"precision": "bf16", "memory_format": "channels_last", "trials": trials}
    assert device_summary({"device": "cpu", "threads": 2, **plan}) == (
        "computing on cpu, 2 threads, in bf16 channels_last; a step in trial, processor time: "
        "bf16 channels_last 0.031 s, fp32 contiguous 0.050 s"
    )
    assert device_summary({"device": "cuda:0", "threads": 2, **plan}).startswith(
        "computing on cuda:0, in bf16 channels_last; a step in trial: bf16"
    )
    assert device_summary({"mean": [0.5], "std": [0.2]}) == ""


def test_a_run_that_reaches_its_last_epoch_did_not_stop_early(softmax: None, welds: Path) -> None:
    patient = {"training__early_stopping": {"patience": 1, "min_delta": 1.0}}
    assert not [line for line in told(config(welds, training__epochs=2, **patient)) if "early" in line]
    lines = told(config(welds, training__epochs=9, **patient))
    assert "stopped early: no better score for 1 epoch" in lines


def test_no_bar_is_left_before_the_error_that_ends_a_run(
    softmax: None, welds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: object) -> None:
        raise RunError("the loss became nan")

    monkeypatch.setattr("lopore_softmax.features", breaks)
    stream = Terminal()
    with pytest.raises(RunError, match="the loss became nan"):
        train(config(welds), progress=Progress(stream=stream))
    last = stream.getvalue().rsplit("\r", 1)[1]
    assert "epoch 1/6 [" in stream.getvalue()
    assert last == "\x1b[2K"
