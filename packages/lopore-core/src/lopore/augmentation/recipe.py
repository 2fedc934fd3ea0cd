"""The steps of a recipe, each with what carries it out: those of lopore and of plugins alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from lopore.config.augmentation import Recipe
from lopore.contracts import AugmentationStep, StepParams
from lopore.errors import ConfigError
from lopore.messages import plain
from lopore.plugins.registry import discover
from lopore.validation import explain_validation


@dataclass(frozen=True)
class ChosenStep:
    """A step with its parameters and its owner."""

    step: AugmentationStep
    params: StepParams
    source: str

    def always(self) -> ChosenStep:
        """The same for every image."""
        return ChosenStep(self.step, self.params.model_copy(update={"probability": 1.0}), self.source)


def chosen_steps(recipe: Recipe) -> tuple[ChosenStep, ...]:
    """The steps of a recipe in the order in which they are applied.

    PluginError for a name that nothing installed offers, ConfigError for wrong parameters, both in one line.
    """
    if recipe == "none":
        return ()
    known = discover().augmentations
    own = [ChosenStep(known[name], params, known.sources[name]) for name, params in recipe.steps.items()]
    return (*own, *(_other({"name": item} if isinstance(item, str) else item) for item in recipe.others))


def _other(data: Mapping[str, Any]) -> ChosenStep:
    known, name = discover().augmentations, data.get("name")
    if not isinstance(name, str):
        raise ConfigError("an entry of augmentation.others has no name; write {name: STEP, probability: 0.3}, or STEP")
    step = known[name]
    given = {key: value for key, value in data.items() if key != "name"}
    try:
        return ChosenStep(step, step.params.model_validate(given), known.sources[name])
    except ValidationError as error:
        message = explain_validation(error, step.params)
        raise ConfigError(f"augmentation.others {plain(name, 60)}: {message}") from None
