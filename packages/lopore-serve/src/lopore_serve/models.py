"""The models that a service answers with: found, opened once, made ready, stopped."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from lopore.errors import LoporeError, ModelError
from lopore.messages import did_you_mean, plain
from lopore.models.catalogue import find_models, locate_model
from lopore.models.opening import open_model
from lopore.record.folder import ModelFolder

from .batching import ModelWorker
from .measures import Measures
from .settings import ServiceSettings


class ModelPool:
    """Workers by model name, each opened at the start; one that cannot be opened becomes a problem, no more."""

    def __init__(self, settings: ServiceSettings, measures: Measures) -> None:
        self.problems: dict[str, str] = {}
        self._workers: dict[str, ModelWorker] = {}
        self._settings, self._measures = settings, measures
        self._opened = threading.Event()

    def open_all(self) -> None:
        """Open every model and answer one made image with each. ModelError where none could be opened."""
        for folder in self._chosen():
            try:
                opened = open_model(folder, device=self._settings.device, threads=self._settings.threads)
                worker = ModelWorker(opened, self._settings.queue, self._measures)
                worker.warm()
                self._workers[folder.record.name] = worker
            except LoporeError as error:
                self.problems[folder.title] = str(error)
        self._opened.set()
        if not self._workers:
            why = next(iter(self.problems.values()), "no model was found; train one, or name it with --model")
            raise ModelError(f"nothing to serve: {why}")

    def _chosen(self) -> Iterator[ModelFolder]:
        """The models that were named, else the newest version of each that is found."""
        if self._settings.models:
            yield from (locate_model(name) for name in self._settings.models)
            return
        found = [item for item in find_models() if isinstance(item, ModelFolder)]
        for name in sorted({item.record.name for item in found}):
            yield locate_model(name)

    @property
    def ready(self) -> bool:
        """Every model has answered once."""
        return self._opened.is_set() and bool(self._workers) and all(one.ready for one in self._workers.values())

    @property
    def workers(self) -> Mapping[str, ModelWorker]:
        """Workers by name."""
        return self._workers

    def worker(self, name: str | None, version: str | None = None) -> ModelWorker:
        """The worker of a model; without a name the only one. ModelError lists what is served."""
        if name is None and len(self._workers) == 1:
            return next(iter(self._workers.values()))
        found = self._workers.get(name or "")
        if found is None:
            have = f"{', '.join(sorted(self._workers)) or 'none'}{did_you_mean(name or '', self._workers)}"
            asked = f"no model '{plain(name, 60)}' is served" if name else "name a model"
            raise ModelError(f"{asked}; served are {have}")
        if version and version != Path(found.model.folder.title).name:
            raise ModelError(f"{name} is served as {found.model.folder.title}, not as version {plain(version, 60)}")
        return found

    def stop(self) -> None:
        """Finish what runs and close all sessions."""
        for worker in self._workers.values():
            worker.stop()
