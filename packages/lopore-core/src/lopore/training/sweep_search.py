"""A sweep over ranges: Optuna proposes the points, its journal remembers them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lopore.atomic_files import sha256_of
from lopore.errors import PluginError
from lopore.messages import counted
from lopore.models.best import rank_of

from .sweep import Outcome, Sweep, watched_by
from .sweep_points import Axis, Point, Range, make_point

FAILED = "failed"
"""Mark of a trial that failed by itself, unlike one whose process was killed."""


def search(config: Path, axes: Sequence[Axis | Range], trials: int, sweep: Sweep) -> list[Outcome]:
    """Train ``trials`` points that Optuna's TPE sampler proposes for a good validation score.

    The journal in ``out/sweeps`` belongs to one config and these axes; a search that was broken off goes on with it,
    the points in the making first. PluginError where Optuna is not installed.
    """
    try:
        import optuna
        from optuna.trial import TrialState
    except ImportError:
        raise PluginError('ranges need Optuna: pip install "lopore-core[sweep]", or give lists KEY=a,b,c') from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    first = make_point(config, {axis.key: axis.low if isinstance(axis, Range) else axis.values[0] for axis in axes})
    sweep.check([first])
    study = _study(optuna, _journal(config, axes, sweep.out / "sweeps", first.experiment.name), first.experiment.seed)
    _take_up_again(study, TrialState)
    ended = [one for one in study.trials if one.state == TrialState.COMPLETE or FAILED in one.user_attrs]
    if ended:
        sweep.progress.line(f"{counted(len(ended), 'trial')} of this search ended before")
    outcomes: dict[str, Outcome] = {}
    for trial in ended:
        point = make_point(config, _settings(trial.params, axes))
        outcomes[point.run] = Outcome(point, _score(point, trial.value), str(trial.user_attrs.get(FAILED, "")))
    distributions = {axis.key: _distribution(optuna, axis) for axis in axes}
    left = trials - len(ended)
    while left > 0:
        asked = [study.ask(distributions) for _ in range(min(sweep.jobs, left))]
        points = [make_point(config, _settings(trial.params, axes)) for trial in asked]
        for trial, outcome in zip(asked, sweep.run(points), strict=True):
            if outcome.score is None:
                trial.set_user_attr(FAILED, outcome.error)
            study.tell(trial, outcome.rank, state=TrialState.FAIL if outcome.score is None else None)
            outcomes[outcome.point.run] = outcome
        left -= len(asked)
    return list(outcomes.values())


def _score(point: Point, rank: float | None) -> float | None:
    """The score of a rank; turning about twice gives it back."""
    return None if rank is None else rank_of(watched_by(point), rank)


def _journal(config: Path, axes: Sequence[Axis | Range], folder: Path, name: str) -> Path:
    about = json.dumps([sha256_of(config), [repr(axis) for axis in axes]])
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{hashlib.sha256(about.encode()).hexdigest()[:10]}.journal"


def _study(optuna: Any, journal: Path, seed: int) -> Any:
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    study = optuna.create_study(
        study_name="sweep", storage=optuna.storages.JournalStorage(backend), direction="maximize", load_if_exists=True
    )
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(study.trials))
    return study


def _take_up_again(study: Any, state: Any) -> None:
    """Trials whose process was killed are proposed again; their runs go on from the last epoch."""
    for trial in study.get_trials(states=(state.RUNNING,)):
        study.enqueue_trial(trial.params)
        study.tell(trial.number, state=state.FAIL)


def _distribution(optuna: Any, axis: Axis | Range) -> Any:
    """Values of a list go by their JSON: Optuna's categories are plain values only."""
    distributions = optuna.distributions
    if isinstance(axis, Axis):
        return distributions.CategoricalDistribution([json.dumps(value) for value in axis.values])
    if axis.integer:
        return distributions.IntDistribution(int(axis.low), int(axis.high))
    return distributions.FloatDistribution(axis.low, axis.high, log=axis.logarithmic)


def _settings(params: Mapping[str, Any], axes: Sequence[Axis | Range]) -> dict[str, Any]:
    return {axis.key: json.loads(params[axis.key]) if isinstance(axis, Axis) else params[axis.key] for axis in axes}
