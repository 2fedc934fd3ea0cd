"""A learner, watched: its errors carry its owner, and what it gives is what the contract says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lopore.arrays import Scores
from lopore.contracts import Batch, EpochReport, Learner, MapLearner, Trainer
from lopore.errors import PluginError
from lopore.record.score_calibration import ScoreCalibration

from .registry import call_entry, discover

T = TypeVar("T")


def guarded(learner: Learner, trainer: Trainer, classes: int) -> Learner:
    """The learner behind ``GuardedLearner``, whoever made it."""
    source = discover().trainers.sources[trainer.key]
    kind = GuardedMapLearner if isinstance(learner, MapLearner) else GuardedLearner
    return kind(learner, trainer.key, source, classes)


def process_rank_of(trainer: Trainer) -> tuple[int, int]:
    """(rank, world) of this process; PluginError where the trainer cannot tell."""
    source = discover().trainers.sources.get(trainer.key, "lopore")

    def ask() -> tuple[int, int]:
        rank, world = trainer.process_rank()
        return int(rank), int(world)

    return call_entry("trainer", trainer.key, source, ask)


class Fed:
    """Batches on their way to a learner: counts images, and tells lopore's own errors from the plugin's."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches, self.images = batches, 0
        self.error: BaseException | None = None

    def __iter__(self) -> Iterator[Batch]:
        try:
            for batch in self._batches:
                self.images += len(batch.pixels)
                yield batch
        except GeneratorExit:
            raise
        except BaseException as error:
            self.error = error
            raise


class GuardedLearner:
    """A Learner that raises PluginError, naming trainer and owner, for whatever its methods do wrong."""

    def __init__(self, learner: Learner, key: str, source: str, classes: int) -> None:
        self._learner, self._key, self._source, self._classes = learner, key, source, classes

    def _call(self, work: Callable[[], T]) -> T:
        return call_entry("trainer", self._key, self._source, work)

    def _require(self, holds: bool, text: str) -> None:
        if not holds:
            raise PluginError(f"trainer '{self._key}' of {self._source}: {text}; tell its author")

    def _with(self, fed: Fed, work: Callable[[Fed], T]) -> T:
        try:
            return self._call(lambda: work(fed))
        except PluginError:
            if fed.error is not None:
                raise fed.error from None
            raise

    def facts(self) -> Mapping[str, Any]:
        facts = self._call(lambda: dict(self._learner.facts()))
        self._require({"mean", "std"} <= facts.keys(), "facts() lacks mean or std")
        return facts

    def fit_epoch(self, epoch: int, batches: Iterable[Batch]) -> EpochReport:
        report = self._with(Fed(batches), lambda fed: self._learner.fit_epoch(epoch, fed))
        self._require(isinstance(report, EpochReport), f"fit_epoch gave {type(report).__name__}, not an EpochReport")
        return report

    def predict(self, batches: Iterable[Batch]) -> Scores:
        fed = Fed(batches)
        scores = self._with(fed, lambda given: np.asarray(self._learner.predict(given), np.float32))
        expected = (fed.images, self._classes)
        self._require(scores.shape == expected, f"predict gave scores {scores.shape}, not {expected}")
        return scores

    def observe(self, score: float) -> None:
        self._call(partial(self._learner.observe, score))

    def save(self, folder: Path) -> None:
        self._call(partial(self._learner.save, folder))

    def restore(self, folder: Path) -> None:
        self._call(partial(self._learner.restore, folder))

    def save_weights(self, folder: Path) -> None:
        self._call(partial(self._learner.save_weights, folder))

    def load_weights(self, folder: Path) -> None:
        self._call(partial(self._learner.load_weights, folder))

    def publish(self, folder: Path, calibration: ScoreCalibration | None = None) -> Sequence[str]:
        names = self._call(lambda: list(self._learner.publish(folder, calibration)))
        inside = [isinstance(name, str) and _is_inside(folder, folder / name) for name in names]
        self._require(bool(names) and all(inside), f"publish named {names!r}; it names files that it wrote")
        return names


class GuardedMapLearner(GuardedLearner):
    """A ``MapLearner``, watched."""

    def segment(self, batches: Iterable[Batch]) -> Iterator[NDArray[np.float32]]:
        for batch in batches:
            drawn = self._call(partial(self._segment_one, batch))
            expected = (len(batch.pixels), self._classes)
            self._require(drawn.ndim == 4 and drawn.shape[:2] == expected, f"segment gave maps {drawn.shape}")
            yield drawn

    def _segment_one(self, batch: Batch) -> NDArray[np.float32]:
        learner = self._learner
        assert isinstance(learner, MapLearner)
        return np.concatenate([np.asarray(maps, np.float32) for maps in learner.segment([batch])])


def _is_inside(folder: Path, path: Path) -> bool:
    return path.exists() and path.resolve().is_relative_to(folder.resolve())
