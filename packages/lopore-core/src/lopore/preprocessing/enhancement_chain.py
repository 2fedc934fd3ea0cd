"""Enhancement chains as data: the same list of steps in YAML, on the command line, in the app and in a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from pydantic import ValidationError

from lopore.affine import Affine
from lopore.arrays import Pixels
from lopore.contracts import Enhancer, Params
from lopore.errors import ConfigError, PluginError
from lopore.plugins.registry import call_entry, discover

from .lookup_tables import apply_table

MAX_STEPS = 32


@dataclass(frozen=True)
class ChainStep:
    """One enhancer with its parameters."""

    enhancer: Enhancer
    params: Params
    source: str

    def as_data(self) -> dict[str, Any]:
        return {"name": self.enhancer.name, **self.params.model_dump(mode="json")}


@dataclass(frozen=True)
class Chain:
    """Enhancers applied one after the other; pointwise neighbours run as one table."""

    steps: tuple[ChainStep, ...] = ()

    @classmethod
    def parse(cls, data: Sequence[Any], *, for_model: bool = False) -> Chain:
        """A chain from ``[{"name": "clahe", "clip_limit": 3}, "invert", ...]``.

        ConfigError names the step, the value got and what is allowed; ``for_model`` refuses previews for the eye.
        """
        if len(data) > MAX_STEPS:
            raise ConfigError(f"a chain of {len(data)} steps; at most {MAX_STEPS} are allowed")
        return cls(tuple(_parse_step(item, number, for_model) for number, item in enumerate(data, start=1)))

    @classmethod
    def from_text(cls, text: str) -> Chain:
        """A chain from ``clahe(clip_limit=3,tiles=8)|gamma(gamma=0.8)|invert``, or from the title of a preset.

        PluginError names the nearest preset for a misspelt title, and the nearest enhancer for a misspelt step.
        """
        presets = discover().presets()
        if text in presets:
            return cls.parse(presets[text])
        try:
            return cls.parse([_parse_text(part.strip()) for part in text.split("|") if part.strip()])
        except (ConfigError, PluginError):
            titles = {title.casefold(): title for title in presets}
            near = get_close_matches(text.casefold(), titles, n=1, cutoff=0.7)
            if not near or "|" in text:
                raise
            raise PluginError(f"no preset '{text}'; did you mean '{titles[near[0]]}'?") from None

    def as_data(self) -> list[dict[str, Any]]:
        return [step.as_data() for step in self.steps]

    def apply(self, pixels: Pixels) -> tuple[Pixels, Affine]:
        """Enhanced pixels of the same depth and channels, and where the steps moved them. The input stays as it was."""
        motion = Affine()
        for pointwise, run in groupby(self.steps, key=lambda step: step.enhancer.lookup is not None):
            steps = list(run)
            if pointwise and len(steps) > 1:
                pixels = apply_table(pixels, folded_table(steps, pixels.dtype))
                continue
            for step in steps:
                if step.enhancer.motion is not None:
                    motion = motion.then(_move(step, (pixels.shape[0], pixels.shape[1])))
                pixels = apply_step(step, pixels)
        return pixels, motion


def apply_step(step: ChainStep, pixels: Pixels) -> Pixels:
    """One step on an image or a window of it; ConfigError for parameters that do not fit, PluginError for its
    faults."""
    enhancer = step.enhancer
    given = pixels.copy()  # a plugin may write into what it is given, now or later

    def run() -> Pixels:
        try:
            return enhancer.apply(given, step.params)
        except ValueError as error:
            raise ConfigError(f"{enhancer.name}: {error}") from None

    result = call_entry("enhancer", enhancer.name, step.source, run)
    if not _is_same_kind(result, pixels, moved=enhancer.motion is not None):
        got = f"{getattr(result, 'dtype', type(result).__name__)} {getattr(result, 'shape', '')}"
        raise ConfigError(
            f"{enhancer.name} of {step.source} gave {got} for {pixels.dtype} {pixels.shape}; leave it out"
        )
    return result.copy()


def _is_same_kind(result: Any, pixels: Pixels, *, moved: bool) -> bool:
    """Depth and channels as before, and without a declared motion the size too."""
    return (
        isinstance(result, np.ndarray)
        and result.dtype == pixels.dtype
        and result.ndim == pixels.ndim
        and result.shape[2:] == pixels.shape[2:]
        and result.size > 0
        and (moved or result.shape == pixels.shape)
    )


def _move(step: ChainStep, shape: tuple[int, int]) -> Affine:
    motion = step.enhancer.motion
    assert motion is not None  # asked only where one is declared

    def run() -> Affine:
        try:
            return motion(shape, step.params)
        except ValueError as error:
            raise ConfigError(f"{step.enhancer.name}: {error}") from None

    found = call_entry("enhancer", step.enhancer.name, step.source, run)
    if not isinstance(found, Affine):
        raise PluginError(f"motion of {step.enhancer.name} of {step.source} gave {type(found).__name__}; leave it out")
    return found


def folded_table(steps: list[ChainStep], dtype: np.dtype[Any]) -> Pixels:
    """One table (256 or 65 536 entries of ``dtype``) for pointwise steps that follow each other."""
    table = np.arange(int(np.iinfo(dtype).max) + 1).astype(dtype)
    for step in steps:
        lookup = step.enhancer.lookup
        assert lookup is not None  # grouped by it
        own = call_entry("enhancer", step.enhancer.name, step.source, partial(lookup, dtype, step.params))
        if not isinstance(own, np.ndarray) or own.shape != table.shape or own.dtype != dtype:
            raise PluginError(
                f"lookup of {step.enhancer.name} of {step.source} gave no table of {len(table)} {dtype}; leave it out"
            )
        table = own[table]
    return table


def _parse_step(item: Any, number: int, for_model: bool) -> ChainStep:
    if isinstance(item, str):
        item = {"name": item}
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        raise ConfigError(
            f"step {number} of the chain is {str(item)[:60]!r}; write a name, or name: with its parameters"
        )
    values = {key: value for key, value in item.items() if key != "name"}
    registry = discover()
    enhancer = registry.enhancers[item["name"]]
    if for_model and enhancer.preview_only:
        raise ConfigError(f"{enhancer.name} is a preview for the eye and cannot enter a model's chain; leave it out")
    try:
        params = enhancer.params.model_validate(values)
    except ValidationError as error:
        from lopore.validation import explain_validation

        raise ConfigError(f"{enhancer.name}: {explain_validation(error, enhancer.params)}") from None
    return ChainStep(enhancer, params, registry.enhancers.sources[enhancer.name])


def _parse_text(text: str) -> dict[str, Any]:
    from lopore.config.yaml_loader import parse_yaml

    name, bracket, rest = text.partition("(")
    if not bracket:
        return {"name": name.strip()}
    if not rest.endswith(")"):
        raise ConfigError(f"chain step {text[:60]!r} lacks its closing bracket; write clahe(clip_limit=3,tiles=8)")
    values: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in rest[:-1].split(","))):
        key, equals, value = part.partition("=")
        if not equals:
            raise ConfigError(f"'{part[:40]}' in step {name} is no key=value; write clahe(clip_limit=3,tiles=8)")
        values[key.strip()] = parse_yaml(value, source=f"{key.strip()[:40]} of step {name.strip()[:40]}")
    return {"name": name.strip(), **values}
