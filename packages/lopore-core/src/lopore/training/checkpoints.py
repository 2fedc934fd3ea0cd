"""Checkpoints that are whole or not there, and the way back to the last good one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lopore.atomic_files import atomic_folder, atomic_write_text, sha256_of, sync_folder
from lopore.contracts import Learner
from lopore.errors import ModelError, RunError
from lopore.messages import plain

STATE, SUMS = "run-state.json", "sha256.json"
_NAME = re.compile(r"epoch-(\d{4,6})")


class State(BaseModel):
    """What core remembers of a run after ``epoch`` finished epochs; the framework's part lies beside it.

    best_score, best_loss: of the epoch that is kept. reference, stale: what early stopping measures against, and how
    many epochs have not passed it. history: one row of the training log an epoch.
    """

    model_config = ConfigDict(extra="forbid")

    epoch: int = Field(0, ge=0)
    best_epoch: int = Field(0, ge=0)
    best_score: float | None = None
    best_loss: float | None = None
    reference: float | None = None
    stale: int = Field(0, ge=0)
    stopped: bool = False
    history: list[dict[str, Any]] = Field(default_factory=list)


@dataclass
class Checkpoints:
    """Checkpoints ``epoch-0007`` of a run and its best weights under ``best/epoch-0007``.

    keep: how many of the newest stay; best weights stay as long as a kept checkpoint names them. identity: what marks
    the run (run, config, data, split, seed), written beside the sums and compared on resuming; None compares nothing.
    """

    folder: Path
    keep: int = 2
    identity: Mapping[str, str] | None = None
    notes: list[str] = field(default_factory=list)

    def path_for(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:04d}"

    def best_place(self, epoch: int) -> Path:
        return self.folder / "best" / f"epoch-{epoch:04d}"

    def epochs(self) -> list[int]:
        """Epochs that have a checkpoint, newest first."""
        found = [_NAME.fullmatch(item.name) for item in self.folder.glob("epoch-*") if item.is_dir()]
        return sorted((int(match[1]) for match in found if match), reverse=True)

    def save(self, learner: Learner, state: State) -> Path:
        """Write the checkpoint of ``state.epoch``; then drop the oldest."""
        target = self.path_for(state.epoch)
        _remove(target)
        with atomic_folder(target) as folder:
            learner.save(folder)
            atomic_write_text(folder / STATE, state.model_dump_json() + "\n")
            _write_sums(folder, self.identity)
        self._prune()
        return target

    def save_best(self, learner: Learner, epoch: int) -> Path:
        """Write the weights of an epoch as the best so far, before the checkpoint that names them."""
        target = self.best_place(epoch)
        _remove(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with atomic_folder(target) as folder:
            learner.save_weights(folder)
            _write_sums(folder, self.identity)
        return target

    def last_good(self) -> tuple[State, Path] | None:
        """The newest checkpoint whose files are all as they were written; ``notes`` names those passed over.

        RunError where a whole one was written by another run: it is not this run's to go on with, nor to remove.
        """
        for epoch in self.epochs():
            folder = self.path_for(epoch)
            reason = damage(folder)
            if not reason:
                self._refuse_foreign(folder)
                try:
                    state = State.model_validate_json((folder / STATE).read_bytes())
                except (OSError, ValidationError):
                    reason = f"{STATE} is not readable"
            if not reason and state.best_epoch:
                reason = damage(self.best_place(state.best_epoch))
            if not reason and state.epoch == epoch:
                if state.best_epoch:
                    self._refuse_foreign(self.best_place(state.best_epoch))
                return state, folder
            why = reason or "another epoch inside"
            self.notes.append(f"checkpoint {folder} is damaged ({why}); going back to the one before")
        return None

    def _refuse_foreign(self, folder: Path) -> None:
        if self.identity is None:
            return
        theirs = _read_sums(folder).get("run") or {}
        other = next((name for name in reversed(list(self.identity)) if theirs.get(name) != self.identity[name]), None)
        if other is not None:
            raise RunError(
                f"{folder} was written by another run: its {other} is {plain(str(theirs.get(other)), 40)}, "
                f"this run's is {plain(self.identity[other], 40)}; move it out of {self.folder} and resume again"
            )

    def discard_after(self, epoch: int) -> None:
        """Remove checkpoints and best weights of later epochs, which will be made again, and what a crash left over."""
        for left in (*self.folder.glob(".epoch-*"), *(self.folder / "best").glob(".epoch-*")):
            shutil.rmtree(left, ignore_errors=True)
        for later in self.epochs():
            if later > epoch:
                _remove(self.path_for(later))
        for item in (self.folder / "best").glob("epoch-*"):
            match = _NAME.fullmatch(item.name)
            if match and int(match[1]) > epoch:
                _remove(item)

    def clear(self) -> None:
        """Remove all checkpoints and best weights of a run that has been answered for."""
        self.discard_after(-1)

    def load_best(self, learner: Learner, epoch: int) -> None:
        """Give the learner the best weights; RunError where they are damaged."""
        folder = self.best_place(epoch)
        reason = damage(folder)
        if reason:
            raise RunError(f"the best weights in {folder} are damaged ({reason}); resume the run to make them again")
        learner.load_weights(folder)

    def _prune(self) -> None:
        epochs = self.epochs()
        for old in epochs[self.keep :]:
            _remove(self.path_for(old))
        named = {self._best_of(epoch) for epoch in epochs[: self.keep]}
        for item in (self.folder / "best").glob("epoch-*"):
            match = _NAME.fullmatch(item.name)
            if match and int(match[1]) not in named:
                _remove(item)

    def _best_of(self, epoch: int) -> int:
        try:
            return int(json.loads((self.path_for(epoch) / STATE).read_text(encoding="utf-8"))["best_epoch"])
        except (OSError, ValueError, KeyError, TypeError):
            return -1


def restore(learner: Learner, folder: Path) -> None:
    """Give a learner the full state back; RunError in one line where it does not take it."""
    try:
        learner.restore(folder)
    except ModelError as error:
        raise RunError(f"{folder} cannot be resumed: {error}") from error


def _write_sums(folder: Path, identity: Mapping[str, str] | None) -> None:
    files = sorted(item for item in folder.rglob("*") if item.is_file())
    sums = {item.relative_to(folder).as_posix(): sha256_of(item) for item in files}
    atomic_write_text(folder / SUMS, json.dumps({"run": dict(identity or {}), "files": sums}, indent=1) + "\n")


def _read_sums(folder: Path) -> dict[str, dict[str, str]]:
    """``run`` and ``files`` of a folder's list; OSError or ValueError where there is none."""
    found = json.loads((folder / SUMS).read_text(encoding="utf-8"))
    if not isinstance(found, dict) or not isinstance(found.get("files"), dict):
        raise ValueError("no list of files")
    return found


def damage(folder: Path) -> str:
    """What is wrong with a folder written by this module; empty where every file is as it was written."""
    try:
        for name, wanted in _read_sums(folder)["files"].items():
            if sha256_of(folder / name) != wanted:
                return f"{name} was changed"
    except (OSError, ValueError, AttributeError) as error:
        if isinstance(error, OSError):
            return f"{Path(str(error.filename)).name}: {error.strerror}"
        return f"{SUMS} is no list"
    return ""


def _remove(folder: Path) -> None:
    """Take a folder away at once: it is renamed first, so that a crash in between leaves no half checkpoint."""
    if not folder.exists():
        return
    away = folder.with_name(f".{folder.name}.gone")
    shutil.rmtree(away, ignore_errors=True)
    folder.rename(away)
    sync_folder(folder.parent)
    shutil.rmtree(away, ignore_errors=True)
