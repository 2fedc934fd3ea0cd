"""What a framework that trains offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lopore.arrays import Framework, NamedWeights

from .field_rules import check_fields
from .learner import Learner, LearnRequest

if TYPE_CHECKING:
    from lopore.record.folder import ModelFolder
    from lopore.record.model import ModelRecord


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """A framework that trains. ``native_format`` is the format its ``publish`` writes, such as ``pth``."""

    framework: Framework
    summary: str
    tasks: tuple[str, ...]
    native_format: str
    devices: Callable[[], Sequence[str]]
    learner: Callable[[LearnRequest], Learner]
    process_rank: Callable[[], tuple[int, int]] = lambda: (0, 1)
    """(rank, world): which process of a launched group this is; core gives each its share of every batch."""
    export_weights: Callable[[ModelFolder], NamedWeights] | None = None
    """For ``lopore convert`` and ``model.start_from``: the weights of a checked model folder, of a U-Net with its
    decoder; ModelError or ConfigError where the network has names of its own."""
    import_weights: Callable[[ModelRecord, NamedWeights, Path], Sequence[str]] | None = None
    """For ``lopore convert``: write another framework's weights as this one's native file into the folder; returns the
    file names, the native one first. ModelError or ConfigError where there is no such network or they do not fit."""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def key(self) -> str:
        return self.framework
