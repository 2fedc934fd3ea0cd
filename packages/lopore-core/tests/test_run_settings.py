"""What a config says reaches the trainer, or is refused in one line before the first epoch; nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made.runs import Listen, config, edit_manifest, log_of, run
from pydantic import BaseModel

from lopore.config.experiment import Experiment
from lopore.contracts import LearnRequest
from lopore.data.manifest import Manifest
from lopore.data.manifest_row import Row
from lopore.errors import ConfigError, DataError, LoporeError, RunError
from lopore.progress import Progress
from lopore.record.folder import ModelFolder
from lopore.training.build_request import class_weights, network_request
from lopore.training.cross_validation import NOTHING_TO_SELECT_BY, folds_of
from lopore.training.plan import Plan
from lopore.training.planning import make_plan
from lopore.training.run import train
from lopore.training.run_folder import read_facts
from lopore.training_settings import Anomaly


def plan_of(experiment: Experiment, *, crossed: bool = False) -> Plan:
    return make_plan(experiment, Progress(quiet=True), crossed=crossed)


def each_row(folder: Path, change: Callable[[dict[str, str]], None]) -> None:
    edit_manifest(folder, lambda rows: [change(row) for row in rows])


def keys_of(model: type[BaseModel], at: str = "") -> Iterator[str]:
    """Every key of a config below ``at``; a section that is a union, such as an augmentation, counts as one key."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from keys_of(kind, f"{at}{name}.")
        else:
            yield f"{at}{name}"


TOLD: dict[str, tuple[Any, Callable[[LearnRequest], Any]]] = {
    "seed": (7, lambda asked: asked.seed),
    "preprocessing.channels": (3, lambda asked: asked.network.channels),
    "preprocessing.depth": (16, lambda asked: asked.network.depth),
    "preprocessing.size": ((48, 48), lambda asked: asked.network.size),
    "preprocessing.mean": ((0.4,), lambda asked: asked.network.mean),
    "preprocessing.std": ((0.2,), lambda asked: asked.network.std),
    "model.pretrained": ("offline", lambda asked: asked.network.pretrained),
    "model.pretrained_sha256": ("a" * 64, lambda asked: asked.network.pretrained_sha256),
    "model.dropout": (0.3, lambda asked: asked.network.dropout),
    "model.grey_input": ("convolution", lambda asked: asked.network.grey_input),
    "model.freeze": ("half", lambda asked: asked.freeze),
    "training.epochs": (9, lambda asked: asked.epochs),
    "training.batch_size": (4, lambda asked: asked.batch_size),
    "training.accumulation_steps": (2, lambda asked: asked.accumulation_steps),
    "training.loss.name": ("margin", lambda asked: asked.losses[0].term.name),
    "training.loss.parameters": (
        {"cross-entropy": {"floor": 1e-3}},
        lambda asked: {"cross-entropy": asked.losses[0].params.model_dump()},
    ),
    "training.loss.label_smoothing": (0.1, lambda asked: asked.label_smoothing),
    "training.loss.class_weights": ({"pore": 3.0}, lambda asked: {"pore": (asked.class_weights or (0, 0))[1]}),
    "training.optimizer.name": ("sgd", lambda asked: asked.optimizer.name),
    "training.optimizer.learning_rate": (0.02, lambda asked: asked.optimizer.learning_rate),
    "training.optimizer.weight_decay": (0.2, lambda asked: asked.optimizer.weight_decay),
    "training.optimizer.momentum": (0.5, lambda asked: asked.optimizer.momentum),
    "training.optimizer.head_factor": (5.0, lambda asked: asked.optimizer.head_factor),
    "training.optimizer.clip_norm": (0.5, lambda asked: asked.optimizer.clip_norm),
    "training.schedule.name": ("plateau", lambda asked: asked.schedule.name),
    "training.schedule.warmup_epochs": (0.5, lambda asked: asked.schedule.warmup_epochs),
    "training.schedule.final_factor": (0.2, lambda asked: asked.schedule.final_factor),
    "training.schedule.plateau_patience": (5, lambda asked: asked.schedule.plateau_patience),
    "training.schedule.plateau_factor": (0.4, lambda asked: asked.schedule.plateau_factor),
    "training.ema_decay": (0.8, lambda asked: asked.ema_decay),
    "training.precision": ("bf16", lambda asked: asked.precision),
    "training.compile": (True, lambda asked: asked.compile),
    "training.deterministic": (True, lambda asked: asked.deterministic),
    "training.device": ("cuda:1", lambda asked: asked.device),
    "training.threads": (3, lambda asked: asked.threads),
}
"""Keys that a trainer is told: another value, and where it stands in what the learner gets."""

