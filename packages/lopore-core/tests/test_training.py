"""The training run of a framework of one NumPy layer: what it writes, chooses, repeats and publishes."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.runs import config, edit_manifest, log_of, run, weights_of

from lopore.config.experiment import load_experiment
from lopore.data.appearance import STATISTICS
from lopore.errors import DataError
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder


def test_a_run_ends_with_a_whole_model_folder_that_opens_and_answers_as_its_predictions_say(
    softmax: None, welds: Path
) -> None:
    result = run(config(welds), run_name="first")
    assert result.model_folder is not None
    names = {
        "lopore.json",
        "softmax.npy",
        "config.yaml",
        "metrics.json",
        "predictions.csv",
        "training_log.csv",
        "preview.png",
    }
    assert {path.name for path in result.model_folder.iterdir()} == names
    folder = ModelFolder.read(result.model_folder)
    record = folder.record
    assert result.files == (result.model_folder / "softmax.npy",)
    assert (record.classes, record.positive, record.metrics_split) == (("ok", "pore"), "pore", "test")
    assert record.preprocessing.mean == (0.5,)
    assert record.metrics["roc_auc"].value is not None
    assert record.leaks.clean
    assert not record.leaks.allowed
    bounds = {f"{name}_{end}" for name in STATISTICS for end in ("low", "high")}
    assert record.training_grey.keys() == {"mean", "std", *bounds}
    assert "8 validation images of 4 groups" in record.threshold.chosen_on
    assert {file.path for file in record.files} == names - {"lopore.json"}
    model = open_model(folder)
    from lopore.preprocessing.pipeline import preprocess, read_for

    with (result.model_folder / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["split"] for row in rows] == ["val"] * 8 + ["test"] * 8
    for row in rows:
        pixels, _ = preprocess(read_for(record.preprocessing, welds / row["path"]), record.preprocessing)
        assert model.session.predict(pixels[None])[0, 1] == pytest.approx(float(row["score:pore"]), abs=1e-6)
        found = "pore" if float(row["score:pore"]) >= record.threshold.value else "ok"
        assert row["predicted"] == found
        assert row["correct"] == str(int(found == row["labels"]))


def test_the_run_folder_holds_config_facts_logs_and_the_newest_checkpoints(softmax: None, welds: Path) -> None:
    result = run(config(welds), run_name="first")
    folder = result.run_folder
    assert folder == Path("models/checkpoints/first")
    facts = json.loads((folder / "run.json").read_text())
    assert facts["seed"] == 0
    assert facts["versions"]["numpy"] == np.__version__
    assert "commit" in facts
    assert facts["computing"] == {"device": "cpu", "precision": "fp64"}
    assert load_experiment(folder / "config.yaml") == config(welds)
    assert [path.name for path in sorted(folder.glob("epoch-*"))] == ["epoch-0005", "epoch-0006"]
    assert not list(folder.rglob("*.part"))
    log = log_of(folder)
    assert [row["epoch"] for row in log] == list("123456")
    assert all(0 <= float(row["val_auc"]) <= 1 for row in log)


def test_tensorboard_reads_the_log(softmax: None, welds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # it reads without; woken here it would abort a later torch
    folder = run(config(welds, training__epochs=2), run_name="first").run_folder
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    assert {"train/loss", "val/roc_auc", "train/learning_rate"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2]


def test_the_best_epoch_is_published_and_not_the_last(softmax: None, welds: Path) -> None:
    result = run(config(welds, training__optimizer={"learning_rate": 3.0}, training__epochs=12), run_name="first")
    log = log_of(result.run_folder)
    best = max(range(12), key=lambda at: (float(log[at]["val_auc"]), -float(log[at]["val_loss"])))
    assert [at for at in range(12) if log[at]["best"] == "1"][-1] == best
    kept = result.run_folder / "best" / f"epoch-{best + 1:04d}" / "weights.npy"
    assert kept.read_bytes() == weights_of(result)


def test_early_stopping_ends_a_run_that_gets_no_better(softmax: None, welds: Path) -> None:
    result = run(config(welds, training__epochs=60, training__early_stopping={"patience": 3}), run_name="first")
    log = [float(row["val_auc"]) for row in log_of(result.run_folder)]
    assert len(log) < 60
    assert max(log[:-3]) >= max(log[-3:])


def test_equal_runs_give_equal_weights_and_another_seed_others(softmax: None, welds: Path) -> None:
    one, two = run(config(welds), run_name="a"), run(config(welds, data__workers=0), run_name="b")
    other = run(config(welds, seed=1), run_name="c")
    assert weights_of(one) == weights_of(two) != weights_of(other)


def test_a_model_trained_on_a_leaking_split_carries_the_mark(softmax: None, welds: Path) -> None:
    edit_manifest(welds, lambda rows: rows[0].update(split="test"))
    result = run(config(welds), run_name="first", allow_leaks=True)
    assert result.model_folder is not None
    leaks = ModelFolder.read(result.model_folder).record.leaks
    assert leaks.allowed
    assert leaks.leaks >= 1
    assert "films/00-0.png" in leaks.examples[0]


def test_multilabel_films_get_a_threshold_a_class(softmax: None, welds: Path) -> None:
    edit_manifest(
        welds, lambda rows: [row.update(labels="ok|pore") for row in rows if row["path"].startswith("films/01")]
    )
    with pytest.raises(DataError, match="2 images carry several classes"):
        run(config(welds, task="multiclass", data__positive=None))
    result = run(config(welds, task="multilabel", data__positive=None, data__balance="class"))
    assert result.metrics is not None
    assert set(result.metrics.threshold.per_class) == {"ok", "pore"}
    left = run(config(welds, task="multiclass", data__positive=None, data__exclude=["ok+pore"]))
    assert left.metrics is not None
    assert left.metrics.confusion is not None


def test_views_are_averaged_in_the_published_scores(softmax: None, welds: Path) -> None:
    one, four = run(config(welds), run_name="a"), run(config(welds, training__tta_views=4), run_name="b")
    assert weights_of(one) == weights_of(four)
    assert one.metrics is not None
    assert four.model_folder is not None
    assert (one.model_folder / "predictions.csv").read_text() != (four.model_folder / "predictions.csv").read_text()  # type: ignore[operator]
    assert ModelFolder.read(four.model_folder).record.tta_views == 4


def test_the_films_are_not_touched(softmax: None, welds: Path) -> None:
    before = {path: path.read_bytes() for path in sorted((welds / "films").iterdir())}
    run(config(welds, augmentation={"noise": True, "rotate": True}))
    assert before == {path: path.read_bytes() for path in sorted((welds / "films").iterdir())}
    shutil.rmtree(welds / "models")


def test_a_run_trains_on_everything_where_nothing_is_chosen_on_validation_images(softmax: None, welds: Path) -> None:
    edit_manifest(welds, lambda rows: [row.update(split="train") for row in rows])
    fixed = {"rule": "fixed", "value": 0.5}
    done = run(config(welds, training__select_by="last", training__threshold=fixed, training__epochs=1))
    assert done.model_folder is not None
    assert done.metrics is not None
    assert done.metrics.images == 0
    assert any("nothing was scored" in note for note in done.metrics.notes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "chose the epoch and the threshold"),
        ({"training__select_by": "last"}, "chose the threshold"),
        ({"training__threshold": {"rule": "fixed"}}, "chose the epoch"),
        ({"training__select_by": "last", "training__threshold": {"rule": "fixed"}}, "these are the scores of"),
    ],
)
def test_a_note_on_validation_scores_names_what_those_images_chose(
    softmax: None, welds: Path, changes: dict[str, Any], said: str
) -> None:
    edit_manifest(welds, lambda rows: [row.update(split="val") for row in rows if row["split"] == "test"])
    done = run(config(welds, training__epochs=1, **changes))
    assert done.metrics is not None
    (note,) = [note for note in done.metrics.notes if "no test images" in note]
    assert said in note


def test_a_threshold_that_calls_nearly_every_image_is_warned_of(softmax: None, welds: Path) -> None:
    low = run(config(welds, training__epochs=1, training__threshold={"rule": "fixed", "value": 1e-6}))
    assert low.metrics is not None
    (note,) = [note for note in low.metrics.notes if "the threshold 1e-06 calls pore on 8 of 8" in note]
    assert "4 of them show none" in note and "train longer, balance the classes" in note
    usual = run(config(welds))
    assert usual.metrics is not None
    assert not any("calls pore on" in note for note in usual.metrics.notes)
