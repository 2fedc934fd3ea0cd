"""What hears of a training run: loggers, trackers, messages. It is told facts and changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from .field_rules import check_fields, check_parameters
from .params import Params


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """A run, or one fold of a cross-validation, before its first epoch or after it was resumed.

    run: its name, of a fold ``RUN/fold-1``. version: the same for all parts of a resumed run, another for any other.
    folder: where it keeps its files; a callback may keep its own there. experiment: the name of the model.
    epochs_done: 0, or of a resumed run the epoch it goes on after. images: how many it learns from.
    settings: the whole config under dotted keys such as ``training.epochs``. versions: of libraries.
    """

    run: str
    version: str
    folder: Path
    experiment: str
    epochs: int
    epochs_done: int
    images: int
    classes: tuple[str, ...]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class EpochEnded:
    """An epoch, counted from 1, whose checkpoint is written.

    figures: ``loss``, ``learning_rate``, ``images``, ``seconds``, ``data_wait_seconds`` and, where there are validation
    images, ``val_auc``, ``val_f1``, ``val_loss``, of segmentation also ``val_dice``, ``val_iou``, ``val_hits``; what is
    not defined is left out. best: its weights are the best so far.
    """

    epoch: int
    figures: Mapping[str, float]
    best: bool


@dataclass(frozen=True, kw_only=True)
class RunEnded:
    """The end of a run. scores: on films that it did not learn from, by the names that records keep.

    state: ``failed`` with the reason in one line; ``interrupted`` by Ctrl-C. model: the published folder, if any.
    """

    state: Literal["finished", "interrupted", "failed"]
    reason: str = ""
    model: Path | None = None
    scores: Mapping[str, float]


RunEvent: TypeAlias = EpochEnded | RunEnded
"""What a listener hears."""

Listener: TypeAlias = Callable[[RunEvent], None]
"""What ``Callback.listen`` gives: called with each event of one run."""


@dataclass(frozen=True, kw_only=True)
class Callback:
    """Hears of a training run. ``training.callbacks`` of a config names it, with its parameters.

    params: every field has a default. A callback sends nothing out of the machine unless a parameter says where to.
    listen: ``(RunStarted, params) -> listener``; the listener is called after each epoch and once at the end, in the
        process that writes. Whatever it raises is told and ends its listening, never the run.
    needs: modules that it imports; a run that names it is refused before its first epoch where one is missing.
    install: what brings them, such as ``lopore-core[mlflow]``.
    """

    name: str
    summary: str
    params: type[Params]
    listen: Callable[[RunStarted, Any], Listener]
    needs: tuple[str, ...] = ()
    install: str = ""

    def __post_init__(self) -> None:
        check_fields(self)
        check_parameters(f"Callback '{self.name}'", self.params)

    @property
    def key(self) -> str:
        return self.name