CORE = {
    "name", "trainer", "task", "augmentation", "exports", "licence", "model.backbone",
    "data.manifest", "data.positive", "data.exclude", "data.cache_mb", "data.workers", "data.balance",
    "data.tiles.per_epoch", "data.tiles.defect_share", "data.tiles.hard_share", "preprocessing.mm_per_pixel",
    "preprocessing.window.mode", "preprocessing.window.low", "preprocessing.window.high", "preprocessing.enhance",
    "preprocessing.resize", "preprocessing.decoder_scaling",
    "training.early_stopping", "training.select_by", "training.tta_views", "training.keep_checkpoints",
    "training.tta_scales",
    "training.threshold.rule", "training.threshold.recall", "training.threshold.value",
    "training.false_calls", "training.threshold.confidence", "model.start_from", "training.abstention",
    "training.calibration", "training.callbacks", "data.sound", "training.threshold.false_alarms",
}  # fmt: skip
"""Keys that core itself acts on, the same for every framework."""

ANOMALY_KEYS = {f"anomaly.{name}" for name in Anomaly.model_fields}
"""Told to the trainer together, and of task anomaly alone."""


def test_every_key_of_the_config_is_told_to_the_trainer_or_acted_on_by_core() -> None:
    assert TOLD.keys().isdisjoint(CORE)
    assert set(keys_of(Experiment)) == TOLD.keys() | CORE | ANOMALY_KEYS


@pytest.mark.parametrize("task", ["anomaly", "multiclass"])
def test_the_settings_of_task_anomaly_are_told_as_they_stand_and_to_that_task_alone(task: str) -> None:
    section = {"method": "gaussian", "strides": [4, 8]} if task == "anomaly" else {}
    plain = {"name": "a", "trainer": "torch", "data": {"manifest": "m.csv"}, "model": {"backbone": "resnet18"}}
    experiment = Experiment.model_validate({**plain, "task": task, "anomaly": section})
    told = network_request(experiment, ("anomaly",), started=False)
    assert told.anomaly == (experiment.anomaly if task == "anomaly" else None)


