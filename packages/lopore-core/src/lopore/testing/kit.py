"""All checks of a plugin, picked by what its descriptors declare, never by their names."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from lopore.contracts import Backbone, Explainer, Predictor
from lopore.errors import ConfigError
from lopore.plugins.registry import Registry
from lopore.testing import (
    augmentations,
    backbones,
    callbacks,
    enhancers,
    explainers,
    exporters,
    losses,
    metrics,
    plugins,
    predictors,
    trainers,
)

from .check import Check, promise_of
from .process import awake
from .workshop import Model, Workshop

if TYPE_CHECKING:
    import pytest

KINDS = (
    "plugin", "enhancer", "backbone", "trainer", "predictor", "exporter", "explainer", "callback", "loss", "metric",
    "augmentation",
)  # fmt: skip


def iter_checks(
    plugin: Any,
    *,
    kinds: Collection[str] | None = None,
    only: str | None = None,
    models: Sequence[Model] = (),
    networks: Sequence[Backbone] = (),
) -> Iterator[Check]:
    """Every promise that ``plugin`` makes, as named callables; nothing is trained or opened before one is called.

    plugin: a module or object with ``LOPORE_API`` and hooks. kinds: of ``KINDS``, all where None. only: a regular
    expression that an id has to contain. models: folders of published models (or functions that make one), used for
    predictors, exporters and explainers before any is trained for them. networks: backbones that trainers are tried
    with, small ones for a quick run, in place of the plugin's first. ConfigError for an unknown kind or a broken
    expression.
    """
    pattern = _pattern(only)
    _check_kinds(kinds)
    for check in _every_check(plugin, models, networks):
        if _is_chosen(check, kinds, pattern):
            yield check


def _check_kinds(kinds: Collection[str] | None) -> None:
    unknown = sorted(set(kinds or ()) - set(KINDS))
    if unknown:
        raise ConfigError(f"no kind of check '{unknown[0]}'; there are {', '.join(KINDS)}")


def _is_chosen(check: Check, kinds: Collection[str] | None, pattern: re.Pattern[str]) -> bool:
    return (kinds is None or check.id.split("/")[0] in kinds) and pattern.search(check.id) is not None


def _pattern(only: str | None) -> re.Pattern[str]:
    try:
        return re.compile(only or "")
    except re.error as error:
        raise ConfigError(f"'{only}' is no regular expression: {error}; try a part of a check's name") from None


def _every_check(plugin: Any, models: Sequence[Model], networks: Sequence[Backbone]) -> Iterator[Check]:
    source = str(getattr(plugin, "__name__", type(plugin).__name__))
    registry = Registry.from_plugins({source: plugin})
    workshop = Workshop(plugin, registry, models, networks)
    yield from (_check("plugin", promise, plugin, source, workshop) for promise in plugins.checks())
    for key, enhancer in registry.enhancers.items():
        for rule in enhancers.checks_for(enhancer):
            yield _check(f"enhancer/{key}", rule, enhancer)
    for key, backbone in registry.backbones.items():
        for build in backbones.checks_for(backbone):
            yield _check(f"backbone/{key}", build, backbone, workshop)
    for key, trainer in registry.trainers.items():
        for training in trainers.checks_for(trainer):
            yield _check(f"trainer/{key}", training, trainer, workshop)
    yield from _session_checks(registry, workshop)
    for key, callback in registry.callbacks.items():
        for hearing in callbacks.checks():
            yield _check(f"callback/{key}", hearing, callback)
    yield from _figure_checks(registry)


def _figure_checks(registry: Registry) -> Iterator[Check]:
    for key, term in registry.losses.items():
        for judging in losses.checks_for(term):
            yield _check(f"loss/{key}", judging, term)
    for key, metric in registry.metrics.items():
        for measuring in metrics.checks_for(metric):
            yield _check(f"metric/{key}", measuring, metric)
    for key, step in registry.augmentations.items():
        for changing in augmentations.checks_for(step):
            yield _check(f"augmentation/{key}", changing, step)


def _session_checks(registry: Registry, workshop: Workshop) -> Iterator[Check]:
    for key, predictor in registry.predictors.items():
        for format, scoring in ((format, check) for format in predictor.formats for check in predictors.checks()):
            yield _check(f"predictor/{key}{_of(predictor, format)}", scoring, predictor, format, workshop)
    for key, exporter in registry.exporters.items():
        if exporter.opens_film is not None or exporter.calibrated or exporter.averages:  # the gates judge them
            continue
        for writing in exporters.checks():
            yield _check(f"exporter/{key}", writing, exporter, workshop)
    for key, explainer in registry.explainers.items():
        for format, mapping in ((format, check) for format in explainer.formats for check in explainers.checks()):
            yield _check(f"explainer/{key}{_of(explainer, format)}", mapping, explainer, format, workshop)


def _of(entry: Predictor | Explainer, format: str) -> str:
    """The format within an id, where the entry has several."""
    return f"/{format}" if len(entry.formats) > 1 else ""


def _check(subject: str, function: Callable[..., None], *arguments: Any) -> Check:
    work = function if subject == "plugin" else partial(awake, function)
    return Check(f"{subject}/{function.__name__}", promise_of(function), partial(work, *arguments))


def parametrize_checks(
    plugin: Any,
    expected_failures: Mapping[str, str] | None = None,
    *,
    kinds: Collection[str] | None = None,
    only: str | None = None,
    models: Sequence[Model] = (),
    networks: Sequence[Backbone] = (),
) -> pytest.MarkDecorator:
    """A pytest decorator that runs a test with argument ``check`` once for every check of ``iter_checks``.

    expected_failures: id -> reason; such a check has to fail (strict xfail), so that an unneeded waiver shows.
    ConfigError for a waiver of an unknown id, naming near ones, or without a reason.
    """
    import pytest

    waived = dict(expected_failures or {})
    checks = list(iter_checks(plugin, models=models, networks=networks))
    _check_waivers(waived, [check.id for check in checks])
    pattern = _pattern(only)
    _check_kinds(kinds)
    chosen = [check for check in checks if _is_chosen(check, kinds, pattern)]

    def marks(check: Check) -> list[pytest.MarkDecorator]:
        return [pytest.mark.xfail(strict=True, reason=waived[check.id])] if check.id in waived else []

    shown = [pytest.param(check, id=check.id, marks=marks(check)) for check in chosen]
    return pytest.mark.parametrize("check", shown)


def _check_waivers(waived: Mapping[str, str], known: Sequence[str]) -> None:
    for name, reason in waived.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"near names are {', '.join(near)}" if near else f"there are {len(known)} checks, such as {known[0]}"
            raise ConfigError(f"expected_failures names '{name}', which is no check of this plugin; {hint}")
        if not reason.strip():
            raise ConfigError(f"expected_failures gives no reason for '{name}'; say why it may fail")
