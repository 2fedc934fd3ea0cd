"""What hears of a training run: core's own callbacks read back, and a failing one that stops nothing."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made.commands import error_line, lopore
from made.plugins import HEAD, SOFTMAX, install, on_path
from made.runs import Listen, StopAt, config, log_of, run

from lopore.errors import ConfigError, PluginError
from lopore.testing import Check, parametrize_checks
from lopore.tracking import plugin
from lopore.training.run import train


@parametrize_checks(plugin, only="^(plugin|callback/(csv|tensorboard))/")
def test_csv_and_tensorboard_keep_every_promise(check: Check) -> None:
    check()


@parametrize_checks(plugin, only="^callback/(mlflow|wandb)/(goes_on|sends_nothing)")
def test_trackers_go_on_with_a_resumed_run_and_send_nothing_by_default(check: Check) -> None:
    check()


EARS = (
    HEAD
    + """
from pathlib import Path
def _listen(start, params):
    heard = Path("heard.txt")
    def hear(event):
        with heard.open("a") as stream:
            stream.write(f"{start.run} {start.epochs_done} {type(event).__name__} {getattr(event, 'epoch', '')} "
                         f"{getattr(event, 'state', '')} {sorted(getattr(event, 'scores', ()))[:1]}\\n")
    return hear
def _deaf(start, params):
    def hear(event):
        raise SystemExit("no more")
    return hear
def _meddler(start, params):
    start.settings["training.epochs"] = 99
@hookimpl
def lopore_callbacks():
    for name, listen in (("ears", _listen), ("deaf", _deaf), ("meddler", _meddler)):
        yield Callback(name=name, summary="Hears", params=NoParams, listen=listen)
    yield Callback(name="lacking", summary="Needs more", params=NoParams, listen=_listen, needs=("no_such_module",))
