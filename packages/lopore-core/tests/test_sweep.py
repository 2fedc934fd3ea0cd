"""``lopore sweep``: every point a run, finished ones kept after kill -9, ranges searched by Optuna."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from made.commands import error_line, lopore
from made.runs import Listen, config, with_softmax

from lopore.errors import ConfigError
from lopore.training.sweep import Sweep, fitting_jobs
from lopore.training.sweep_points import Axis, Range, grid, make_point, parse_axis


def _models() -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in Path("models/final").glob("*/*/lopore.json")}


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("seed=0,1,2", Axis("seed", (0, 1, 2))),
        ("training.optimizer.name=adamw, sgd", Axis("training.optimizer.name", ("adamw", "sgd"))),
        ("training.loss.name={focal: 1, dice: 2}, focal",
         Axis("training.loss.name", ({"focal": 1, "dice": 2}, "focal"))),
        ("preprocessing.size=[64, 96], 128", Axis("preprocessing.size", ([64, 96], 128))),
        ("seed=1,1", Axis("seed", (1,))),
        ("lr=1e-4..1e-2", Range("lr", 1e-4, 1e-2, integer=False)),
        ("seed=1..9", Range("seed", 1.0, 9.0, integer=True)),
    ],
)  # fmt: skip
def test_a_list_or_a_range_of_settings_is_read(text: str, axis: Axis | Range) -> None:
    assert parse_axis(text) == axis


def test_a_range_over_two_powers_of_ten_is_searched_by_its_logarithm() -> None:
    assert [Range("k", low, 1.0, integer=False).logarithmic for low in (1e-2, 0.1, 0.0)] == [True, False, False]


@pytest.mark.parametrize("text", ["seed", "=1", "seed=", "lr=2..1", "lr=a..b", "lr=1..inf", "name=[a,b"])
def test_what_is_no_list_and_no_range_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^--set '") as caught:
        parse_axis(text)
    assert "\n" not in str(caught.value)


def test_every_combination_is_checked_before_the_first_is_trained(softmax: None, welds: Path) -> None:
    config(welds)
    told = error_line(lopore("sweep", "little.yaml", "--set", "training.epochs=1,0").stderr)
    assert "training.epochs" in told
    assert "backbone" in error_line(lopore("sweep", "little.yaml", "--set", "model.backbone=cells,cels").stderr)
    assert "twice" in error_line(lopore("sweep", "little.yaml", "--set", "seed=1", "--set", "seed=2").stderr)
    assert not Path("models").exists()


def test_the_name_of_a_point_follows_from_what_moves_a_weight_and_from_the_films(softmax: None, welds: Path) -> None:
    config(welds)
    path = Path("little.yaml")
    one, two = grid(path, [Axis("seed", (0, 1))])
    assert one.run != two.run
    assert make_point(path, {"seed": 0, "training.threads": 2}).run == one.run
    Path("films.csv").write_text(Path("films.csv").read_text() + "\n")
    assert make_point(path, {"seed": 0}).run != one.run


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of POSIX")
def test_after_kill_9_finished_points_are_kept_and_the_one_in_the_making_goes_on(softmax: None, welds: Path) -> None:
    config(welds, training__epochs=3)
    words = ["sweep", "little.yaml", "--set", "seed=0,1", "--set", "training.batch_size=8,16"]
    process = subprocess.Popen(
        [sys.executable, "-m", "lopore", *words], env=with_softmax(0.02), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    began = 0
    for line in process.stderr:
        began += line.startswith("training ")
        if began == 3 and line.startswith("epoch 2/3"):
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    before = _models()
    assert len(before) == 2
    done = lopore(*words)
    assert done.exit_code == 0, done.stderr
    assert "2 points finished before, kept" in done.stderr
    assert "going on after epoch 1" in done.stderr or "going on after epoch 2" in done.stderr
    after = _models()
    assert len(after) == 4
    assert before.items() <= after.items()
    assert "best by validation: little/" in done.stdout
    assert lopore(*words, "--json").stdout.count("\n") == 4
    assert _models() == after


def test_several_points_at_once_give_the_models_of_one_after_the_other(
    softmax: None, welds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config(welds, training__epochs=1)
    for name, value in with_softmax().items():
        monkeypatch.setenv(name, value)
    points = grid(Path("little.yaml"), [Axis("seed", (0, 1))])
    told = Listen()
    both = Sweep(Path("two"), jobs=2, progress=told).run(points)
    alone = Sweep(Path("one"), progress=Listen()).run(points)
    assert [one.score for one in both] == [one.score for one in alone]
    assert None not in [one.score for one in both]
    assert any("at once; one takes" in line for line in told.lines)


def test_no_more_runs_at_once_than_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lopore.training.sweep.available_memory", lambda: 10 << 30)
    assert [fitting_jobs(8, peak << 30) for peak in (1, 3, 20)] == [8, 3, 1]
    assert fitting_jobs(8, 0) == 8


def test_a_point_that_fails_is_told_and_stops_no_other(softmax: None, welds: Path) -> None:
    config(welds, training__epochs=1)
    done = lopore("sweep", "little.yaml", "--set", "model.start_from=null,nowhere")
    assert done.exit_code == 1
    assert done.stdout.count("failed: little-") == 1 and "nowhere" in done.stdout
    assert len(_models()) == 1


def test_a_search_goes_on_with_its_journal_and_takes_up_a_trial_that_was_killed(softmax: None, welds: Path) -> None:
    pytest.importorskip("optuna")
    config(welds, training__epochs=1)
    words = ["sweep", "little.yaml", "--set", "training.optimizer.learning_rate=1e-3..0.5", "--json"]
    first = lopore(*words, "--trials", "2")
    assert first.exit_code == 0, first.stderr
    rates = [json.loads(line)["sweep"]["settings"] for line in first.stdout.splitlines()]
    assert all(1e-3 <= one["training.optimizer.learning_rate"] <= 0.5 for one in rates)
    before = _models()
    _leave_a_trial_running()
    second = lopore(*words, "--trials", "3")
    found = [
        json.loads(line)["sweep"]["settings"]["training.optimizer.learning_rate"] for line in second.stdout.splitlines()
    ]
    assert len(found) == 3 and 0.0123 in found
    assert before.items() < _models().items()
    assert lopore(*words, "--trials", "3").stdout == second.stdout


def _leave_a_trial_running() -> None:
    """What a search leaves behind that was killed while it trained a learning rate of 0.0123."""
    import optuna

    (journal,) = Path("models/sweeps").glob("*.journal")
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
    study = optuna.load_study(study_name="sweep", storage=storage)
    study.enqueue_trial({"training.optimizer.learning_rate": 0.0123})
    rate = optuna.distributions.FloatDistribution(1e-3, 0.5, log=True)
    study.ask({"training.optimizer.learning_rate": rate})
