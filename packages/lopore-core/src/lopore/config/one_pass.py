"""Settings of task anomaly, which learns sound images in one pass: its defaults, and what makes no sense there."""

from __future__ import annotations

from typing import Any, Protocol

from lopore.arrays import ANOMALY, Task
from lopore.training_settings import Anomaly, Loss, Optimizer, Schedule

DEFAULTS = {"epochs": 1, "select_by": "last", "precision": "fp32"}
RULE = "false-alarms"


def one_pass(data: dict[str, Any]) -> dict[str, Any]:
    """The plain data of an anomaly experiment with the defaults of that task where it says nothing."""
    training = data.get("training", {})
    if not isinstance(training, dict):
        return data
    threshold = training.get("threshold", {})
    if isinstance(threshold, dict):
        training = {**training, "threshold": {"rule": RULE, **threshold}}
    return {**data, "training": {**DEFAULTS, **training}}


class Settings(Protocol):
    """The parts of an experiment that are looked at."""

    @property
    def task(self) -> Task: ...
    @property
    def training(self) -> Any: ...
    @property
    def data(self) -> Any: ...
    @property
    def model(self) -> Any: ...
    @property
    def anomaly(self) -> Anomaly: ...


def refuse_unfit(experiment: Settings) -> None:
    """ValueError in one line for settings that do not fit together: of task anomaly, or of it in another task."""
    task, training, data, model = experiment.task, experiment.training, experiment.data, experiment.model
    if task != ANOMALY:
        if experiment.anomaly != Anomaly():
            raise ValueError(f"the section 'anomaly' is for task anomaly, and task is '{task}'; leave it out")
        if training.threshold.rule == RULE:
            raise ValueError(
                f"training.threshold.rule '{RULE}' is for task anomaly, and task is '{task}'; allowed are f1, recall, "
                "contract, fixed"
            )
        return
    unused = {
        "training.loss": training.loss != Loss(),
        "training.optimizer": training.optimizer != Optimizer(),
        "training.schedule": training.schedule != Schedule(),
        "training.early_stopping": training.early_stopping is not None,
        "training.ema_decay": training.ema_decay > 0,
        "training.compile": training.compile,
        "training.accumulation_steps": training.accumulation_steps > 1,
        "training.abstention": training.abstention is not None,
        "model.freeze": model.freeze != "none",
        "model.dropout": model.dropout > 0,
        "data.tiles": data.tiles != type(data.tiles)(),
        "data.positive": data.positive is not None,
    }
    if named := [name for name, given in unused.items() if given]:
        raise ValueError(f"task anomaly takes no step by gradients and has no {named[0]}; leave {named[0]} out")
    for name, value in DEFAULTS.items():
        if getattr(training, name) != value:
            raise ValueError(
                f"training.{name} is {getattr(training, name)}; task anomaly passes over the sound images once and has "
                f"{value}, leave it out"
            )
