"""Many runs of one config: each point of a sweep is a run, so a finished one is known by its folder and kept."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from lopore.config.experiment import Experiment
from lopore.cores import available_cores
from lopore.errors import LoporeError, RunError
from lopore.messages import counted, plain
from lopore.models.best import rank_of, validation_score
from lopore.progress import Progress

from .check_settings import check_settings
from .run import train
from .run_folder import CONFIG, model_of_run, read_facts
from .sweep_points import Point


@dataclass(frozen=True)
class Outcome:
    """What became of a point. score: the validation score of the epoch that was kept; error: why there is none."""

    point: Point
    score: float | None = None
    error: str = ""

    @property
    def rank(self) -> float | None:
        """The score so that more is better."""
        return None if self.score is None else rank_of(watched_by(self.point), self.score)


def watched_by(point: Point) -> str:
    """The name of the validation score that a point's epochs are compared by."""
    return point.experiment.training.watched(point.experiment.task)


@dataclass
class Sweep:
    """Trains points, one after the other or several at once, and leaves out those whose run is finished.

    jobs: how many at once at most. With more than one the first is trained alone to learn how much memory one takes.
    """

    out: Path = Path("models")
    jobs: int = 1
    allow_leaks: bool = False
    progress: Progress = field(default_factory=Progress)
    _peak: int = 0

    def check(self, points: Sequence[Point]) -> None:
        """ConfigError or PluginError for the first point whose settings cannot work together, before any is trained."""
        for point in points:
            check_settings(point.experiment)

    def run(self, points: Sequence[Point]) -> list[Outcome]:
        """Train what is not finished; the outcome of every point, in their order. A failing point stops no other."""
        missing = [point for point in points if not self.finished(point)]
        if missing and len(missing) < len(points):
            self.progress.line(f"{counted(len(points) - len(missing), 'point')} finished before, kept")
        found: dict[str, Outcome] = {}
        for number, outcome in enumerate(self._trained(missing), start=1):
            found[outcome.point.run] = outcome
            result = outcome.error or f"validation {outcome.score:.4f}" if outcome.score is not None else outcome.error
            self.progress.line(f"point {number} of {len(missing)}, {described(outcome.point)}: {result or 'finished'}")
        return [found.get(point.run) or Outcome(point, self._score(point)) for point in points]

    def finished(self, point: Point) -> bool:
        folder = self.out / "checkpoints" / point.run
        try:
            return (folder / CONFIG).is_file() and "finished" in read_facts(folder) and model_of_run(folder) is not None
        except RunError:
            return False

    def _score(self, point: Point) -> float | None:
        found = validation_score(self.out / "checkpoints" / point.run)
        return found[1] if found else None

    def _trained(self, points: Sequence[Point]) -> Iterator[Outcome]:
        if self.jobs == 1 or len(points) < 2:
            for point in points:
                self.progress.line(f"training {described(point)}")
                yield self._outcome(point, train_point(point, self.out, self.allow_leaks, self.progress))
            return
        rest = list(points)
        if not self._peak:
            yield from self._side_by_side(rest[:1], 1)
            rest = rest[1:]
        workers = fitting_jobs(self.jobs, self._peak)
        self.progress.line(f"{counted(workers, 'point')} at once; one takes {self._peak / 2**20:.0f} MiB")
        yield from self._side_by_side(rest, workers)

    def _side_by_side(self, points: Sequence[Point], workers: int) -> Iterator[Outcome]:
        threads = max(1, available_cores() // self.jobs)
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, context, _end_with_parent, (os.getpid(),), max_tasks_per_child=1)
        try:
            waiting: dict[Future[tuple[str, int]], Point] = {
                pool.submit(_in_its_own_process, point, self.out, self.allow_leaks, threads): point for point in points
            }
            while waiting:
                for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                    point = waiting.pop(done)
                    try:
                        error, peak = done.result()
                        self._peak = max(self._peak, peak)
                    except Exception as broken:  # the process was killed, as one that takes too much memory is
                        error = f"its process ended ({type(broken).__name__}); is there memory for {workers} at once?"
                    yield self._outcome(point, error)
        finally:
            pool.shutdown(cancel_futures=True)

    def _outcome(self, point: Point, error: str) -> Outcome:
        return Outcome(point, error=error) if error else Outcome(point, self._score(point))


def described(point: Point) -> str:
    """The settings of a point on one line."""
    return plain(", ".join(f"{key}={value}" for key, value in point.settings.items()) or point.run, 200)


def train_point(point: Point, out: Path, allow_leaks: bool, progress: Progress) -> str:
    """Train a point, or go on with its run where it was broken off; the error in one line, empty for none."""
    begun = (out / "checkpoints" / point.run / CONFIG).is_file()
    where = {"resume": point.run} if begun else {"run_name": point.run}
    try:
        result = train(point.experiment, out=out, allow_leaks=allow_leaks, progress=progress, **where)  # type: ignore[arg-type]
    except LoporeError as error:
        return plain(" ".join(str(error).split()), 600)
    return "; ".join(result.failed)


def _in_its_own_process(point: Point, out: Path, allow_leaks: bool, threads: int) -> tuple[str, int]:
    """The error of a point and the largest memory of this process in bytes, 0 where the system does not tell it."""
    experiment = _with_threads(point.experiment, threads)
    error = train_point(Point(experiment, point.settings, point.run), out, allow_leaks, Progress(quiet=True))
    try:
        import resource
    except ImportError:
        return error, 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return error, peak if sys.platform == "darwin" else peak * 1024


def _with_threads(experiment: Experiment, threads: int) -> Experiment:
    if experiment.training.threads is not None:
        return experiment
    return experiment.model_copy(update={"training": experiment.training.model_copy(update={"threads": threads})})


def fitting_jobs(jobs: int, peak: int) -> int:
    """How many processes of ``peak`` bytes fit into the memory that is free, at most ``jobs``, at least one."""
    free = available_memory()
    return max(1, min(jobs, free // peak)) if free and peak else jobs


def available_memory() -> int:
    """Bytes that a new process may take, as Linux tells it; 0 elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return 0


def _end_with_parent(parent: int) -> None:
    """A process of a sweep that was killed ends too, so that its run is free for the next one."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if hasattr(os, "getppid") and sys.platform != "win32":
        threading.Thread(target=watch, daemon=True).start()
