"""What is installed: every plugin found, checked and asked apart from the others.

pluggy's own loader and call loop stop at the first error, so plugins are imported, registered and called one by one;
whatever a plugin does wrong becomes a ``Problem`` and leaves the rest alone. lopore's own packages go the same way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from types import MappingProxyType
from typing import Any, TypeVar

import pluggy

from lopore import hookspecs
from lopore.contracts import LOPORE_API, Backbone, Enhancer, Explainer, Exporter, Predictor, Trainer
from lopore.errors import LoporeError, PluginError
from lopore.messages import plain

from . import process_guard
from .descriptor_checks import KINDS, check_hooks, listed
from .entries import Entries, settle
from .entry_points import GROUP, distribution_name, installed_entries, load_entry, normal_name, source_of
from .interrupts import noted_interrupts
from .problems import OWN_PACKAGES, Problem, bare, is_own, leave_out, mend_for, one_line, told

SLOW_IMPORT_SECONDS = 2.0
__all__ = [
    "GROUP", "KINDS", "OWN_PACKAGES", "Entries", "Plugin", "Problem", "Registry", "call_entry", "discover",
    "slow_import_seconds",
]  # fmt: skip

T = TypeVar("T")


@dataclass(frozen=True)
class Plugin:
    """A plugin that was found: its distribution, the seconds of its import and hooks, and how many entries it gave."""

    source: str
    module: str
    seconds: float
    entries: int


@dataclass(frozen=True)
class Registry:
    """Everything usable, and every problem. Immutable."""

    enhancers: Entries[Enhancer]
    backbones: Entries[Backbone]
    trainers: Entries[Trainer]
    exporters: Entries[Exporter]
    predictors: Entries[Predictor]
    explainers: Entries[Explainer]
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
        collector = _Collector()
        for source, plugin in sorted(plugins.items()):
            collector.add(source, partial(_itself, plugin), module=getattr(plugin, "__name__", source))
        return collector.registry()


class _Collector:
    """From an entry point to descriptors: import, version, register, list; then names."""

    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("lopore")
        self.manager.add_hookspecs(hookspecs)
        self.problems: list[Problem] = []
        self.plugins: list[Plugin] = []
        self.offers: dict[str, list[tuple[str, Any]]] = {kind: [] for kind in KINDS}

    def add(self, source: str, load: Callable[[], Any], *, module: str) -> None:
        """Import, check, register and ask one plugin; what it changed of the process is put back and said."""
        began = time.perf_counter()
        with process_guard.kept("import") as changes, process_guard.silenced():
            plugin = self._stage(source, "import", load)
            if plugin is not None and self._stage(source, "version", partial(_check_version, source, plugin)):
                entries = self._stage(source, "register", partial(self._register, f"{source} {module}", plugin))
                if entries is not None:
                    count = sum(self._list(source, kind, function) for kind, function in entries)
                    self.plugins.append(Plugin(source, module, time.perf_counter() - began, count))
        seconds = time.perf_counter() - began
        notes = [f"changed {', '.join(changes.names)}, put back"] * bool(changes.names)
        notes += [f"left {changes.threads} thread{'s' * (changes.threads > 1)} running"] * bool(changes.threads)
        if notes:
            mend = f"its author should do that inside the functions that need it; {leave_out(source)}"
            self.problems.append(Problem(source, "side-effect", f"its import {' and '.join(notes)}", mend=mend))
        if seconds > slow_import_seconds():
            mend = f"its author should import frameworks inside the factories; {leave_out(source)}"
            self.problems.append(Problem(source, "slow", f"its import took {seconds:.1f} s", mend=mend))

    def _stage(self, source: str, stage: str, work: Callable[[], T]) -> T | None:
        """What ``work`` gives; None, and a Problem, where it raises anything but a Ctrl-C of the user."""
        with noted_interrupts() as interrupted:
            try:
                return work()
            except BaseException as error:  # SystemExit or KeyboardInterrupt of a plugin must not end lopore
                if interrupted():
                    raise
                text, mend = told(error), mend_for(source, stage, error)
                if isinstance(error, PluginError):
                    text, mend = one_line(str(error)), error.mend or mend
                self.problems.append(Problem(source, stage, text, error, mend))
                return None

    def _register(self, name: str, plugin: Any) -> list[tuple[str, Callable[[], Any]]]:
        """The plugin's hooks as (kind, function)."""
        check_hooks(plugin)
        self.manager.register(plugin, name=name)
        try:
            self.manager.check_pending()
            callers = self.manager.get_hookcallers(plugin) or []
            hooks = [(one.name, item) for one in callers for item in one.get_hookimpls() if item.plugin is plugin]
            for hook, implementation in hooks:
                if implementation.wrapper or implementation.hookwrapper:
                    raise PluginError(f"{hook} is a wrapper; a hook only lists what it offers")
        except BaseException:
            self.manager.unregister(plugin)
            raise
        order = list(KINDS)
        found = [(hook.removeprefix("lopore_"), implementation.function) for hook, implementation in hooks]
        return sorted(found, key=lambda pair: order.index(pair[0]))

    def _list(self, source: str, kind: str, function: Callable[[], Any]) -> int:
        found = self._stage(source, "list", partial(listed, function, kind)) or []
        self.offers[kind].extend((source, descriptor) for descriptor in found)
        return len(found)

    def registry(self, blocked: Sequence[str] = ()) -> Registry:
        """What can be used of all that was offered."""
        kinds: dict[str, Entries[Any]] = {}
        for kind, offers in self.offers.items():
            items, sources, disputed, problems = settle(
                kind[:-1], [(item.key, source, item) for source, item in offers]
            )
            kinds[kind] = Entries(kind, items, sources, disputed)
            self.problems += problems
        return Registry(
            **kinds,
            chains=self._presets(kinds["enhancers"]),
            problems=tuple(self.problems),
            plugins=tuple(self.plugins),
            blocked=tuple(blocked),
        )

    def _presets(self, enhancers: Entries[Any]) -> Mapping[str, tuple[Mapping[str, Any], ...]]:
        offers = [
            (title, enhancers.sources[key], tuple(MappingProxyType(dict(step)) for step in steps))
            for key in enhancers
            for title, steps in enhancers[key].presets.items()
        ]
        # The command line takes a step or a title: a preset called "invert" would slip in for the enhancer.
        titles = {title for title, _, _ in offers}
        offers += [(key, enhancers.sources[key], ()) for key in enhancers if key in titles]
        items, _, _, problems = settle("preset", offers)
        self.problems += problems
        return MappingProxyType({title: steps for title, steps in items.items() if steps})


