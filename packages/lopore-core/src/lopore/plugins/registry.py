"""What is installed: every plugin found, checked and asked apart from the others.

pluggy's own loader and call loop stop at the first error, so plugins are imported, registered and called one by one;
whatever a plugin does wrong becomes a ``Problem`` and leaves the rest alone.
"""

from __future__ import annotations

import difflib
import itertools
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from inspect import signature
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import pluggy

from lopore import hookspecs
from lopore.contracts import LOPORE_API, Backbone, Enhancer, Explainer, Exporter, Predictor, Trainer
from lopore.errors import LoporeError, PluginError
from lopore.messages import did_you_mean, plain
from lopore.plugins import process_guard as surroundings

from .descriptor_checks import check_descriptor
from .entry_points import GROUP, distribution_name, installed_entries, load_entry, normal_name, source_of
from .problems import OWN_PACKAGES, Problem, bare, dispute_mend, is_own, leave_out, mend_for, one_line, told

SLOW_IMPORT_SECONDS = 2.0
KINDS: Mapping[str, type[Any]] = MappingProxyType(
    {
        "enhancers": Enhancer,
        "backbones": Backbone,
        "trainers": Trainer,
        "exporters": Exporter,
        "predictors": Predictor,
        "explainers": Explainer,
    }
)
_PACKAGE_FOR = {
    "enhancers": "lopore-enhance",
    "backbones": "lopore-torch or lopore-tf",
    "trainers": "lopore-torch or lopore-tf",
    "exporters": "lopore-torch, lopore-tf or lopore-onnx",
    "predictors": "lopore-onnx, lopore-torch or lopore-tf",
    "explainers": "lopore-onnx, lopore-torch or lopore-tf",
}
__all__ = [
    "GROUP", "KINDS", "OWN_PACKAGES", "Entries", "Plugin", "Problem", "Registry", "call_entry", "discover",
    "slow_import_seconds",
]  # fmt: skip

MOST_ENTRIES = 10_000

T = TypeVar("T")