@pytest.mark.parametrize("key", TOLD)
def test_a_setting_reaches_the_learner(softmax: None, welds: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    import lopore_softmax  # type: ignore[import-not-found]

    got: list[LearnRequest] = []

    class ListeningError(Exception):
        pass

    def listen(_: Any, asked: LearnRequest) -> None:
        got.append(asked)
        raise ListeningError

    monkeypatch.setattr(lopore_softmax.SoftmaxLearner, "__init__", listen)
    value, told = TOLD[key]
    more: dict[str, Any] = {"model__pretrained": "w.pth"} if key.endswith("sha256") else {}
    for changes in ({}, {key.replace(".", "__"): value, **more}):
        with pytest.raises(LoporeError, match="ListeningError"):
            run(config(welds, **changes))
    usual, changed = map(told, got)
    assert changed == value != usual


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"exports": ["pt"]}, "exports names 'pt'; of trainer 'softmax' there are film-onnx, npy, onnx-int8"),
        ({"model__pretrained_sha256": "a" * 64}, "pretrained is 'none'; name the file there"),
        ({"model": {"pretrained": "hub", "pretrained_sha256": "a" * 64}}, "pretrained is 'hub'"),
        ({"training__loss": {"class_weights": {"pore": -1.0}}}, "greater than 0 (got -1.0)"),
        ({"training__loss": {"class_weights": {"pore": 0.0}}}, "greater than 0 (got 0.0)"),
    ],
)
def test_a_setting_that_could_only_be_ignored_or_fail_later_is_refused_first(
    softmax: None, welds: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        run(config(welds, **changes))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("models").exists()


@pytest.mark.parametrize("trainer", ["torch", "tf"])
def test_a_u_net_for_another_task_is_refused_before_a_file_is_read(tmp_path: Path, trainer: str) -> None:
    pytest.importorskip(f"lopore_{trainer}")
    with pytest.raises(ConfigError, match="'unet-resnet18' is for task segmentation; take another for binary"):
        plan_of(config(tmp_path, trainer=trainer, model__backbone="unet-resnet18", data__manifest="absent.csv"))


def test_rare_classes_that_are_made_up_for_twice_are_told(softmax: None, welds: Path) -> None:
    both = config(welds, data__balance="class-group", training__loss={"class_weights": "balanced"})
    listen = Listen()
    result = train(both, progress=listen)
    assert any(line.startswith("warning: data.balance: class-group and class_weights") for line in listen.lines)
    assert "keep one of them" in result.notes[0]
    for one in (config(welds, data__balance="class"), config(welds, training__loss={"class_weights": "balanced"})):
        assert not plan_of(one).notes


def test_balanced_weights_of_several_labels_make_having_one_count_as_lacking_it(softmax: None, welds: Path) -> None:
    edit_manifest(
        welds, lambda rows: [row.update(labels="ok|pore") for row in rows if row["path"].startswith("films/01")]
    )
    told = {"data__positive": None, "training__loss": {"class_weights": "balanced"}}
    plan = plan_of(config(welds, task="multilabel", **told))
    rows = np.arange(len(plan.manifest))
    having = plan.targets.count(rows)
    weights = dict(zip(having, class_weights(plan, rows) or (), strict=True))
    assert {name: weights[name] * count for name, count in having.items()} == pytest.approx(
        {name: len(rows) - count for name, count in having.items()}
    )


def test_a_warm_up_that_takes_all_epochs_is_told(softmax: None, welds: Path) -> None:
    (note,) = plan_of(config(welds, training__schedule={"warmup_epochs": 6.0})).notes
    assert note == "schedule.warmup_epochs 6 takes all 6 epochs: the learning rate never stays at its value"
    assert not plan_of(config(welds, training__schedule={"warmup_epochs": 5.5})).notes


@pytest.mark.parametrize("by", ["auc", "f1", "last"])
def test_the_plateau_watches_the_score_that_selects_the_epoch(
    softmax: None, welds: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    import lopore_softmax

    watched: list[float] = []
    monkeypatch.setattr(lopore_softmax.SoftmaxLearner, "observe", lambda _, score: watched.append(score))
    log = log_of(run(config(welds, training__select_by=by, training__schedule={"name": "plateau"})).run_folder)
    assert watched == [float(row["val_f1" if by == "f1" else "val_auc"]) for row in log]
    assert [row["val_auc"] for row in log] != [row["val_f1"] for row in log]


@pytest.mark.parametrize(
    ("changes", "rule", "named"),
    [
        ({"rule": "recall", "recall": 0.75}, "recall >= 0.75 on these films, no bound", None),
        ({"rule": "fixed", "value": 0.3}, "fixed", 0.3),
        ({"rule": "f1"}, "f1", None),
    ],
)
def test_the_threshold_s_rule_the_licence_and_the_kept_checkpoints_are_what_was_asked(
    softmax: None, welds: Path, changes: dict[str, Any], rule: str, named: float | None
) -> None:
    asked = {"training__threshold": changes, "training__epochs": 4, "training__keep_checkpoints": 3}
    result = run(config(welds, licence="CC BY 4.0", **asked))
    record = ModelFolder.read(result.model_folder or Path()).record
    assert (record.licence, record.threshold.rule) == ("CC BY 4.0", rule)
    assert named is None or record.threshold.value == named
    assert len(list(result.run_folder.glob("epoch-*"))) == 3


def test_early_stopping_asks_for_more_than_its_least_gain(softmax: None, welds: Path) -> None:
    stopping = {"patience": 2, "min_delta": 0.9}
    result = run(config(welds, training__epochs=30, training__early_stopping=stopping, training__select_by="last"))
    assert len((result.run_folder / "training_log.csv").read_text().splitlines()) == 1 + 3
    assert not list((result.run_folder / "best").glob("epoch-*"))


def test_two_folds_select_no_epoch_and_the_scores_say_so(softmax: None, welds: Path) -> None:
    each_row(welds, lambda row: row.update(fold=str(int(row["fold"]) % 2)))
    result = run(config(welds), cross_validation=True)
    assert result.metrics is not None
    assert result.metrics.notes[0] == NOTHING_TO_SELECT_BY
    last = run(config(welds, training__select_by="last"), cross_validation=True)
    assert last.metrics is not None
    assert NOTHING_TO_SELECT_BY not in last.metrics.notes


def four_folds(welds: Path, *pores_in: int) -> None:
    """Four folds by weld, with pores in some of them alone."""

    def change(row: dict[str, str]) -> None:
        number = int(row["group"].removeprefix("weld "))
        fold = number // 2 % 4
        row.update(fold=str(fold), labels="pore" if number % 2 and fold in pores_in else "ok")

    each_row(welds, change)


def test_a_fold_that_lacks_a_class_selects_no_epoch_where_another_can(softmax: None, welds: Path) -> None:
    four_folds(welds, 0, 2, 3)
    plan = plan_of(config(welds), crossed=True)
    numbers = np.array([row.fold for row in plan.manifest.rows])
    for number, sides in folds_of(plan).items():
        (chooser,) = set(numbers[sides.val].tolist())
        assert chooser == {0: 2, 1: 2, 2: 3, 3: 0}[number]
        assert min(plan.targets.count(sides.val).values()) > 0
        assert min(plan.targets.count(sides.train).values()) > 0
        parts = np.concatenate([sides.train, sides.val, sides.test])
        assert sorted(parts.tolist()) == list(range(len(plan.manifest)))


def test_folds_that_leave_a_class_nowhere_to_be_learned_are_refused_before_a_run_begins(
    softmax: None, welds: Path
) -> None:
    four_folds(welds, 0, 2)
    with pytest.raises(DataError, match=r"fold 0: no other fold can select an epoch .* training\.select_by to last"):
        run(config(welds), cross_validation=True)
    assert not Path("models").exists()
    assert run(config(welds, training__select_by="last"), cross_validation=True).metrics is not None
    four_folds(welds, 2)
    with pytest.raises(DataError, match="class 'pore' has no image in the training of fold 2"):
        run(config(welds, training__select_by="last"), cross_validation=True)


@pytest.mark.parametrize(
    "facts",
    ["[]", "{}", "no json", '{"name": "little", "kind": "training", "version": "../../../out"}'],
)
def test_facts_that_do_not_name_a_model_are_refused_in_one_line(softmax: None, welds: Path, facts: str) -> None:
    folder = run(config(welds), run_name="first").run_folder
    (folder / "run.json").write_text(facts)
    with pytest.raises(RunError, match="no readable run"):
        read_facts(folder)
    with pytest.raises(RunError, match="no readable run"):
        run(config(welds), resume="first")


def test_copies_of_a_picture_without_a_group_count_as_one_in_the_intervals() -> None:
    rows = [
        Row(path="a.png", family="F1"), Row(path="b.png", family="F1"), Row(path="c.png", family="F2", group="weld 3"),
        Row(path="d.png", family="F2", group="weld 3"), Row(path="e.png"), Row(path="f.png"),
    ]  # fmt: skip
    assert Manifest(tuple(rows), Path()).group_ids().tolist() == [0, 0, 1, 1, 2, 3]


def test_a_manifest_without_groups_is_scored_by_families(softmax: None, welds: Path) -> None:
    each_row(welds, lambda row: row.update(group="", family=f"{row['split']} {row['labels']}"))
    metrics = json.loads(
        (run(config(welds), allow_leaks=True).model_folder or Path()).joinpath("metrics.json").read_text()
    )
    assert (metrics["images"], metrics["groups"]) == (8, 2)


def test_a_run_without_a_whole_checkpoint_begins_anew_and_says_so(softmax: None, welds: Path) -> None:
    whole = run(config(welds), run_name="whole")
    folder = run(config(welds), run_name="first").run_folder
    for state in folder.glob("epoch-*/state.npz"):
        state.write_bytes(b"")
    listen = Listen()
    again = train(config(welds), resume="first", progress=listen)
    assert "warning: no checkpoint of this run is whole; it begins anew" in listen.lines
    assert [row["epoch"] for row in log_of(folder)] == list("123456")
    assert again.metrics == whole.metrics
