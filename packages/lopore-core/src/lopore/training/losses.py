"""The loss terms of a run: chosen by its config from what is installed for its framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from lopore.arrays import ANOMALY, Task
from lopore.contracts import LossFunction, LossRequest, LossTerm, WeightedLoss
from lopore.errors import ConfigError, PluginError
from lopore.messages import did_you_mean, plain
from lopore.plugins.entries import Entries
from lopore.plugins.owned_errors import owned_errors
from lopore.training_settings import Loss
from lopore.validation import explain_validation


def chosen_losses(loss: Loss, task: Task, framework: str, known: Entries[LossTerm]) -> tuple[WeightedLoss, ...]:
    """What ``training.loss`` names, with weights and parameters; errors of a term carry its owner.

    Empty for task anomaly, which has none, and where no loss is named and nothing offers any for the framework: its
    learner then has one of its own.
    PluginError for a name that nothing offers, ConfigError for a task or parameters that a term does not take.
    """
    if task == ANOMALY:
        return ()
    offered = [term.name for term in known.values() if term.framework == framework]
    if loss.name is None and not offered and not loss.parameters:
        return ()
    weights = loss.weights(task)
    if unknown := [name for name in loss.parameters if name not in weights]:
        raise ConfigError(
            f"training.loss.parameters names '{plain(unknown[0], 60)}'{did_you_mean(unknown[0], weights)}; "
            f"training.loss.name has {', '.join(map(plain, weights))}"
        )
    return tuple(
        _chosen(known, f"{framework}/{name}", weight, task, loss.parameters.get(name, {}))
        for name, weight in weights.items()
    )


def _chosen(
    known: Entries[LossTerm], key: str, weight: float, task: Task, parameters: Mapping[str, Any]
) -> WeightedLoss:
    term = known[key]
    if task not in term.tasks:
        fitting = sorted(one.name for one in known.values() if one.framework == term.framework and task in one.tasks)
        raise ConfigError(
            f"training.loss.name '{term.name}' is for task {' and '.join(term.tasks)}, not for {task}; for that there "
            f"are {', '.join(fitting) or 'none'}"
        )
    try:
        params = term.params.model_validate(dict(parameters))
    except ValidationError as error:
        message = explain_validation(error, term.params)
        raise ConfigError(f"training.loss.parameters {term.name}: {message}") from None
    return WeightedLoss(term=_owned(term, known.sources[key]), weight=weight, params=params)


def _owned(term: LossTerm, source: str) -> LossTerm:
    def build(request: LossRequest) -> LossFunction:
        with owned_errors("loss", term.key, source):
            function: Any = term.build(request)
        if not callable(function):
            raise PluginError(f"loss '{term.key}' of {source} built {type(function).__name__}, not a function")

        def judged(logits: Any, targets: Any, known: Any) -> Any:
            with owned_errors("loss", term.key, source):
                return function(logits, targets, known)

        return judged

    return replace(term, build=build)
