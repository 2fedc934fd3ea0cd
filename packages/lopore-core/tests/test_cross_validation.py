"""Cross-validation: each film is answered once, by a model that never saw its weld; folds that are done are kept."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from made.runs import Listen, StopAt, config, edit_manifest, run

from lopore.errors import ConfigError, LeakError, PluginError
from lopore.metrics.ranking import auc_within
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder
from lopore.training.run import train


def test_folds_are_pooled_and_every_film_is_answered_once_by_a_model_that_never_saw_its_weld(
    softmax: None, welds: Path
) -> None:
    result = run(config(welds), cross_validation=True, run_name="cv")
    folder = result.run_folder / "cross-validation"
    with (folder / "predictions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len({row["path"] for row in rows}) == len(rows) == 48
    assert result.model_folder is None
    assert result.metrics is not None
    assert (result.metrics.images, result.metrics.groups) == (48, 24)
    assert result.metrics.overall["roc_auc"].low is not None
    report = json.loads((folder / "metrics.json").read_text())
    assert len(report["folds"]) == 3
    (note,) = report["pooled"]["notes"]
    assert "also rank films against those of other folds" in note
    within = auc_within(
        [float(row["score:pore"]) for row in rows],
        [row["labels"] == "pore" for row in rows],
        [row["split"] for row in rows],
    )
    assert note.endswith(f"within the folds ROC AUC is {within:.3f}")
    for weld in range(24):
        assert len({row["split"] for row in rows if row["group"] == f"weld {weld}"}) == 1


def test_a_cross_validation_goes_on_with_the_folds_that_are_missing(softmax: None, welds: Path) -> None:
    whole = run(config(welds), cross_validation=True, run_name="whole")
    with pytest.raises(KeyboardInterrupt):
        train(config(welds), cross_validation=True, run_name="cut", progress=StopAt("fold 2:", "epoch 3/"))
    listen = Listen()
    again = train(config(welds), resume="cut", progress=listen)
    assert sum("finished before" in line for line in listen.lines) == 2
    assert again.metrics == whole.metrics


@pytest.mark.parametrize("left", [0, 30, 200])
def test_a_fold_whose_answers_were_cut_short_is_trained_again(softmax: None, welds: Path, left: int) -> None:
    result = run(config(welds), cross_validation=True, run_name="cv")
    before = (result.run_folder / "cross-validation" / "predictions.csv").read_bytes()
    answers = result.run_folder / "fold-1" / "answers.npz"
    answers.write_bytes(answers.read_bytes()[:left])
    heard = Listen()
    train(config(welds), resume="cv", progress=heard)
    assert [line for line in heard.lines if "kept" in line] == [f"fold {n}: finished before, kept" for n in (0, 2)]
    assert (result.run_folder / "cross-validation" / "predictions.csv").read_bytes() == before


def test_new_folds_keep_welds_whole_and_a_leaking_fold_column_is_refused(softmax: None, welds: Path) -> None:
    result = run(config(welds, training__epochs=1), cross_validation=True, folds=4)
    assert len(json.loads((result.run_folder / "cross-validation" / "metrics.json").read_text())["folds"]) == 4
    edit_manifest(welds, lambda rows: rows[0].update(fold="2"))
    with pytest.raises(LeakError):
        run(config(welds), cross_validation=True)


def test_folds_that_cannot_be_one_onnx_file_are_refused_before_the_first_epoch(softmax: None, welds: Path) -> None:
    with pytest.raises(PluginError, match="needs 'lopore-onnx"):
        run(config(welds), cross_validation=True, publish_folds=True)
    with pytest.raises(ConfigError, match="give --cross-validate with it"):
        run(config(welds), publish_folds=True)
    assert not Path("models").exists()


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lopore_torch") is None, reason="lopore-torch is not installed")
def test_folds_become_one_model_that_is_their_mean_and_keeps_the_pooled_scores(welds: Path) -> None:
    settings = {
        "trainer": "torch", "model": {"backbone": "resnet10t"}, "training__epochs": 1, "training__precision": "fp32",
        "training__optimizer": {"learning_rate": 0.003}, "training__threads": 1,
    }  # fmt: skip
    result = run(config(welds, **settings), cross_validation=True, publish_folds=True, run_name="cv")
    assert result.model_folder is not None and result.metrics is not None
    model = open_model(ModelFolder.read(result.model_folder))
    assert (model.format, model.record.metrics_split) == ("onnx", "3 folds, pooled")
    assert model.record.metrics["roc_auc"] == result.metrics.overall["roc_auc"]
    assert model.record.threshold == result.metrics.threshold
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), dtype=np.uint8)
    members = [ModelFolder.read(result.run_folder / f"fold-{number}" / "model") for number in range(3)]
    alone = [open_model(one, runtime="onnx").session.predict(pixels) for one in members]
    np.testing.assert_allclose(model.session.predict(pixels), np.mean(alone, axis=0), atol=1e-6)
    before = (result.model_folder / "lopore.json").read_bytes()
    again = train(config(welds, **settings), resume="cv", progress=Listen())
    assert again.model_folder == result.model_folder
    assert (result.model_folder / "lopore.json").read_bytes() == before
