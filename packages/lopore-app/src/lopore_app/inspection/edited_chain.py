"""The chain that a user dials: steps that can be on or off, in order, and the Chain that they make.

No Streamlit in here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from lopore.plugins.registry import Registry, discover
from lopore.preprocessing.enhancement_chain import MAX_STEPS, Chain

MAX_TEXT = 200


@dataclass(frozen=True)
class EditedStep:
    """One step: which enhancer, on or off, the values that were dialled. number: stays with it when it moves.

    film: a step that moves pixels, such as a crop, belongs to the film that it was set on; None for every film.
    """

    number: int
    name: str
    on: bool = True
    values: Mapping[str, Any] = field(default_factory=dict)
    film: str | None = None


@dataclass(frozen=True)
class EditedChain:
    """All steps. version: grows whenever the server, not the browser, changes them."""

    steps: tuple[EditedStep, ...] = ()
    version: int = 0

    @classmethod
    def of(cls, steps: Iterable[Mapping[str, Any]], version: int, film: str | None = None) -> EditedChain:
        """From a preset's steps, all on; steps whose enhancer is not installed are left out. film: looked at now."""
        registry = discover()
        known = [step for step in steps if step.get("name") in registry.enhancers]
        made = [
            EditedStep(
                number,
                str(step["name"]),
                True,
                {key: step[key] for key in step if key != "name"},
                film if moves_pixels(str(step["name"])) else None,
            )
            for number, step in enumerate(known)
        ]
        return cls(tuple(made), version)

    def and_then(self, name: str, film: str | None = None) -> EditedChain:
        """With one more step at its defaults. film: the one that is looked at."""
        number = 1 + max((step.number for step in self.steps), default=-1)
        return EditedChain(
            (*self.steps, EditedStep(number, name, film=film if moves_pixels(name) else None)), self.version + 1
        )

    def edited(self, edit: object) -> EditedChain:
        """What the browser dialled, where it is about these steps; the same as before for anything else.

        Nothing that arrives is trusted: unknown steps and parameters are dropped, values are checked by the chain.
        """
        if not isinstance(edit, Mapping) or edit.get("version") != self.version:
            return self
        arrived = edit.get("steps")
        if not isinstance(arrived, list) or len(arrived) > MAX_STEPS:
            return self
        made = []
        for item in arrived:
            if not isinstance(item, Mapping) or not isinstance(item.get("values"), Mapping):
                continue
            step = next((step for step in self.steps if step.number == item.get("id")), None)
            if step is not None:
                made.append(_with_values(step, bool(item.get("on")), item["values"]))
        return EditedChain(tuple(made), self.version)

    @property
    def active(self) -> tuple[EditedStep, ...]:
        return tuple(step for step in self.steps if step.on)

    def on_film(self, film: str) -> EditedChain:
        """The steps that a film (its sha256) goes through."""
        return replace(self, steps=tuple(step for step in self.steps if step.film in (None, film)))

    def chain(self, film: str | None = None) -> Chain:
        """The steps that are on for a film (its sha256); ConfigError names the step and what is allowed."""
        return Chain.parse(as_data(step for step in self.active if step.film in (None, film)))

    def with_value(self, number: int, name: str, value: object) -> EditedChain:
        """The same steps with one parameter at another value."""
        steps = [
            replace(step, values={**step.values, name: value}) if step.number == number else step for step in self.steps
        ]
        return replace(self, steps=tuple(steps))


def moves_pixels(name: str) -> bool:
    """Whether an enhancer cuts, turns or flips: what is right for one film is wrong for the next."""
    return discover().enhancers[name].motion is not None


def _with_values(step: EditedStep, on: bool, values: Mapping[str, Any]) -> EditedStep:
    fields = discover().enhancers[step.name].params.model_fields
    still_valid = {
        name: value[:MAX_TEXT] if isinstance(value, str) else value
        for name, value in values.items()
        if name in fields and isinstance(value, bool | int | float | str | None)
    }
    return replace(step, on=on, values=still_valid)


def as_data(steps: Iterable[EditedStep]) -> list[dict[str, Any]]:
    return [{"name": step.name, **step.values} for step in steps]


def as_yaml(steps: Iterable[EditedStep]) -> str:
    """The chain as a config takes it under ``preprocessing.enhance``."""
    return yaml.safe_dump({"enhance": as_data(steps)}, sort_keys=False)


def offered(registry: Registry, *, preview: bool) -> list[str]:
    """Names of the enhancers that a model may be given, or of those for the eye alone."""
    return [name for name, item in registry.enhancers.items() if item.preview_only is preview]
