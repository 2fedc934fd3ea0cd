"""The callbacks of a run: chosen by its config, told what happens, and left out once one fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from pydantic import ValidationError

from lopore.config.experiment import Experiment
from lopore.contracts import Callback, EpochEnded, Listener, Params, RunEnded, RunEvent, RunStarted
from lopore.errors import ConfigError, LoporeError, PluginError
from lopore.messages import plain
from lopore.plugins.registry import call_entry, discover
from lopore.progress import Progress
from lopore.record.interval import Interval
from lopore.validation import explain_validation

from .plan import Plan, Rows, samples_per_epoch
from .run_folder import flat_settings, read_facts, versions

DEFAULT = "tensorboard"
"""Used where a config names no callbacks and its library is installed."""


@dataclass(frozen=True)
class Chosen:
    """A callback with its parameters and its owner."""

    callback: Callback
    params: Params
    source: str


def chosen_callbacks(experiment: Experiment) -> tuple[Chosen, ...]:
    """What ``training.callbacks`` names; ConfigError or PluginError in one line for what cannot be used here."""
    named = experiment.training.callbacks
    if named is None:
        known = discover().callbacks
        return (_chosen({"name": DEFAULT}),) if DEFAULT in known and not _missing(known[DEFAULT]) else ()
    return tuple(_chosen({"name": item} if isinstance(item, str) else dict(item)) for item in named)


def _missing(callback: Callback) -> list[str]:
    return [module for module in callback.needs if find_spec(module.partition(".")[0]) is None]


def _chosen(data: dict[str, Any]) -> Chosen:
    name, entries = data.pop("name", None), discover().callbacks
    if not isinstance(name, str):
        raise ConfigError("an entry of training.callbacks has no name; write {name: csv, path: runs.csv}, or csv alone")
    callback = entries[name]
    if missing := _missing(callback):
        way = f'pip install "{callback.install}"' if callback.install else "install it"
        raise PluginError(f"callback '{name}' needs {', '.join(missing)}: {way}, or leave it out of training.callbacks")
    try:
        return Chosen(callback, callback.params.model_validate(data), entries.sources[name])
    except ValidationError as error:
        message = explain_validation(error, callback.params)
        raise ConfigError(f"training.callbacks {plain(name, 60)}: {message}") from None


@dataclass
class Listeners:
    """Tells the chosen callbacks of one run or fold; one that fails is named in a warning and hears no more.

    title: the run's name, of a fold with ``/fold-N``. Nothing is told where ``writes`` is False.
    """

    plan: Plan
    run: Path
    folder: Path
    title: str
    progress: Progress
    writes: bool = True
    _open: list[tuple[Chosen, Listener]] = field(default_factory=list)

    def start(self, train: Rows, epochs_done: int) -> None:
        """Before the first epoch of this process."""
        if not self.writes:
            return
        experiment = self.plan.experiment
        started = RunStarted(
            run=self.title,
            version=str(read_facts(self.run)["version"]),
            folder=self.folder,
            experiment=experiment.name,
            epochs=experiment.training.epochs,
            epochs_done=epochs_done,
            images=samples_per_epoch(self.plan, train),
            classes=self.plan.targets.classes,
            settings=MappingProxyType(flat_settings(experiment.model_dump(mode="json"))),
            versions=MappingProxyType(versions()),
        )
        for one in chosen_callbacks(experiment):
            self._guarded(one, partial(self._begin, one, started))

    def _begin(self, one: Chosen, started: RunStarted) -> None:
        listener = one.callback.listen(started, one.params)
        if not callable(listener):
            raise TypeError(f"listen gave {type(listener).__name__}, not a function that hears events")
        self._open.append((one, listener))

    def epoch(self, row: Mapping[str, Any]) -> None:
        """After an epoch whose row of the log is ``row``."""
        found = {key: float(value) for key, value in row.items() if key not in ("epoch", "best") and value is not None}
        self._notify(EpochEnded(epoch=int(row["epoch"]), figures=MappingProxyType(found), best=bool(row["best"])))

    def finished(self, model: Path | None = None, scores: Mapping[str, Interval] | None = None) -> None:
        """At the end of a run that was not broken off."""
        known = {name: one.value for name, one in (scores or {}).items() if one.value is not None}
        self._end("finished", model=model, scores=known)

    def _end(
        self, state: Literal["finished", "interrupted", "failed"], reason: str = "", model: Path | None = None,
        scores: Mapping[str, float] | None = None,
    ) -> None:  # fmt: skip
        self._notify(RunEnded(state=state, reason=reason, model=model, scores=MappingProxyType(dict(scores or {}))))
        self._open.clear()

    def _notify(self, event: RunEvent) -> None:
        for one, listener in tuple(self._open):
            if not self._guarded(one, partial(listener, event)):
                self._open.remove((one, listener))

    def _guarded(self, one: Chosen, work: Any) -> bool:
        try:
            call_entry("callback", one.callback.key, one.source, work)
        except LoporeError as error:
            self.progress.line(f"warning: {error}; it hears no more of this run, which goes on")
            return False
        return True


@contextmanager
def listening(listeners: Listeners) -> Iterator[Listeners]:
    """The listeners hear how it ends, whatever happens inside."""
    try:
        yield listeners
    except KeyboardInterrupt:
        listeners._end("interrupted")
        raise
    except Exception as error:
        listeners._end("failed", " ".join(str(error).split())[:500])
        raise
    listeners.finished()
