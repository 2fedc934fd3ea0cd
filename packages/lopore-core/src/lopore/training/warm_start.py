"""The model that a training begins with: found, checked, and its weights under names that every framework knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lopore.config.experiment import Experiment
from lopore.contracts import StartPoint
from lopore.errors import ConfigError, ModelError
from lopore.messages import plain
from lopore.models.catalogue import locate_model
from lopore.plugins.registry import call_entry, discover
from lopore.record.folder import RECORD_NAME, ModelFolder

NAMED_SOURCES = ("none", "offline", "hub")


def start_folder(experiment: Experiment) -> ModelFolder | None:
    """The model that ``model.start_from`` names, or whose folder holds the file that ``model.pretrained`` names.

    ModelError where there is none, ConfigError where its channels are not the run's.
    """
    asked, given = experiment.model.start_from, experiment.model.pretrained
    if asked is None and (given in NAMED_SOURCES or not _lies_in_a_model(Path(given))):
        return None
    text = asked or given
    path = Path(text)
    folder = ModelFolder.read(path.parent) if _lies_in_a_model(path) else locate_model(text)
    theirs, ours = folder.record.preprocessing.channels, experiment.preprocessing.channels
    if theirs != ours:
        raise ConfigError(
            f"{folder.title} takes {theirs} channels and this run {ours}; set preprocessing.channels to {theirs}"
        )
    return folder


def _lies_in_a_model(path: Path) -> bool:
    """Whether a file is one of a model folder's."""
    return path.is_file() and path.name != RECORD_NAME and (path.parent / RECORD_NAME).is_file()


def start_point(experiment: Experiment) -> StartPoint | None:
    """The weights to begin with; None where the config names none. Errors are one line each, before any training."""
    folder = start_folder(experiment)
    if folder is None:
        return None
    record, trainers = folder.record, discover().trainers
    trainer = trainers.get(record.framework)
    if trainer is None or trainer.export_weights is None:
        raise ConfigError(
            f"{folder.title} is a {plain(record.framework, 40)} model and nothing installed reads its weights; install "
            f"lopore-{plain(record.framework, 40)}, or start from another model"
        )
    if trainer.native_format not in record.formats:
        have = ", ".join(record.formats) or "no weights"
        raise ModelError(
            f"{folder.title} has {have}; training starts from {trainer.native_format} weights, name a folder that has "
            "them"
        )
    folder.verify(trainer.native_format)
    export = trainer.export_weights
    weights = call_entry("trainer", trainer.key, trainers.sources[trainer.key], lambda: export(folder))
    return StartPoint(
        title=folder.title, weights=weights, task=record.task, classes=record.classes,
        depth=record.preprocessing.depth,
    )  # fmt: skip


def start_summary(facts: Any) -> str:
    """What was taken from the model that the run began with, in one line; empty where there was none."""
    found = facts.get("started_from")
    if not found:
        return ""
    new = list(found["new"])
    fresh = f"; new: {', '.join(map(str, new[:3]))}{f' and {len(new) - 3} more' if new[3:] else ''}" if new else ""
    return f"started from {found['model']}: {found['taken']} tensors taken{fresh}"
