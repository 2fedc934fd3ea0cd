"""``lopore runs`` and ``NAME/best``: what differs between runs, how they scored, which version is the best."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from made.commands import error_line, lopore
from made.models import publish
from made.plugins import SOFTMAX, on_path
from made.runs import StopAt, config, run, write_welds

from lopore.errors import ModelError
from lopore.models.best import validation_score
from lopore.models.catalogue import locate_model
from lopore.training.run import train
from lopore.training.run_list import RunEntry, differing_settings, list_runs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learns, one that hardly does, and a cross-validation of the first."""
    place = tmp_path_factory.mktemp("runs")
    write_welds(place)
    with pytest.MonkeyPatch.context() as patch, on_path(SOFTMAX):
        patch.chdir(place)
        run(config(place), run_name="good")
        run(config(place, training__optimizer__learning_rate=1e-6, training__epochs=1), run_name="poor")
        run(config(place), run_name="folds", cross_validation=True)
    return place


@pytest.fixture
def two_runs(softmax: None, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what was made, in the working directory."""
    place = tmp_path / "copy"
    shutil.copytree(made, place)
    monkeypatch.chdir(place)
    return place


def test_a_list_shows_what_differs_and_scores_with_their_intervals(two_runs: Path) -> None:
    done = lopore("runs", "--sort", "validation")
    assert done.exit_code == 0, done.stderr
    head, good, poor, folds = done.stdout.splitlines()
    assert head.split()[:3] == ["run", "state", "validation"]
    assert good.startswith("good") and "training.optimizer.learning_rate=0.3" in good and " to " in good
    assert poor.startswith("poor") and "training.epochs=1" in poor and "on test" in poor
    assert "3 folds, pooled" in folds
    assert "task=" not in done.stdout
    entries = {one.name: one for one in list_runs()[0]}
    facts = [json.loads(line) for line in lopore("runs", "*", "--json").stdout.splitlines()]
    assert {one["name"] for one in facts} == {"good", "poor", "folds"}
    for one in facts:
        assert one["scores"]["roc_auc"] == entries[one["name"]].scores["roc_auc"].model_dump()
    assert entries["folds"].scores["roc_auc"].low is not None


def test_one_against_another_says_whether_their_scores_can_be_compared(two_runs: Path) -> None:
    done = lopore("runs", "--against", "good", "poor")
    rows = {line.split("  ")[0].strip(): line for line in done.stdout.splitlines()}
    assert "0.3" in rows["training.optimizer.learning_rate"] and "1e-06" in rows["training.optimizer.learning_rate"]
    assert "data.manifest" not in rows
    assert "lopore compare little/" in done.stdout
    assert "cannot be compared" in lopore("runs", "--against", "good", "folds").stdout


def test_name_best_is_the_version_that_validated_best_and_name_alone_the_newest(two_runs: Path) -> None:
    versions = {one.name: one.model for one in list_runs()[0] if one.model}
    assert locate_model("little").title == versions["poor"]
    assert locate_model("little/best").title == versions["good"]
    scores = [validation_score(locate_model(title).path) for title in versions.values()]
    assert scores[0] is not None and scores[1] is not None and scores[0][1] > scores[1][1]
    assert lopore("show", "little/best").stdout.splitlines()[0].endswith(f"({locate_model('little/best').path})")


def test_of_two_versions_of_one_second_the_one_written_later_is_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folders = [publish(tmp_path / "models" / "final" / "bright" / version) for version in ("2", "1")]
    assert folders[0].record.created == folders[1].record.created
    for number, folder in enumerate(folders):
        os.utime(folder.path / "lopore.json", (1_000 + number, 1_000 + number))
    assert locate_model("bright").path.resolve() == folders[1].path.resolve()


def test_a_model_without_log_or_of_other_films_is_not_called_the_best(two_runs: Path) -> None:
    best = locate_model("little/best")
    (best.path / "training_log.csv").unlink()
    assert locate_model("little/best").title != best.title
    for folder in Path("models/final/little").iterdir():
        (folder / "config.yaml").unlink()
    with pytest.raises(ModelError, match="no version of little tells"):
        locate_model("little/best")
    with pytest.raises(ModelError, match="no model 'small/best'"):
        locate_model("small/best")


def test_runs_that_are_broken_off_damaged_or_gone_stand_in_the_list_as_such(softmax: None, welds: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(config(welds), run_name="cut", progress=StopAt("epoch 3/"))
    run(config(welds), run_name="whole")
    shutil.rmtree("models/checkpoints/whole")
    broken = Path("models/checkpoints/broken")
    broken.mkdir()
    (broken / "config.yaml").write_text("name: [")
    done = lopore("runs")
    assert "epoch 2 of 6" in done.stdout and "not scored" in done.stdout
    assert "little/" in done.stdout
    assert done.stderr.count("unusable") == 1 and "broken" in done.stderr
    assert "did you mean cut" in error_line(lopore("runs", "cud").stderr)
    assert "to sort by" in error_line(lopore("runs", "--sort", "roc_auk").stderr)


def test_settings_that_are_equal_or_say_nothing_of_a_model_are_left_out() -> None:
    def entry(**settings: object) -> RunEntry:
        return RunEntry("a", "a", "training", "finished", "", Path(), settings=settings)

    made = [entry(seed=0, task="binary", lr=0.1), entry(seed=1, task="binary"), entry()]
    assert differing_settings(made) == ["seed", "lr"]
