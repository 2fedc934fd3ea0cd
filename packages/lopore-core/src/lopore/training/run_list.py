"""Runs and models side by side: the settings that differ between them, and their scores with intervals."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lopore.config.yaml_loader import load_yaml
from lopore.errors import ConfigError, ModelError, RunError
from lopore.messages import did_you_mean, plain
from lopore.models.best import rank_of, validation_score
from lopore.models.catalogue import find_models, model_roots
from lopore.record.folder import CONFIG_NAME, LOG_NAME, ModelFolder
from lopore.record.interval import Interval

from .run_folder import flat_settings, model_of_run, read_facts

NO_SETTINGS = ("name", "data.cache_mb", "data.workers", "training.keep_checkpoints")
"""Keys of a config that say nothing of a model."""


@dataclass(frozen=True)
class RunEntry:
    """One run, or one model whose run is not here.

    name: of the run's folder, or the model's NAME/VERSION. state: ``finished``, or how far it is. model: NAME/VERSION
    where one was published. settings: the config under dotted keys. validation: name and value of the score that the
    kept epoch had. split: what ``scores`` stand on. leaks: pairs that train and test share.
    """

    name: str
    experiment: str
    kind: str
    state: str
    started: str
    folder: Path
    model: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    validation: tuple[str, float] | None = None
    split: str = ""
    scores: Mapping[str, Interval] = field(default_factory=dict)
    leaks: int = 0
    films: tuple[str, str] = ("", "")
    """Fingerprints of data and split: scores of entries that share them stand on the same films."""

    def as_data(self) -> dict[str, Any]:
        """For JSON."""
        data = asdict(self)
        scores = {name: score.model_dump() for name, score in self.scores.items()}
        validation = dict([self.validation]) if self.validation else None
        return {**data, "folder": str(self.folder), "scores": scores, "validation": validation}

    def value(self, key: str) -> float | str | None:
        """What a list is sorted by: ``validation``, ``started``, a score or a setting."""
        if key == "validation":
            return rank_of(*self.validation) if self.validation else None
        if key == "started":
            return self.started
        if key in self.scores:
            return self.scores[key].value
        found = self.settings.get(key)
        return found if found is None or isinstance(found, int | float) else str(found)


def list_runs(out: Path = Path("models")) -> tuple[list[RunEntry], list[str]]:
    """Every run below ``out/checkpoints`` and every model that no such run made, oldest first.

    Also returns a line for each folder that cannot be read.
    """
    entries, problems, made = [], [], set()
    for config in sorted((out / "checkpoints").glob(f"*/{CONFIG_NAME}")):
        try:
            entry, model = _run(config.parent)
        except (RunError, ConfigError, ModelError, OSError) as error:
            problems.append(str(error))
            continue
        entries.append(entry)
        made.add(model)
    roots = [*dict.fromkeys([out / "final", *model_roots()])]
    for found in find_models(roots):
        if not isinstance(found, ModelFolder):
            problems.append(found.reason)
        elif found.path.resolve() not in made:
            entries.append(_model(found))
    return sorted(entries, key=lambda one: one.started), problems


def _settings(folder: Path) -> dict[str, Any]:
    data = load_yaml(folder / CONFIG_NAME) if (folder / CONFIG_NAME).is_file() else {}
    flat = flat_settings(data) if isinstance(data, dict) else {}
    return {key: value for key, value in flat.items() if key and key not in NO_SETTINGS}


def _run(folder: Path) -> tuple[RunEntry, Path | None]:
    """The entry of a run's folder, and where its model lies."""
    facts, settings = read_facts(folder), _settings(folder)
    crossed = facts["kind"] == "cross-validation"
    path = model_of_run(folder)
    model = ModelFolder.read(path) if path is not None else None
    scores, split = _pooled(folder) if crossed else ({}, "")
    if model is not None:
        scores, split = model.record.metrics, model.record.metrics_split
    done = bool(scores) if crossed else bool(facts.get("finished"))
    entry = RunEntry(
        name=folder.name,
        experiment=facts["name"],
        kind=facts["kind"],
        state="finished" if done else _progress(folder, settings),
        started=str(facts.get("started", "")),
        folder=folder,
        model=model.title if model else "",
        settings=settings,
        validation=None if crossed else validation_score(folder),
        split=split,
        scores=scores,
        leaks=int((facts.get("leaks") or {}).get("leaks", 0)),
        films=(str(facts.get("data_fingerprint", "")), str(facts.get("split_fingerprint", ""))),
    )
    return entry, model.path.resolve() if model else None


def _progress(folder: Path, settings: Mapping[str, Any]) -> str:
    try:
        lines = (folder / LOG_NAME).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    return f"epoch {max(0, len(lines) - 1)} of {settings.get('training.epochs', '?')}"


def _pooled(folder: Path) -> tuple[dict[str, Interval], str]:
    """Scores of a finished cross-validation; empty where it goes on."""
    try:
        report = json.loads((folder / "cross-validation" / "metrics.json").read_text(encoding="utf-8"))["pooled"]
        return {name: Interval.model_validate(one) for name, one in report["overall"].items()}, str(report["split"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError):
        return {}, ""


def _model(folder: ModelFolder) -> RunEntry:
    record = folder.record
    try:
        settings = _settings(folder.path)
    except ConfigError:
        settings = {}
    return RunEntry(
        name=folder.title,
        experiment=record.name,
        kind="model",
        state="finished",
        started=record.created,
        folder=folder.path,
        model=folder.title,
        settings=settings,
        validation=validation_score(folder.path),
        split=record.metrics_split,
        scores=record.metrics,
        leaks=record.leaks.leaks,
        films=(record.data_fingerprint, record.split_fingerprint),
    )


def select(entries: Sequence[RunEntry], pattern: str) -> list[RunEntry]:
    """Those whose run, model or experiment is named so; ``*`` and ``?`` stand for anything. RunError for none."""
    found = [
        one for one in entries if any(fnmatchcase(name, pattern) for name in (one.name, one.model, one.experiment))
    ]
    if not found:
        names = [name for one in entries for name in (one.name, one.model, one.experiment) if name]
        have = ", ".join(one.name for one in entries[-5:]) or "none"
        raise RunError(
            f"no run or model {plain(pattern, 80)!r}; there are {have}{did_you_mean(pattern, names, most=1)}"
        )
    return found


def differing_settings(entries: Iterable[RunEntry]) -> list[str]:
    """Keys of the config whose values are not the same in all entries; entries without a config count not."""
    with_config = [one.settings for one in entries if one.settings]
    keys = dict.fromkeys(key for settings in with_config for key in settings)
    return [key for key in keys if len({repr(settings.get(key)) for settings in with_config}) > 1]


def sort_runs(entries: Sequence[RunEntry], key: str) -> list[RunEntry]:
    """Highest first for scores and numbers, those without a value last; ``started``: oldest first.

    ConfigError for a key that no entry has.
    """
    having = [one for one in entries if one.value(key) is not None]
    if entries and not having:
        known = ["started", "validation", *dict.fromkeys(k for one in entries for k in (*one.scores, *one.settings))]
        near = did_you_mean(key, known) or f"; such as {', '.join(known[:8])}"
        raise ConfigError(f"nothing here has a value of {plain(key, 60)!r} to sort by{near}")
    numbers = [one for one in having if isinstance(one.value(key), int | float)]
    texts = [one for one in having if one not in numbers]
    lacking = [one for one in entries if one not in having]
    ordered = sorted(numbers, key=lambda one: float(one.value(key) or 0.0), reverse=True)
    return [*ordered, *sorted(texts, key=lambda one: str(one.value(key))), *lacking]
