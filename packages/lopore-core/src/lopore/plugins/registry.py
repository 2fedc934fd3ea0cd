"""What is installed: what every plugin offers, by kind and name, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from types import MappingProxyType
from typing import Any, TypeVar

from lopore import __version__
from lopore.contracts import (
    AugmentationStep,
    Backbone,
    Callback,
    Enhancer,
    Explainer,
    Exporter,
    LossTerm,
    Metric,
    Predictor,
    Trainer,
)
from lopore.errors import LoporeError, PluginError
from lopore.messages import plain

from . import process_guard
from .discovery import KINDS, Discovery, Plugin
from .entries import Entries, noun_of, settle
from .entry_points import (
    GROUP,
    blocked_names,
    distribution_name,
    installed_entries,
    load_entry,
    source_of,
)
from .interrupts import noted_interrupts
from .problems import OWN_PACKAGES, Problem, describe_error, is_own, leave_out, one_line

OWN_MODULE = "lopore.offered"
"""What core offers itself; it goes the way of every plugin, without an entry point of its own."""
__all__ = [
    "GROUP", "KINDS", "OWN_PACKAGES", "Entries", "Plugin", "Problem", "Registry", "call_entry", "discover",
]  # fmt: skip

T = TypeVar("T")


@dataclass(frozen=True)
class Registry:
    """Everything usable, and every problem. Immutable."""

    enhancers: Entries[Enhancer]
    backbones: Entries[Backbone]
    trainers: Entries[Trainer]
    exporters: Entries[Exporter]
    predictors: Entries[Predictor]
    explainers: Entries[Explainer]
    callbacks: Entries[Callback]
    losses: Entries[LossTerm]
    metrics: Entries[Metric]
    augmentations: Entries[AugmentationStep]
    problems: tuple[Problem, ...] = ()
    plugins: tuple[Plugin, ...] = ()
    blocked: tuple[str, ...] = ()
    chains: Mapping[str, tuple[Mapping[str, Any], ...]] = field(default_factory=dict)

    def backbone(self, framework: str, name: str) -> Backbone:
        """A backbone by name, else of a family (all of timm, say) that knows the name. PluginError if none does."""
        key = f"{framework}/{name}"
        if key in self.backbones:
            return self.backbones[key]
        failed = []
        for entry in self.backbones.values():
            if entry.framework == framework and entry.family is not None:
                source = self.backbones.sources[entry.key]
                try:
                    found = call_entry("backbone", entry.key, source, partial(entry.family, name))
                except PluginError as error:  # a broken family must not hide what the others know
                    failed.append(str(error))
                    continue
                if isinstance(found, Backbone):
                    return found
        if failed:
            raise PluginError(f"backbone '{plain(key, 80)}' could not be looked up: {'; '.join(failed)}")
        return self.backbones[key]

    def outside_backbone(self, framework: str, name: str) -> Backbone | None:
        """The backbone of this name where a package that is not lopore's offers it, else None."""
        key = f"{framework}/{name}"
        return self.backbones[key] if key in self.backbones and not is_own(self.backbones.sources[key]) else None

    def presets(self) -> dict[str, tuple[dict[str, Any], ...]]:
        """Named enhancement chains of all enhancers, by title."""
        return {title: tuple(dict(step) for step in steps) for title, steps in self.chains.items()}

    @classmethod
    def from_plugins(cls, plugins: Mapping[str, Any]) -> Registry:
        """A registry of plugin objects (modules or instances) by source name; for tests and the conformance kit."""
        discovery = Discovery()
        for source, plugin in sorted(plugins.items()):
            discovery.add(source, lambda plugin=plugin: plugin, module=getattr(plugin, "__name__", source))  # type: ignore[misc]
        return _settled(discovery)


def _settled(found: Discovery, blocked: Sequence[str] = ()) -> Registry:
    """What can be used of all that was offered."""
    by_kind: dict[str, Entries[Any]] = {}
    problems = list(found.problems)
    for kind, offers in found.offers.items():
        items, sources, disputed, lost = settle(noun_of(kind), [(item.key, source, item) for source, item in offers])
        by_kind[kind] = Entries(kind, items, sources, disputed)
        problems += lost
    chains, lost = _presets(by_kind["enhancers"])
    return Registry(
        **by_kind,
        chains=chains,
        problems=(*problems, *lost),
        plugins=tuple(found.plugins),
        blocked=tuple(blocked),
    )


def _presets(enhancers: Entries[Any]) -> tuple[Mapping[str, tuple[Mapping[str, Any], ...]], list[Problem]]:
    offers = [
        (title, enhancers.sources[key], tuple(MappingProxyType(dict(step)) for step in steps))
        for key in enhancers
        for title, steps in enhancers[key].presets.items()
    ]
    # The command line takes a step or a title: a preset called "invert" would slip in for the enhancer.
    titles = {title for title, _, _ in offers}
    offers += [(key, enhancers.sources[key], ()) for key in enhancers if key in titles]
    items, _, _, problems = settle("preset", offers)
    return MappingProxyType({title: steps for title, steps in items.items() if steps}), problems


@cache
def discover() -> Registry:
    """Every installed plugin of entry-point group ``lopore``, in name order; cached for the life of the process.

    ``LOPORE_BLOCK=name,name`` leaves distributions out before anything of theirs is imported. No framework is imported.
    """
    blocked = blocked_names()
    discovery, skipped = Discovery(), []
    if "lopore-core" not in blocked:
        discovery.add(f"lopore-core {__version__}", partial(import_module, OWN_MODULE), module=OWN_MODULE)
    entries, unread = installed_entries()
    discovery.problems += unread
    for entry in entries:
        name = distribution_name(entry)
        if name in blocked:
            skipped.append(name)
            continue
        discovery.add(source_of(entry), partial(load_entry, entry), module=one_line(entry.value))
    return _settled(discovery, skipped)


def call_entry(kind: str, key: str, source: str, work: Callable[[], T]) -> T:
    """Run what a plugin entry holds; any error but lopore's own becomes a PluginError that names owner and key.

    What it changes of the process is put back (``process_guard``), and what it prints goes to standard error. A Ctrl-C
    of the user passes through; a KeyboardInterrupt that the plugin raises does not.
    """
    with noted_interrupts() as interrupted:
        try:
            with process_guard.isolate_call(training=kind == "trainer"):
                return work()
        except (LoporeError, GeneratorExit):
            raise
        except BaseException as error:  # SystemExit of a plugin must not end lopore
            if interrupted():
                raise
            way_out = f"use another or tell its author; {leave_out(source)}"
            if isinstance(error, MemoryError):
                way_out = "lower the batch size or the size of the images"
            raise PluginError(f"{kind} '{key}' of {source} failed: {describe_error(error)}; {way_out}") from error