def _itself(plugin: Any) -> Any:
    return plugin


def _check_version(source: str, plugin: Any) -> bool:
    version = getattr(plugin, "LOPORE_API", None)
    if type(version) is int and version == LOPORE_API:
        return True
    stated = "states no LOPORE_API" if version is None else f"built for plugin API {one_line(str(version))[:40]}"
    mend = f"install a version of {bare(source)} for plugin API {LOPORE_API}; {leave_out(source)}"
    raise PluginError(f"{stated}, this lopore-core speaks {LOPORE_API}", mend=mend)


def slow_import_seconds() -> float:
    """From how many seconds on an import counts as slow: ``LOPORE_SLOW_IMPORT``, else two."""
    try:
        return float(os.environ["LOPORE_SLOW_IMPORT"])
    except (KeyError, ValueError):
        return SLOW_IMPORT_SECONDS


@cache
def discover() -> Registry:
    """Every installed plugin of entry-point group ``lopore``, in name order; cached for the life of the process.

    ``LOPORE_BLOCK=name,name`` leaves distributions out before anything of theirs is imported. No framework is imported.
    """
    blocked = {normal_name(name) for name in os.environ.get("LOPORE_BLOCK", "").split(",") if name.strip()}
    collector, skipped = _Collector(), []
    entries, unread = installed_entries()
    collector.problems += unread
    for entry in entries:
        name = distribution_name(entry)
        if name in blocked:
            skipped.append(name)
            continue
        collector.add(source_of(entry), partial(load_entry, entry), module=one_line(entry.value))
    return collector.registry(blocked=skipped)


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
            raise PluginError(f"{kind} '{key}' of {source} failed: {told(error)}; {way_out}") from error
