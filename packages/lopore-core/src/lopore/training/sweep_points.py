"""What a sweep varies: lists and ranges of settings, and the points that they make."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lopore.atomic_files import sha256_of
from lopore.config.experiment import Experiment, load_experiment
from lopore.config.yaml_loader import parse_yaml
from lopore.errors import ConfigError
from lopore.messages import plain

from .run_folder import FREE_ON_RESUME, flat_settings

MOST_POINTS = 10_000
DECADES_FOR_LOG = 2
"""A range of real numbers above zero that spans this many powers of ten is searched by its logarithm."""


@dataclass(frozen=True)
class Axis:
    """A setting and the values it takes in turn."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """A setting and the bounds, both included, between which it is searched. whole: only whole numbers."""

    key: str
    low: float
    high: float
    integer: bool

    @property
    def logarithmic(self) -> bool:
        return not self.integer and self.low > 0 and math.log10(self.high / self.low) >= DECADES_FOR_LOG


@dataclass(frozen=True)
class Point:
    """One setting of everything. run: the name of its run, which follows from the settings and the manifest alone."""

    experiment: Experiment
    settings: Mapping[str, Any]
    run: str


def parse_axis(text: str) -> Axis | Range:
    """``KEY=a,b,c`` or ``KEY=lo..hi``; values are read as YAML. ConfigError in one line for anything else."""
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    shown = plain(text, 80)
    if not equals or not value or not all(part.strip() for part in key.split(".")):
        raise ConfigError(f"--set {shown!r} is neither KEY=a,b,c nor KEY=lo..hi, such as training.batch_size=8,16")
    low, dots, high = value.partition("..")
    if dots:
        return _range(key, low.strip(), high.strip(), shown)
    try:
        values = parse_yaml(f"[{value}]", source="--set")
    except ConfigError:
        raise ConfigError(f"--set {shown!r}: its values are no YAML; put text with , : [ or {{ in quotes") from None
    unique = list({json.dumps(one, sort_keys=True, default=str): one for one in values}.values())
    return Axis(key, tuple(unique))


def _range(key: str, low: str, high: str, shown: str) -> Range:
    try:
        bounds = float(low), float(high)
    except ValueError:
        raise ConfigError(f"--set {shown!r}: the ends of a range are numbers, such as 1e-4..1e-2") from None
    if not (math.isfinite(bounds[0]) and math.isfinite(bounds[1]) and bounds[0] < bounds[1]):
        raise ConfigError(f"--set {shown!r}: a range goes from a number to a larger one, such as 1e-4..1e-2")
    return Range(key, *bounds, integer=all(end.lstrip("+-").isdigit() for end in (low, high)))


def make_point(config: Path, settings: Mapping[str, Any]) -> Point:
    """The experiment of a config with these settings; ConfigError where it does not allow them."""
    experiment = load_experiment(config, dict(settings))
    flat = flat_settings(experiment.model_dump(mode="json"))
    firm = {key: value for key, value in sorted(flat.items()) if not key.startswith(FREE_ON_RESUME)}
    manifest = experiment.data.manifest
    films = sha256_of(manifest) if manifest.is_file() else ""
    digest = hashlib.sha256(json.dumps([firm, films], sort_keys=True).encode()).hexdigest()
    return Point(experiment, dict(settings), f"{experiment.name}-{digest[:10]}")


def grid(config: Path, axes: Sequence[Axis]) -> list[Point]:
    """A point for every combination, the last axis turning fastest; all are checked before any is trained."""
    count = math.prod(len(axis.values) for axis in axes)
    if count > MOST_POINTS:
        raise ConfigError(f"the lists make {count} combinations; at most {MOST_POINTS} are trained, shorten a list")
    keys = [axis.key for axis in axes]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ConfigError(f"--set names {plain(twice, 60)} twice; put all its values into one list")
    combinations = itertools.product(*(axis.values for axis in axes))
    return [make_point(config, dict(zip(keys, values, strict=True))) for values in combinations]