class Entries(Mapping[str, T], Generic[T]):
    """Read-only mapping of one kind; an unknown key says what is installed, what is near, and what to install."""

    def __init__(self, kind: str, items: Mapping[str, T], sources: Mapping[str, str], disputed: Mapping[str, str]):
        self._kind, self._items, self._disputed = kind, dict(items), dict(disputed)
        self.sources: Mapping[str, str] = MappingProxyType(dict(sources))

    def __getitem__(self, key: str) -> T:
        if key in self._items:
            return self._items[key]
        raise PluginError(self.unknown(key))

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __iter__(self) -> Any:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def unknown(self, key: str) -> str:
        """Why there is no such entry: what is near, installed, or to be installed."""
        noun = self._kind[:-1]
        if key in self._disputed:
            return f"{noun} '{key}' is disputed: {self._disputed[key]}"
        framework, slash, _ = key.partition("/")
        fitting = [known for known in self._items if known.startswith(f"{framework}{slash}")] if slash else []
        known = sorted(fitting or self._items)
        have = ", ".join(known[:30]) or "none"
        return (
            f"no {noun} '{key}'{did_you_mean(key, known)}; installed: {have}; more come with {_PACKAGE_FOR[self._kind]}"
        )


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
    def __init__(self) -> None:
        self.manager = pluggy.PluginManager("lopore")
        self.manager.add_hookspecs(hookspecs)
        self.problems: list[Problem] = []
        self.plugins: list[Plugin] = []
        self.offers: dict[str, list[tuple[str, Any]]] = {kind: [] for kind in KINDS}

    def add(self, source: str, load: Callable[[], Any], *, module: str) -> None:
        """Import, check, register and ask one plugin; what it changed of the process is put back and told."""
        began = time.perf_counter()
        with surroundings.kept("import") as changes, surroundings.silenced():
            self._take(source, load, module, began)
        seconds = time.perf_counter() - began
        told = [f"changed {', '.join(changes.names)}, put back"] * bool(changes.names)
        told += [f"left {changes.threads} thread{'s' * (changes.threads > 1)} running"] * bool(changes.threads)
        if told:
            mend = f"its author should do that inside the functions that need it; {leave_out(source)}"
            self._problem(source, "side-effect", f"its import {' and '.join(told)}", mend=mend)
        if seconds > slow_import_seconds():
            mend = f"its author should import frameworks inside the factories; {leave_out(source)}"
            self._problem(source, "slow", f"its import took {seconds:.1f} s", mend=mend)

    def _take(self, source: str, load: Callable[[], Any], module: str, began: float) -> None:
        plugin = self._stage(source, "import", load)
        if plugin is None or not self._stage(source, "version", partial(self._speaks_our_version, source, plugin)):
            return
        if self._stage(source, "register", partial(self._registered, f"{source} {module}", plugin)) is not True:
            return
        entries = sum(self._list(source, plugin, kind) for kind in KINDS)
        self.plugins.append(Plugin(source, module, time.perf_counter() - began, entries))

    def _problem(
        self, source: str, stage: str, reason: str, error: BaseException | None = None, mend: str = ""
    ) -> None:
        self.problems.append(Problem(source, stage, reason, error, mend))

    def _stage(self, source: str, stage: str, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit of a plugin must not end lopore
            text = one_line(str(error)) if isinstance(error, PluginError) else told(error)
            self._problem(source, stage, text, error, mend_for(source, stage, error))
            return None

    def _speaks_our_version(self, source: str, plugin: Any) -> bool:
        version = getattr(plugin, "LOPORE_API", None)
        if type(version) is int and version == LOPORE_API:
            return True
        said = "states no LOPORE_API" if version is None else f"built for plugin API {one_line(str(version))[:40]}"
        mend = f"install a version of {bare(source)} for plugin API {LOPORE_API}; {leave_out(source)}"
        self._problem(source, "version", f"{said}, this lopore-core speaks {LOPORE_API}", mend=mend)
        return False

    def _registered(self, name: str, plugin: Any) -> bool:
        _check_hooks(plugin)
        self.manager.register(plugin, name=name)
        try:
            self.manager.check_pending()
            for caller in self.manager.get_hookcallers(plugin) or []:
                for implementation in caller.get_hookimpls():
                    if implementation.plugin is plugin and (implementation.wrapper or implementation.hookwrapper):
                        raise PluginError(f"{caller.name} is a wrapper; a hook only lists what it offers")
        except BaseException:
            self.manager.unregister(plugin)
            raise
        return True

    def _list(self, source: str, plugin: Any, kind: str) -> int:
        caller = getattr(self.manager.hook, f"lopore_{kind}")
        own = [item for item in caller.get_hookimpls() if item.plugin is plugin]
        count = 0
        for implementation in own:
            found = self._stage(source, "list", partial(_listed, implementation.function, kind, source))
            if found is not None:
                count += len(found)
                self.offers[kind].extend((source, descriptor) for descriptor in found)
        return count

    def registry(self, blocked: Sequence[str] = ()) -> Registry:
        """What can be used of all that was offered."""
        kinds = {kind: self._settle(kind) for kind in KINDS}
        return Registry(
            **kinds,
            chains=self._presets(kinds["enhancers"]),
            problems=tuple(self.problems),
            plugins=tuple(self.plugins),
            blocked=tuple(blocked),
        )

    def _settle(self, kind: str) -> Entries[Any]:
        offers = [(descriptor.key, source, descriptor) for source, descriptor in self.offers[kind]]
        items, sources, disputed = self._by_name(kind[:-1], offers)
        return Entries(kind, items, sources, disputed)

    def _presets(self, enhancers: Entries[Any]) -> Mapping[str, tuple[Mapping[str, Any], ...]]:
        offers = [
            (title, enhancers.sources[key], tuple(MappingProxyType(dict(step)) for step in steps))
            for key in enhancers
            for title, steps in enhancers[key].presets.items()
        ]
        # The command line takes a step or a title: a preset called "invert" would slip in for the enhancer.
        offers += [
            (key, enhancers.sources[key], ()) for key in enhancers if any(key == title for title, _, _ in offers)
        ]
        items, _, _ = self._by_name("preset", offers)
        return MappingProxyType({title: steps for title, steps in items.items() if steps})

    def _by_name(
        self, noun: str, offers: Sequence[tuple[str, str, Any]]
    ) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
        """Items, sources and disputes by name: a lopore package keeps its name, between two outsiders none is used."""
        by_name: dict[str, list[tuple[str, Any]]] = {}
        for name, source, item in offers:
            by_name.setdefault(name, []).append((source, item))
        items: dict[str, Any] = {}
        sources: dict[str, str] = {}
        disputed: dict[str, str] = {}
        for name, given in sorted(by_name.items()):
            own = [offer for offer in given if is_own(offer[0])]
            winner = given[0] if len(given) == 1 else own[0] if len(own) == 1 else None
            if winner is not None:
                sources[name], items[name] = winner
            for source, _ in given if len(given) > 1 else ():
                if winner is None or source != winner[0]:
                    others = ", ".join(sorted({other for other, _ in given} - {source})) or "itself"
                    verdict = f"{winner[0]} keeps it" if winner else "neither is used"
                    mend = dispute_mend(source, winner is not None or others == "itself")
                    disputed[name] = f"offered by {source} and {others}; {verdict}; {mend}"
                    self._problem(
                        source, "name", f"{noun} '{name}' is offered by {source} and {others}; {verdict}", mend=mend
                    )
        return items, sources, disputed


def _itself(plugin: Any) -> Any:
    return plugin


def slow_import_seconds() -> float:
    """From how many seconds on an import is told as slow: ``LOPORE_SLOW_IMPORT``, else two."""
    try:
        return float(os.environ["LOPORE_SLOW_IMPORT"])
    except (KeyError, ValueError):
        return SLOW_IMPORT_SECONDS


def _check_hooks(plugin: Any) -> None:
    """PluginError for a function called ``lopore_...`` that is no hook or is not marked as one."""
    hooks = [f"lopore_{kind}" for kind in KINDS]
    for name in dir(plugin):
        if not name.startswith("lopore_") or not callable(getattr(plugin, name)):
            continue
        if name not in hooks:
            near = difflib.get_close_matches(name, hooks, n=1)
            raise PluginError(f"there is no hook {name}; {f'did you mean {near[0]}?' if near else ', '.join(hooks)}")
        if not hasattr(getattr(plugin, name), "lopore_impl"):
            raise PluginError(f"{name} lacks @hookimpl; mark it or rename it")
        asked = [item for item in signature(getattr(plugin, name)).parameters.values() if item.default is item.empty]
        if asked:
            given = ", ".join(map(str, asked))
            raise PluginError(f"{name}({given}) takes arguments; a hook takes none, it lists what there is")


def _listed(function: Callable[[], Iterable[Any]], kind: str, source: str) -> list[Any]:
    wanted = KINDS[kind]
    found = list(itertools.islice(function(), MOST_ENTRIES + 1))
    if len(found) > MOST_ENTRIES:
        raise PluginError(f"lopore_{kind} lists more than {MOST_ENTRIES} entries; a family stands for many")
    for descriptor in found:
        if not isinstance(descriptor, wanted):
            raise PluginError(f"lopore_{kind} gave {type(descriptor).__name__}; it lists {wanted.__name__} descriptors")
        check_descriptor(descriptor, parameters=not is_own(source))
    return found


@cache
def discover() -> Registry:
    """Every installed plugin of entry-point group ``lopore``, in name order; cached for the life of the process.

    ``LOPORE_BLOCK=name,name`` leaves distributions out before anything of theirs is imported. No framework is imported.
    """
    listed = os.environ.get("LOPORE_BLOCK", "")
    blocked = {normal_name(name) for name in listed.split(",") if name.strip()}
    collector = _Collector()
    skipped = []
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
    """Run what a plugin entry holds; any error of an outsider's becomes a PluginError that names owner and key.

    What an outsider changes of the process is put back (``surroundings``), and what it prints goes to standard error.
    Ctrl-C passes through.
    """
    try:
        if is_own(source) or source == "lopore":
            return work()
        with surroundings.isolate_call(training=kind == "trainer"):
            return work()
    except (LoporeError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # SystemExit of a plugin must not end lopore
        raise PluginError(f"{kind} '{key}' of {source} failed: {told(error)}{_way_round(source, error)}") from error


def _way_round(source: str, error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "; lower the batch size or the size of the pictures"
    return "" if is_own(source) or source == "lopore" else f"; use another or tell its author; {leave_out(source)}"
