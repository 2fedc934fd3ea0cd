"""Which of a model's versions is the best: by the validation score that its own run selected epochs by."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from lopore.config.experiment import load_experiment
from lopore.errors import ConfigError, ModelError
from lopore.plugins.registry import discover
from lopore.record.folder import CONFIG_NAME, LOG_NAME, ModelFolder

MOST_BYTES = 8 << 20
"""Of a training log that is read; it may come from anyone."""


def rank_of(name: str, value: float) -> float:
    """A validation score so that more is better: turned about for a metric of which less is."""
    metrics = discover().metrics
    return -value if name in metrics and not metrics[name].higher_is_better else value


def validation_score(folder: Path) -> tuple[str, float] | None:
    """Name (``auc``, ``f1``, ``dice``, ``hits`` or a metric's) and value of the epoch that a run or model kept.

    It stands on validation films, so choosing by it leaves the scores on test films honest. None where the folder has
    no config and log that tell it.
    """
    try:
        experiment = load_experiment(folder / CONFIG_NAME)
        if (folder / LOG_NAME).stat().st_size > MOST_BYTES:
            return None
        with (folder / LOG_NAME).open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        best_rows = [row for row in rows if row.get("best") == "1"] or rows
        name = experiment.training.watched(experiment.task)
        return name, float(best_rows[-1][f"val_{name}"])
    except (ConfigError, OSError, ValueError, KeyError, IndexError, TypeError, csv.Error):
        return None


def best_version(name: str, versions: Sequence[ModelFolder]) -> ModelFolder:
    """The version with the best validation score among those validated like the newest one; of equals the newest.

    versions: of one model, oldest first. Left out are versions of another split, of another score, and those whose
    split leaked. ModelError where no version is left.
    """
    split = versions[-1].record.split_fingerprint
    rivals = [one for one in versions if one.record.split_fingerprint == split and one.record.leaks.clean]
    scored = [(one, found) for one in rivals if (found := validation_score(one.path)) is not None]
    if not scored:
        raise ModelError(
            f"no version of {name} tells what it scored on the validation films of {versions[-1].title} without a "
            f"leak; name one of {', '.join(one.record.version for one in versions[-5:])}"
        )
    by = scored[-1][1][0]
    alike = [(rank_of(*found), number, one) for number, (one, found) in enumerate(scored) if found[0] == by]
    return max(alike, key=lambda rival: rival[:2])[2]
