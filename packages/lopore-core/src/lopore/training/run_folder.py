"""The folder of one training run: its name, lock, config and facts."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from lopore.atomic_files import atomic_write_text, lock_file
from lopore.config.experiment import Experiment, dump_experiment, load_experiment
from lopore.errors import ConfigError, RunError
from lopore.messages import did_you_mean
from lopore.record.folder import CONFIG_NAME

CONFIG, FACTS, LOCK = CONFIG_NAME, "run.json", ".lock"
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
FREE_ON_RESUME = (
    "data.cache_mb",
    "data.workers",
    "training.device",
    "training.threads",
    "training.keep_checkpoints",
    "training.tta_views",
    "training.tta_scales",
    "training.threshold",
    "training.calibration",
    "training.abstention",
    "training.callbacks",
    "exports",
    "licence",
)
"""Settings that may change when a run is resumed: none of them moves a weight."""


def new_run_name(experiment: Experiment, world: int, root: Path) -> str:
    """``NAME-yyyymmdd-hhmmss``; processes of one launch share their parent's number instead of the time of day."""
    now = datetime.now(UTC)
    if world > 1:
        return f"{experiment.name}-{now:%Y%m%d}-p{os.getppid()}"
    name = f"{experiment.name}-{now:%Y%m%d-%H%M%S}"
    taken = (f"{name}-{number}" for number in range(2, 1000))
    return name if not (root / name).exists() else next(item for item in taken if not (root / item).exists())


def check_run_name(name: str) -> str:
    """ConfigError for a run name that is no plain folder name."""
    if not RUN_NAME.fullmatch(name):
        raise ConfigError(f"run name {name[:60]!r} is not usable; letters, digits, '.', '_' and '-' are, no sign first")
    return name


def find_run(text: str, out: Path) -> Path:
    """A run by path or by its name under ``out/checkpoints``; RunError lists the newest there are."""
    for folder in (Path(text), out / "checkpoints" / text):
        if (folder / CONFIG).is_file():
            return folder
    root = out / "checkpoints"
    there = sorted((item for item in root.glob("*") if (item / CONFIG).is_file()), key=lambda p: p.stat().st_mtime)
    have = ", ".join(item.name for item in reversed(there[-5:])) or "none"
    near = did_you_mean(text, [item.name for item in there], most=1)
    raise RunError(f"no run {text[:100]!r} to resume; in {root} there are: {have}{near}")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run's folder for this process alone; RunError where another process holds it. Ends with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+b") as handle:
        try:
            lock_file(handle)
        except OSError:
            raise RunError(f"another process is training in {folder}; wait for it, or start another run") from None
        yield


def read_config(folder: Path) -> Experiment:
    """The experiment that a run was started with."""
    return load_experiment(folder / CONFIG)


def refuse_other_config(given: Experiment, started: Experiment) -> None:
    """ConfigError naming the settings that differ and would make the resumed run another experiment."""
    before, now = flat_settings(started.model_dump(mode="json")), flat_settings(given.model_dump(mode="json"))
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    changed = [key for key in changed if not key.startswith(FREE_ON_RESUME)]
    if changed:
        changes = "; ".join(f"{key} was {before.get(key)!r} and is {now.get(key)!r}" for key in changed[:3])
        raise ConfigError(
            f"the run was started with another config: {changes}; resume without the change, or start anew"
        )


def identity_of(folder: Path) -> dict[str, str]:
    """What marks a run and all its checkpoints: run, config, data, split, seed; settings that may change left out.

    RunError where the facts of the run are gone.
    """
    facts, experiment = read_facts(folder), read_config(folder)
    settings = flat_settings(experiment.model_dump(mode="json"))
    firm = {key: value for key, value in sorted(settings.items()) if not key.startswith(FREE_ON_RESUME)}
    return {
        "run": facts["version"],
        "config": hashlib.sha256(json.dumps(firm, sort_keys=True).encode()).hexdigest()[:16],
        "split": str(facts.get("split_fingerprint")),
        "data": str(facts.get("data_fingerprint")),
        "seed": str(experiment.seed),
    }


def flat_settings(data: Any, at: str = "") -> dict[str, Any]:
    """Nested settings under dotted keys, such as ``training.epochs``."""
    if not isinstance(data, dict) or not data:
        return {at: data}
    parts = (flat_settings(part, f"{at}.{name}".lstrip(".")) for name, part in data.items())
    return {key: value for part in parts for key, value in part.items()}


def write_start(folder: Path, experiment: Experiment, facts: dict[str, Any]) -> None:
    """Write config and facts of a run that begins."""
    atomic_write_text(folder / FACTS, json.dumps(facts, indent=2, default=str) + "\n")
    dump_experiment(experiment, folder / CONFIG)


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts of a run; RunError where they are gone, or do not name the model that the run makes."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        named = all(RUN_NAME.fullmatch(facts[key]) for key in ("name", "version", "kind"))
    except (OSError, ValueError, KeyError, TypeError):
        named = False
    if not named:
        raise RunError(f"{folder} has no readable {FACTS}, so it cannot be resumed; start a new run")
    return dict(facts)


def model_of_run(folder: Path) -> Path | None:
    """The folder of the model that a run made, also where run and model were moved together; None where there is none.

    RunError where the facts of the run are gone.
    """
    stated = read_facts(folder).get("model")
    if not stated:
        return None
    path = Path(str(stated))
    beside = folder.parent.parent / "final" / path.parent.name / path.name
    return next((one for one in (beside, path) if one.is_dir()), None)


def add_facts(folder: Path, **facts: Any) -> None:
    atomic_write_text(folder / FACTS, json.dumps({**read_facts(folder), **facts}, indent=2, default=str) + "\n")


def versions() -> dict[str, str]:
    """Versions of Python, the system and the libraries that shape a run."""
    found = {"python": platform.python_version(), "system": platform.platform(terse=True)}
    for name in ("lopore-core", "numpy", "opencv-python-headless"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def git_commit() -> str:
    """The commit of the working directory, marked where files were changed; empty where there is none."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], capture_output=True, text=True, timeout=5, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("-changed" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return ""
