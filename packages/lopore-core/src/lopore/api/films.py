"""Manifests, splits and training runs from Python."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lopore.data.manifest import Manifest
    from lopore.training.run import TrainResult


def index_films(
    source: Path | str, *, group_column: str | None = None, group_pattern: str | None = None, **listing: Any
) -> Manifest:
    """A manifest of a folder of class folders, or of a CSV of labels, as `lopore data index` makes it.

    group_column, group_pattern: what names the film or weld. listing: as ``list_images`` takes it, such as ``root``.
    Every image is read once. Raises DataError naming the files that are missing or damaged. ``.write(path)`` keeps it.
    """
    from lopore.data.index import Grouping, index_images, list_images

    listed = list_images(Path(source), group_column=group_column, **listing)
    pattern = re.compile(group_pattern) if group_pattern else None
    return index_images(listed, grouping=Grouping(pattern)).manifest


def split_films(manifest: Manifest, *, seed: int = 0, **shares: float) -> Manifest:
    """The manifest with each film in one split, stratified by class, as `lopore data split` makes it.

    shares: ``train``, ``val`` and ``test``; what is not given divides the rest as by default. DataError where a class
    has too few groups.
    """
    from lopore.data.split import complete_shares, split_manifest

    return split_manifest(manifest, complete_shares(shares), seed=seed).manifest


def train(config: Path | str | Mapping[str, Any], *, out: Path | str = "models", **run: Any) -> TrainResult:
    """Train as `lopore train --config` does; ``.model_folder`` is what ``lopore.open`` takes.

    config: a YAML file, or its content as a mapping. run: as ``lopore.training.run.train`` takes it, such as
    ``resume``, ``run_name``, ``allow_leaks`` or ``cross_validation``. Raises ConfigError, DataError, LeakError or
    RunError, in one line.
    """
    from lopore.config.experiment import load_experiment, parse_experiment
    from lopore.training.run import train as train_experiment

    if isinstance(config, Mapping):
        experiment = parse_experiment(dict(config), source="the config")
    else:
        experiment = load_experiment(Path(config))
    return train_experiment(experiment, out=Path(out), **run)
