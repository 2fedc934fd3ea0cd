"""What every callback promises: it hears any run to its end, keeps to its own files and sends nothing by default."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lopore.atomic_files import sha256_of
from lopore.contracts import Callback as Entry
from lopore.contracts import EpochEnded, RunEnded, RunEvent, RunStarted

from .check import NotJudged, require
from .process import leaves_all

CallbackCheck = Callable[[Entry], None]
FIGURES = {"loss": 0.7, "learning_rate": 1e-3, "images": 8.0, "seconds": 1.5, "data_wait_seconds": 0.0}
VALIDATED = {**FIGURES, "val_auc": 0.8, "val_f1": 0.5, "val_loss": 0.6}
SCORES = {"roc_auc": 0.8, "recall/lack_of_penetration": 0.5}


def checks() -> Iterator[CallbackCheck]:
    """The promises of a callback."""
    yield from (
        hears_a_run_to_its_end,
        hears_a_run_that_fails_without_validation,
        goes_on_with_a_resumed_run,
        leaves_the_files_of_the_run_alone,
        sends_nothing_out_by_default,
        leaves_the_process_as_it_was,
    )


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A run's folder with a log in it, below an empty working directory."""
    with tempfile.TemporaryDirectory(prefix="lopore-check-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve() / "models" / "checkpoints" / "run"
        folder.mkdir(parents=True)
        (folder / "training_log.csv").write_text("epoch,loss\n1,0.7\n", encoding="utf-8")
        (folder / "config.yaml").write_text("name: check\n", encoding="utf-8")
        with contextlib.chdir(name):
            yield folder


def _start(folder: Path, epochs_done: int = 0) -> RunStarted:
    settings: Mapping[str, Any] = {"name": "check", "seed": 0, "training.epochs": 2, "model.start_from": None}
    return RunStarted(
        run="run",
        version="20260101-000000-abcd",
        folder=folder,
        experiment="check",
        epochs=2,
        epochs_done=epochs_done,
        images=8,
        classes=("no_defect", "pore"),
        settings=MappingProxyType({**settings, "data.exclude": ["a+b"]}),
        versions=MappingProxyType({"python": "3.11"}),
    )


def _epoch(number: int, figures: Mapping[str, float] = VALIDATED) -> EpochEnded:
    return EpochEnded(epoch=number, figures=MappingProxyType(dict(figures)), best=number == 1)


def _hear(callback: Entry, start: RunStarted, *events: RunEvent) -> None:
    absent = [module for module in callback.needs if find_spec(module.partition(".")[0]) is None]
    if absent:
        raise NotJudged(f"{', '.join(absent)} is not installed")
    listener: Any = callback.listen(start, callback.params())
    require(callable(listener), f"listen gave {type(listener).__name__}, not a function that hears events")
    for event in events:
        listener(event)


def _run_to_the_end(callback: Entry, folder: Path) -> None:
    ended = RunEnded(state="finished", model=folder, scores=MappingProxyType(SCORES))
    _hear(callback, _start(folder), _epoch(1), _epoch(2), ended)


def _quietly(callback: Entry, folder: Path) -> None:
    """A whole run; what it raises is the matter of other promises."""
    try:
        _run_to_the_end(callback, folder)
    except NotJudged:
        raise
    except Exception:
        return


def hears_a_run_to_its_end(callback: Entry) -> None:
    """It hears two epochs and the end of a run with a published model, with default parameters."""
    with _folder() as folder:
        _run_to_the_end(callback, folder)


def hears_a_run_that_fails_without_validation(callback: Entry) -> None:
    """A run without validation figures that fails is heard as well."""
    with _folder() as folder:
        ended = RunEnded(state="failed", reason="the disk is full", scores=MappingProxyType({}))
        _hear(callback, _start(folder), _epoch(1, FIGURES), ended)


def goes_on_with_a_resumed_run(callback: Entry) -> None:
    """A run that was interrupted after an epoch is heard again from there."""
    with _folder() as folder:
        with contextlib.suppress(Exception):
            stopped = RunEnded(state="interrupted", scores=MappingProxyType({}))
            _hear(callback, _start(folder), _epoch(1), stopped)
        _hear(callback, _start(folder, 1), _epoch(2), RunEnded(state="interrupted", scores=MappingProxyType({})))


def leaves_the_files_of_the_run_alone(callback: Entry) -> None:
    """Files that the run wrote into its folder are as they were."""
    with _folder() as folder:
        before = {path.name: sha256_of(path) for path in folder.iterdir()}
        _quietly(callback, folder)
        changed = [name for name in before if not (folder / name).is_file() or sha256_of(folder / name) != before[name]]
        require(not changed, f"it changed or removed {', '.join(changed)}, which the run wrote")


def sends_nothing_out_by_default(callback: Entry) -> None:
    """With default parameters this process connects to no other machine; it is not let out while this is tried."""
    asked: list[str] = []

    def refused(one: socket.socket, address: Any) -> Any:
        if one.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(("127.", "::1")):
            asked.append(str(address[0]))
            raise OSError("no way out during this check")
        return connect(one, address)

    connect = socket.socket.connect
    socket.socket.connect = refused  # type: ignore[assignment, method-assign]
    try:
        with _folder() as folder:
            _quietly(callback, folder)
    finally:
        socket.socket.connect = connect  # type: ignore[method-assign]
    require(not asked, f"it connected to {', '.join(dict.fromkeys(asked))}; only a parameter may say so")


def leaves_the_process_as_it_was(callback: Entry) -> None:
    """Random states, directory, locale, library settings and threads are the same afterwards."""
    with _folder() as folder:
        leaves_all(lambda: _quietly(callback, folder))