"""
)


@pytest.fixture
def ears(softmax: None, tmp_path: Path) -> Iterator[None]:
    """Callbacks of another author: one that hears, one that fails at each event, one that changes what it is told."""
    site = tmp_path / "site"
    site.mkdir()
    install(site, "lopore-ears", EARS)
    with on_path(site):
        yield


def _heard() -> list[list[str]]:
    return [line.split() for line in Path("heard.txt").read_text().splitlines()]


def test_events_come_in_order_and_a_resumed_run_goes_on(ears: None, welds: Path) -> None:
    experiment = config(welds, training__callbacks=["ears"], training__epochs=3)
    with pytest.raises(KeyboardInterrupt):
        train(experiment, run_name="r", progress=StopAt("epoch 2/"))
    train(experiment, resume="r", progress=Listen())
    assert [line[1:5] for line in _heard()] == [
        ["0", "EpochEnded", "1", "[]"], ["0", "RunEnded", "interrupted", "[]"],
        ["1", "EpochEnded", "2", "[]"], ["1", "EpochEnded", "3", "[]"], ["1", "RunEnded", "finished", "['accuracy']"],
    ]  # fmt: skip


def test_each_fold_is_heard_as_a_run_of_its_own(ears: None, welds: Path) -> None:
    run(config(welds, training__callbacks=["ears"], training__epochs=1), cross_validation=True, run_name="cv")
    assert [(line[0], line[2]) for line in _heard()] == [
        (f"cv/fold-{fold}", kind) for fold in range(3) for kind in ("EpochEnded", "RunEnded")
    ]


def test_a_callback_that_fails_is_told_once_hears_no_more_and_changes_nothing(ears: None, welds: Path) -> None:
    told = Listen()
    alone = run(config(welds, training__epochs=2), run_name="alone")
    result = train(
        config(welds, training__epochs=2, training__callbacks=["deaf", "meddler", "ears"]), progress=told, run_name="r"
    )
    warnings = [line for line in told.lines if "hears no more of this run" in line]
    assert len(warnings) == 2 and "lopore-ears 1.0" in warnings[0]
    assert "does not support item assignment" in warnings[0] + warnings[1]
    assert len(_heard()) == 3
    assert result.metrics == alone.metrics


@pytest.mark.parametrize(
    ("callbacks", "told"),
    [
        (["csw"], "did you mean csv"),
        ([{"name": "csv", "pth": "a.csv"}], "unknown key 'pth', did you mean 'path'"),
        ([{"path": "a.csv"}], "has no name"),
        (["lacking"], "needs no_such_module"),
        ([{"name": "wandb", "mode": "shared"}], "mode"),
    ],
)
def test_what_cannot_be_used_is_refused_before_the_first_epoch(
    ears: None, welds: Path, callbacks: list[Any], told: str
) -> None:
    if callbacks[0] == {"name": "wandb", "mode": "shared"}:
        pytest.importorskip("wandb")
    with pytest.raises((ConfigError, PluginError)) as caught:
        run(config(welds, training__callbacks=callbacks))
    assert told in str(caught.value) and "\n" not in str(caught.value)
    assert not Path("models").exists()


def test_csv_gets_the_rows_of_many_runs(softmax: None, welds: Path) -> None:
    experiment = config(welds, training__epochs=2, training__callbacks=[{"name": "csv", "path": "all/runs.csv"}])
    results = [run(experiment, run_name=name) for name in ("one", "two")]
    with Path("all/runs.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["run"], row["epoch"]) for row in rows] == [("one", "1"), ("one", "2"), ("two", "1"), ("two", "2")]
    logged = [line for result in results for line in log_of(result.run_folder)]
    assert [float(row["val_loss"]) for row in rows] == [float(line["val_loss"]) for line in logged]
    assert not (results[0].run_folder / "tensorboard").exists()


def test_mlflow_keeps_settings_every_epoch_and_the_scores_in_a_local_folder(softmax: None, welds: Path) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed; it comes with lopore-core[mlflow]")
    experiment = config(welds, training__epochs=3, training__callbacks=["mlflow"])
    with pytest.raises(KeyboardInterrupt):
        train(experiment, run_name="r", progress=StopAt("epoch 3/"))
    told = Listen()
    result = train(experiment, resume="r", progress=told)
    assert not [line for line in told.lines if "hears no more" in line]
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=Path("mlruns").resolve().as_uri())
    found = client.get_experiment_by_name("little")
    assert found is not None
    (kept,) = client.search_runs([found.experiment_id])
    assert (kept.info.run_name, kept.info.status) == ("r", "FINISHED")
    assert kept.data.params["training.optimizer.learning_rate"] == "0.3"
    losses = [metric.value for metric in client.get_metric_history(kept.info.run_id, "val_loss")]
    assert losses == [float(row["val_loss"]) for row in log_of(result.run_folder)]
    assert result.metrics is not None
    assert kept.data.metrics["test/roc_auc"] == result.metrics.overall["roc_auc"].value
    assert kept.data.tags["lopore.model"] == str(result.model_folder)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_wandb_writes_offline_files_by_default(softmax: None, welds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed; it comes with lopore-core[wandb]")
    monkeypatch.setenv("WANDB_MODE", "online")
    told = Listen()
    train(config(welds, training__epochs=1, training__callbacks=["wandb"]), progress=told)
    assert not [line for line in told.lines if "hears no more" in line]
    (folder,) = Path("wandb").glob("offline-run-*")
    assert list(folder.glob("run-*.wandb"))


def test_callbacks_are_listed_and_a_misspelt_one_is_one_line(softmax: None, welds: Path) -> None:
    listed = lopore("plugins").stdout
    assert "callbacks (4)" in listed and "Scalars for TensorBoard" in listed
    config(welds, training__callbacks=["tensorbord"])
    with on_path(SOFTMAX):
        told = error_line(lopore("train", "--config", "little.yaml").stderr)
    assert "no callback 'tensorbord'; did you mean tensorboard" in told
