"""What a run will need besides its data, found out before its first epoch: libraries, runtimes, space on the disk."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lopore.config.experiment import Experiment
from lopore.contracts import Trainer
from lopore.errors import ConfigError, PluginError, RunError
from lopore.messages import did_you_mean, plain
from lopore.plugins.registry import discover

OPENED_BY = {"onnx": "lopore-onnx", "pth": "lopore-torch", "pt": "lopore-torch"}
"""The package of lopore that opens a format."""
OTHER_FILES = 32 << 20
"""Bytes for logs, previews, predictions and reports."""


def check_libraries(experiment: Experiment) -> None:
    """PluginError, naming what to install, where a library of the extra ``train`` is needed and absent."""
    needed = {"PIL": "Pillow", "matplotlib": "matplotlib"}  # the preview of the augmentation
    absent = [name for module, name in needed.items() if find_spec(module) is None]
    if absent:
        raise PluginError(f'training needs {", ".join(absent)}: pip install "lopore-core[train]"')


def check_exports(experiment: Experiment, trainer: Trainer) -> None:
    """ConfigError for a format that nothing installed writes, or opens to prove it equal."""
    registry = discover()
    able = {
        one.format
        for one in registry.exporters.values()
        if one.framework in (experiment.trainer, "any") and not one.averages
    }
    formats = able | {trainer.native_format}
    for format in experiment.exports:
        if format not in formats:
            there = f"{', '.join(sorted(formats))}{did_you_mean(format, formats)}"
            raise ConfigError(
                f"exports names '{plain(format, 40)}'; of trainer '{experiment.trainer}' there are {there}"
            )
    opened = {format for predictor in registry.predictors.values() for format in predictor.formats}
    wanted = [format for format in experiment.exports if format != trainer.native_format]
    for format in [trainer.native_format, *wanted] if wanted else []:
        if format not in opened:
            package = OPENED_BY.get(format, f"a package that opens {format}")
            others = sorted(able & opened) or "[]"
            raise ConfigError(
                f"nothing installed opens {format} files, so exports {', '.join(wanted)} could not be proven equal; "
                f"install {package}, or set exports to {others if isinstance(others, str) else ', '.join(others)}"
            )


def bytes_needed(experiment: Experiment, facts: Mapping[str, Any]) -> int:
    """What checkpoints, best weights, the model and its exports take at most, from the number of parameters."""
    weights = 4 * int(facts.get("parameters") or 0)
    moments = 2 if experiment.training.optimizer.name == "adamw" else 1
    averaged = 1 if experiment.training.ema_decay else 0
    checkpoints = (experiment.training.keep_checkpoints + 1) * (1 + moments + averaged)
    best = experiment.training.keep_checkpoints + 1
    return weights * (checkpoints + best + 1 + 2 * len(experiment.exports)) + OTHER_FILES


def check_disk(experiment: Experiment, facts: Mapping[str, Any], out: Path) -> None:
    """RunError where ``out`` has too little room for the run."""
    nearest = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    free, needed = shutil.disk_usage(nearest).free, bytes_needed(experiment, facts)
    if free < needed:
        raise RunError(
            f"the run may need {needed / 2**20:.0f} MiB below {out} and {free / 2**20:.0f} MiB are free; free space, "
            "lower training.keep_checkpoints, or choose another --out"
        )
